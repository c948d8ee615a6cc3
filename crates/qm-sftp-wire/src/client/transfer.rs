//! Files in many requests at once: the next ones are under way while a reply is waited for.

use bytes::Bytes;
use qm_core::{Error, Kind, Result};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use tokio::sync::mpsc;

use super::calls::{Request, not_sftp};
use super::{Client, RemoteFile};
use crate::kind;
use crate::limits::{CLIENT_BYTES, CLIENT_REQUESTS, DATA_BYTES_MAX};

/// READs at a time: 4 MiB.
const READS: usize = CLIENT_BYTES / DATA_BYTES_MAX as usize;

/// What was asked for by one READ.
struct Piece {
    offset: u64,
    length: u32,
}

impl Client {
    /// Sends a piece of a file, in parts that the server takes, and takes in time. Returns when it is on
    /// its way and few enough others are: what becomes of it is told by a later piece or by
    /// [`Self::settle`].
    pub async fn write(&mut self, file: &RemoteFile, offset: u64, data: Bytes) -> Result<()> {
        let mut data = data;
        let mut offset = offset;
        while !data.is_empty() {
            while self.writes.len() == CLIENT_REQUESTS
                || (!self.writes.is_empty()
                    && (self.stride.is_unknown()
                        || self.writes_bytes + data.len().min(self.stride.bytes() as usize)
                            > CLIENT_BYTES))
            {
                self.answer_oldest().await?;
            }
            if self.writes.is_empty() {
                // What else was waited for tells nothing of WRITEs.
                self.calls.take_waited();
            }
            let part = data.split_to(data.len().min(self.stride.bytes() as usize));
            let length = part.len();
            let request = Request::new(kind::WRITE).string(&file.handle).u64(offset);
            let mut sent = self.calls.send(request, part).await;
            if sent.is_ok() && self.stride.is_short() && !data.is_empty() {
                sent = self.calls.flush().await.and(sent);
            }
            match sent {
                Ok(id) => self.writes.push_back((id, length)),
                Err(lost) => {
                    return Err(self.calls.refusal_before_the_end().await.unwrap_or(lost));
                }
            }
            self.writes_bytes += length;
            offset += length as u64;
        }
        Ok(())
    }

    /// Waits until every piece that was sent is written. After an error all are answered all the same,
    /// if the server still does.
    pub async fn settle(&mut self) -> Result<()> {
        let mut ended = Ok(());
        while !self.writes.is_empty() {
            let answered = self.answer_oldest().await;
            if answered
                .as_ref()
                .is_err_and(|error| super::refusal(error).is_none())
            {
                return ended.and(answered);
            }
            ended = ended.and(answered);
        }
        ended
    }

    async fn answer_oldest(&mut self) -> Result<()> {
        let Some((id, length)) = self.writes.pop_front() else {
            return Ok(());
        };
        self.writes_bytes -= length;
        let written = self.calls.wait(id).await?.done();
        let waited = self.calls.take_waited();
        if let Some(patience) = self.calls.patience() {
            self.stride.answered(length, waited, patience);
        }
        written
    }

    /// Sends all that comes out of `source`, from the beginning of the file, and says how much
    /// that was.
    pub async fn write_from(
        &mut self,
        file: &RemoteFile,
        source: &mut mpsc::Receiver<io::Result<Bytes>>,
    ) -> Result<u64> {
        let mut offset = 0;
        while let Some(read) = source.recv().await {
            let bytes = read.map_err(|error| {
                Error::new(Kind::Unavailable, "what is to be sent cannot be read").source(error)
            })?;
            let length = bytes.len() as u64;
            self.write(file, offset, bytes).await?;
            // What the source gave before it breaks off arrives: it is kept for the next try.
            self.calls.flush().await?;
            offset += length;
        }
        self.settle().await?;
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
            while next_asked < part.end && asked.len() + received.len() < READS {
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
}
