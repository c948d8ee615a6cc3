//! Requests out, replies in, matched by their ids.

use bytes::{Buf, BufMut as _, Bytes, BytesMut};
use qm_core::{Error, Kind, Result};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::limits::{COLLECTED_BYTES, EARLY_BYTES, EXTENSIONS_MAX};
use crate::stream::{self, Reader, Writer};
use crate::{Cursor, Framer, Status, VERSION, kind, length_of};

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
    /// Requests that are not sent yet.
    collected: BytesMut,
    unanswered: HashSet<u32>,
    /// Replies that came before somebody asked for them.
    early: HashMap<u32, Reply>,
    early_bytes: usize,
    patience: Option<Duration>,
    /// Since it was last taken.
    waited: Duration,
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

/// The code of a status that is not OK, as the source of the error it became.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused(pub(super) u32);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.0)
    }
}

impl std::error::Error for Refused {}

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

    pub(super) fn string(mut self, bytes: impl AsRef<[u8]>) -> Self {
        crate::put_string(&mut self.0, bytes.as_ref());
        self
    }

    pub(super) fn attributes(mut self, attributes: &crate::WireAttributes) -> Self {
        attributes.encode(&mut self.0);
        self
    }
}

impl Calls {
    /// Greets the server and says what it offers.
    pub(super) async fn greet(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        patience: Option<Duration>,
    ) -> Result<(Self, Vec<Bytes>)> {
        let (reader, writer) = stream::split(stream);
        let mut calls = Self {
            reader,
            writer,
            framer: Framer::default(),
            // The greeting has the version where requests have their id.
            last_id: VERSION - 1,
            collected: BytesMut::new(),
            unanswered: HashSet::new(),
            early: HashMap::new(),
            early_bytes: 0,
            patience,
            waited: Duration::ZERO,
        };
        let greeting = calls.queue(Request::new(kind::INIT), &[]);
        calls.flush().await?;
        calls.unanswered.remove(&greeting);
        let reply = calls.next_reply().await?;
        if reply.kind == kind::VERSION && reply.id != VERSION {
            return Err(not_sftp("another version").with("version", reply.id));
        }
        let offers = extensions(reply.expect(kind::VERSION)?)?;
        Ok((calls, offers))
    }

    /// How long the server may take for the next sign of life.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = Some(patience);
    }

    pub(super) fn patience(&self) -> Option<Duration> {
        self.patience
    }

    /// How long the server was waited for since the last call, until it took or gave something.
    pub(super) fn take_waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }

    /// True if nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.unanswered.is_empty() && self.early.is_empty() && self.collected.is_empty()
    }

    /// Sends a request and waits for its reply.
    pub(super) async fn call(&mut self, request: Request) -> Result<Reply> {
        let id = self.queue(request, &[]);
        self.wait(id).await
    }

    /// Takes a request, with `data` as its last string if there is any; it is sent with the next
    /// that is waited for.
    pub(super) fn queue(&mut self, request: Request, data: &[u8]) -> u32 {
        let id = self.begin(request, data);
        self.collected.extend_from_slice(data);
        id
    }

    /// Like [`Self::queue`], but large data is sent at once and not copied.
    pub(super) async fn send(&mut self, request: Request, data: Bytes) -> Result<u32> {
        if self.collected.len() + data.len() < COLLECTED_BYTES {
            return Ok(self.queue(request, &data));
        }
        let id = self.begin(request, &data);
        let head = self.collected.split();
        self.send_all(head.chain(data)).await?;
        Ok(id)
    }

    /// The reply to a request, whenever it comes.
    pub(super) async fn wait(&mut self, id: u32) -> Result<Reply> {
        self.flush().await?;
        loop {
            if let Some(reply) = self.early.remove(&id) {
                self.early_bytes -= reply.body.remaining();
                return Ok(reply);
            }
            let reply = self.receive().await?;
            if reply.id == id {
                return Ok(reply);
            }
            self.early_bytes += reply.body.remaining();
            if self.early_bytes > EARLY_BYTES {
                return Err(not_sftp("replies without measure"));
            }
            self.early.insert(reply.id, reply);
        }
    }

    /// The next reply to any request.
    pub(super) async fn receive(&mut self) -> Result<Reply> {
        self.flush().await?;
        let reply = self.next_reply().await?;
        if self.unanswered.remove(&reply.id) {
            Ok(reply)
        } else {
            Err(not_sftp("a reply to nothing"))
        }
    }

    /// Why the server does not listen any more, if it said so before it left.
    pub(super) async fn refusal_before_the_end(&mut self) -> Option<Error> {
        while !self.unanswered.is_empty() {
            let reply = self.next_reply().await.ok()?;
            self.unanswered.remove(&reply.id);
            if let Err(refused) = reply.done() {
                return Some(refused);
            }
        }
        None
    }

    async fn next_reply(&mut self) -> Result<Reply> {
        loop {
            let framed = self.framer.next_packet();
            if let Some(mut packet) = framed.map_err(|error| not_sftp(error.0))? {
                return Ok(Reply {
                    kind: packet.kind,
                    id: packet.body.u32().map_err(not_sftp)?,
                    body: packet.body,
                });
            }
            let asked = Instant::now();
            let read = within(self.patience, self.reader.next()).await?;
            self.waited += asked.elapsed();
            match read {
                Some(bytes) => self.framer.push(bytes),
                None => return Err(lost()),
            }
        }
    }

    /// Appends all of a request but its data, whose length is part of it.
    fn begin(&mut self, request: Request, data: &[u8]) -> u32 {
        self.last_id = self.last_id.wrapping_add(1);
        let mut head = if data.is_empty() {
            request.0
        } else {
            request.u32(length_of(data)).0
        };
        let length = u32::try_from(head.len() - LENGTH_BYTES + data.len()).unwrap_or(u32::MAX);
        head[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        head[ID].copy_from_slice(&self.last_id.to_be_bytes());
        self.collected.extend_from_slice(&head);
        self.unanswered.insert(self.last_id);
        self.last_id
    }

    /// Sends what was collected.
    pub(super) async fn flush(&mut self) -> Result<()> {
        if self.collected.is_empty() {
            return Ok(());
        }
        let collected = self.collected.split();
        self.send_all(collected).await
    }

    /// The patience begins anew with everything that is taken.
    async fn send_all(&mut self, bytes: impl Buf) -> Result<()> {
        let mut bytes = bytes;
        let asked = Instant::now();
        while bytes.has_remaining() {
            within(self.patience, self.writer.send_some(&mut bytes)).await?;
        }
        within(self.patience, self.writer.flush()).await?;
        self.waited += asked.elapsed();
        Ok(())
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
pub(super) fn not_sftp(what: impl fmt::Debug) -> Error {
    Error::new(Kind::Invalid, "the server does not speak SFTP").with("found", format!("{what:?}"))
}

async fn within<T>(
    patience: Option<Duration>,
    work: impl Future<Output = std::io::Result<T>>,
) -> Result<T> {
    let done = match patience {
        None => work.await,
        Some(patience) => tokio::time::timeout(patience, work).await.map_err(|_| {
            Error::new(Kind::Timeout, "the server did not answer in time")
                .with("waited_seconds", patience.as_secs())
        })?,
    };
    done.map_err(|error| lost().source(error))
}

fn lost() -> Error {
    Error::new(Kind::Unavailable, "the connection to the server was lost")
}

/// The names in a greeting.
fn extensions(mut body: Cursor) -> Result<Vec<Bytes>> {
    let mut names = Vec::new();
    while body.remaining() > 0 {
        if names.len() == EXTENSIONS_MAX {
            return Err(not_sftp("more extensions than there are"));
        }
        names.push(body.string().map_err(not_sftp)?);
        body.string_pieces().map_err(not_sftp)?;
    }
    Ok(names)
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
    // Of a foreign server: without what a terminal acts on.
    let plain = sentence.chars().take(SENTENCE_CHARS_MAX).map(|c| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    });
    let sentence = if sentence.is_empty() {
        "the server refused".to_owned()
    } else {
        plain.collect()
    };
    Error::new(kind, sentence).source(Refused(code))
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
