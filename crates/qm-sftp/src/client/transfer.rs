//! Files in many requests at once: the next ones are under way while a reply is waited for.

use bytes::Bytes;
use qm_core::{Error, Kind, Result};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use tokio::sync::mpsc;

use super::calls::{Request, not_sftp};
use super::{Client, RemoteFile};
use crate::limits::{CLIENT_REQUESTS, DATA_BYTES_MAX};
use crate::wire::kind;

/// What was asked for by one READ.
struct Piece {
    offset: u64,
    length: u32,
}

impl Client {
    /// Sends all that comes out of `source`, from the beginning of the file, and says how much
    /// that was.
    pub async fn write_from(
        &mut self,
        file: &RemoteFile,
        source: &mut mpsc::Receiver<io::Result<Bytes>>,
    ) -> Result<u64> {
        let mut offset = 0;
        let mut unanswered = 0;
        while let Some(read) = source.recv().await {
            let mut bytes = read.map_err(|error| {
                Error::new(Kind::Unavailable, "what is to be sent cannot be read").source(error)
            })?;
            while !bytes.is_empty() {
                let data = bytes.split_to(bytes.len().min(DATA_BYTES_MAX as usize));
                let length = data.len() as u64;
                if unanswered == CLIENT_REQUESTS {
                    self.calls.receive().await?.done()?;
                    unanswered -= 1;
                }
                let request = Request::new(kind::WRITE).string(&file.handle).u64(offset);
                if let Err(lost) = self.calls.send(request, data).await {
                    return Err(self.refusal_among(unanswered).await.unwrap_or(lost));
                }
                unanswered += 1;
                offset += length;
            }
        }
        for _ in 0..unanswered {
            self.calls.receive().await?.done()?;
        }
        Ok(offset)
    }

    /// Puts this part of a file into `sink`, in order. Fails if the file ends before the part does.
    pub async fn read_into(
        &mut self,
        file: &RemoteFile,
        part: Range<u64>,
        sink: &mpsc::Sender<Bytes>,
    ) -> Result<()> {
        let mut asked = HashMap::new();
        let mut received: BTreeMap<u64, Vec<Bytes>> = BTreeMap::new();
        let mut next_asked = part.start;
        let mut next_given = part.start;
        while next_given < part.end {
            while next_asked < part.end && asked.len() + received.len() < CLIENT_REQUESTS {
                let left = part.end - next_asked;
                let length = u32::try_from(left).unwrap_or(u32::MAX).min(DATA_BYTES_MAX);
                let piece = Piece {
                    offset: next_asked,
                    length,
                };
                next_asked += u64::from(length);
                asked.insert(self.ask(file, &piece).await?, piece);
            }
            let reply = self.calls.receive().await?;
            let piece = asked
                .remove(&reply.id)
                .ok_or_else(|| not_sftp("a reply to nothing"))?;
            let Some(mut body) = reply.or_end(kind::DATA)? else {
                return Err(Error::new(
                    Kind::Conflict,
                    "the file is shorter than it was said to be",
                )
                .with("ends before", piece.offset + u64::from(piece.length)));
            };
            let data = body.string_pieces().map_err(not_sftp)?;
            let length = data.iter().map(Bytes::len).sum::<usize>();
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            if length == 0 || length > piece.length {
                return Err(not_sftp("data that was not asked for"));
            }
            received.insert(piece.offset, data);
            if length < piece.length {
                let rest = Piece {
                    offset: piece.offset + u64::from(length),
                    length: piece.length - length,
                };
                asked.insert(self.ask(file, &rest).await?, rest);
            }
            while let Some(data) = received.remove(&next_given) {
                for bytes in data {
                    next_given += bytes.len() as u64;
                    sink.send(bytes).await.map_err(|_| {
                        Error::new(Kind::Unavailable, "what was received cannot be written")
                    })?;
                }
            }
        }
        Ok(())
    }

    async fn ask(&mut self, file: &RemoteFile, piece: &Piece) -> Result<u32> {
        let request = Request::new(kind::READ)
            .string(&file.handle)
            .u64(piece.offset)
            .u32(piece.length);
        self.calls.send(request, Bytes::new()).await
    }

    /// Why the server does not listen any more, if it said so before it left.
    async fn refusal_among(&mut self, unanswered: usize) -> Option<Error> {
        for _ in 0..unanswered {
            let reply = self.calls.receive().await.ok()?;
            if let Err(refused) = reply.done() {
                return Some(refused);
            }
        }
        None
    }
}
