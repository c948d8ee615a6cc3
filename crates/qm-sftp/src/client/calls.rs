//! Requests out, replies in.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use qm_core::{Error, Kind, Result};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::status::Status;
use crate::stream::{self, Reader, Writer};
use crate::wire::{Cursor, Framer, kind};

/// Of the protocol: the only one that all servers speak.
const VERSION: u32 = 3;
const LENGTH_BYTES: usize = 4;
/// Where the id of a request is: behind length and type.
const ID: std::ops::Range<usize> = 5..9;
/// More of a refusal than that is no sentence for people.
const SENTENCE_CHARS_MAX: usize = 1000;

/// A session's requests and replies.
pub(super) struct Calls {
    reader: Reader,
    writer: Writer,
    framer: Framer,
    last_id: u32,
}

/// A request; its length and id are filled in when it is sent.
pub(super) struct Request(BytesMut);

/// A reply.
pub(super) struct Reply {
    kind: u8,
    /// Of the request.
    pub(super) id: u32,
    body: Cursor,
}

impl Request {
    pub(super) fn new(kind: u8) -> Self {
        let mut packet = BytesMut::with_capacity(64);
        packet.put_u32(0);
        packet.put_u8(kind);
        packet.put_u32(0);
        Self(packet)
    }

    pub(super) fn extended(name: &str) -> Self {
        Self::new(kind::EXTENDED).string(name)
    }

    pub(super) fn u32(mut self, value: u32) -> Self {
        self.0.put_u32(value);
        self
    }

    pub(super) fn u64(mut self, value: u64) -> Self {
        self.0.put_u64(value);
        self
    }

    pub(super) fn string(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let mut request = self.u32(length_of(bytes));
        request.0.put_slice(bytes);
        request
    }
}

impl Calls {
    pub(super) async fn greet(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self> {
        let (reader, writer) = stream::split(stream);
        let mut calls = Self {
            reader,
            writer,
            framer: Framer::default(),
            // The greeting has the version where requests have their id.
            last_id: VERSION - 1,
        };
        calls.send(Request::new(kind::INIT), Bytes::new()).await?;
        calls.receive().await?.expect(kind::VERSION)?;
        Ok(calls)
    }

    /// Sends a request and waits for its reply; nothing else may be unanswered.
    pub(super) async fn call(&mut self, request: Request) -> Result<Reply> {
        let id = self.send(request, Bytes::new()).await?;
        let reply = self.receive().await?;
        if reply.id == id {
            Ok(reply)
        } else {
            Err(not_sftp("a reply to nothing"))
        }
    }

    /// Sends a request, with `data` as its last string if there is any, and gives back its id.
    pub(super) async fn send(&mut self, request: Request, data: Bytes) -> Result<u32> {
        self.last_id = self.last_id.wrapping_add(1);
        let mut head = if data.is_empty() {
            request.0
        } else {
            request.u32(length_of(&data)).0
        };
        let length = u32::try_from(head.len() - LENGTH_BYTES + data.len()).unwrap_or(u32::MAX);
        head[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        head[ID].copy_from_slice(&self.last_id.to_be_bytes());
        let sent = self.writer.send(head.chain(data)).await;
        sent.map_err(|error| lost().source(error))?;
        Ok(self.last_id)
    }

    /// The next reply.
    pub(super) async fn receive(&mut self) -> Result<Reply> {
        loop {
            let framed = self.framer.next();
            if let Some(mut packet) = framed.map_err(|error| not_sftp(error.0))? {
                return Ok(Reply {
                    kind: packet.kind,
                    id: packet.body.u32().map_err(not_sftp)?,
                    body: packet.body,
                });
            }
            match self.reader.next().await {
                Ok(Some(bytes)) => self.framer.push(bytes),
                Ok(None) => return Err(lost()),
                Err(error) => return Err(lost().source(error)),
            }
        }
    }
}

impl Reply {
    /// The body of the kind of reply that was asked for; a refusal otherwise.
    pub(super) fn expect(self, wanted: u8) -> Result<Cursor> {
        match self.kind {
            kind if kind == wanted => Ok(self.body),
            kind::STATUS => Err(refusal(self.body)),
            _ => Err(not_sftp("a reply of another kind")),
        }
    }

    /// Like [`Reply::expect`], where the end is an answer too.
    pub(super) fn or_end(self, wanted: u8) -> Result<Option<Cursor>> {
        if self.status() == Some(Status::Eof.code()) {
            return Ok(None);
        }
        self.expect(wanted).map(Some)
    }

    /// `Ok` if it was done.
    pub(super) fn done(self) -> Result<()> {
        if self.status() == Some(Status::Ok.code()) {
            return Ok(());
        }
        // Whatever else it is, it is not what was asked for.
        self.expect(kind::STATUS)
            .and_then(|body| Err(refusal(body)))
    }

    fn status(&self) -> Option<u32> {
        (self.kind == kind::STATUS)
            .then(|| self.body.clone().u32().ok())
            .flatten()
    }
}

/// The bytes are not what they should be.
pub(super) fn not_sftp(what: impl std::fmt::Debug) -> Error {
    Error::new(Kind::Invalid, "the server does not speak SFTP").with("found", format!("{what:?}"))
}

fn lost() -> Error {
    Error::new(Kind::Unavailable, "the connection to the server was lost")
}

/// What a status that is not OK says: code, sentence, language.
fn refusal(mut status: Cursor) -> Error {
    let code = status.u32().unwrap_or_default();
    let kind = match code {
        code if code == Status::NoSuchFile.code() => Kind::NotFound,
        code if code == Status::Unsupported.code() => Kind::Unsupported,
        _ => Kind::Refused,
    };
    let sentence = status.string().unwrap_or_default();
    let sentence = String::from_utf8_lossy(&sentence);
    if sentence.is_empty() {
        return Error::new(kind, "the server refused").with("code", code);
    }
    // Of a foreign server: without what a terminal acts on.
    let plain = sentence.chars().take(SENTENCE_CHARS_MAX).map(|c| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    });
    Error::new(kind, plain.collect::<String>())
}

fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_carries_the_sentence_and_nothing_else() {
        let string = |text: &[u8]| [&length_of(text).to_be_bytes()[..], text].concat();
        let whole = [&[0, 0, 0, 2], &string(b"no \x1b space")[..], &string(b"en")].concat();
        for (status, kind, expect) in [
            (&whole[..], Kind::NotFound, "no \\u{1b} space"),
            (&whole[..9], Kind::NotFound, "the server refused"),
            (&[0, 0, 0, 4], Kind::Refused, "the server refused"),
            (&[], Kind::Refused, "the server refused"),
        ] {
            let body = Cursor::new(Bytes::copy_from_slice(status), Vec::new(), status.len());
            let error = refusal(body);
            assert_eq!((error.kind(), error.public_message()), (kind, expect));
        }
    }
}
