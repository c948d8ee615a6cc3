//! The receiving side of a session: SSH messages, or the bytes of a stream, to requests.

use bytes::Bytes;
use russh::{ChannelMsg, ChannelReadHalf};
use std::collections::VecDeque;

use super::unit::{Queued, Unit};
use crate::limits::{REQUESTS_AHEAD_BYTES, REQUESTS_AHEAD_MAX};
use crate::shares::BacklogShare;
use crate::wire::{Framer, FramingError, decode};
use qm_sftp_wire::Reader;

/// Where requests come from.
pub(crate) enum Input {
    /// A channel of an SSH connection.
    Channel(ChannelReadHalf),
    /// A stream of its own.
    Stream(Reader),
}

/// What comes from there.
enum Received {
    Data(Bytes),
    Finished,
    Gone,
    /// Answered by the handler, or of no meaning here.
    Other,
}

impl Input {
    async fn next(&mut self) -> Received {
        match self {
            Self::Channel(channel) => match channel.wait().await {
                Some(ChannelMsg::Data { data }) => Received::Data(data),
                Some(ChannelMsg::Eof) => Received::Finished,
                Some(ChannelMsg::Close) | None => Received::Gone,
                Some(_) => Received::Other,
            },
            // Our own client is the only one there, and never closes one direction alone.
            Self::Stream(stream) => match stream.next().await {
                Ok(Some(data)) => Received::Data(data),
                Ok(None) | Err(_) => Received::Gone,
            },
        }
    }
}

/// How far the client is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Peer {
    /// It may send.
    Open,
    /// It will send no more, but reads.
    Finished,
    /// It neither sends nor reads.
    Gone,
}

/// Requests that were received.
pub(super) struct Inlet {
    input: Input,
    framer: Framer,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    backlog: BacklogShare,
    peer: Peer,
}

impl Inlet {
    pub(super) fn new(input: Input, backlog: BacklogShare) -> Self {
        Self {
            input,
            framer: Framer::default(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            backlog,
            peer: Peer::Open,
        }
    }

    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    /// True if the connection's channels hold more requests than they may.
    pub(super) fn is_overfull(&self) -> bool {
        self.backlog.is_exceeded()
    }

    /// True if no request is ready to be executed.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Waits for one message. May be dropped at any time without losing one.
    pub(super) async fn receive(&mut self) {
        match self.input.next().await {
            Received::Data(data) if self.peer == Peer::Open => {
                self.framer.push(data);
                self.count();
            }
            Received::Finished => self.peer = Peer::Finished,
            Received::Gone => self.peer = Peer::Gone,
            Received::Data(_) | Received::Other => {}
        }
    }

    /// Takes what was received already, as much as may be decoded ahead, without waiting.
    pub(super) async fn fill(&mut self) -> Result<(), FramingError> {
        loop {
            self.decode_ahead()?;
            if self.is_full() || self.peer != Peer::Open {
                return Ok(());
            }
            let is_received = tokio::select! {
                biased;
                () = self.receive() => true,
                () = std::future::ready(()) => false,
            };
            if !is_received {
                return Ok(());
            }
        }
    }

    /// The next thing to execute.
    pub(super) fn take_unit(&mut self) -> Option<Unit> {
        let unit = Unit::take(&mut self.queue, &mut self.queued_bytes);
        self.count();
        unit
    }

    fn count(&mut self) {
        self.backlog
            .update(self.framer.buffered_bytes() + self.queued_bytes);
    }

    fn decode_ahead(&mut self) -> Result<(), FramingError> {
        while !self.is_full() {
            let Some(packet) = self.framer.next_packet()? else {
                return Ok(());
            };
            let size_bytes = packet.size_bytes;
            let decoded = decode(packet)?;
            self.queued_bytes += size_bytes;
            self.queue.push_back(Queued {
                decoded,
                size_bytes,
            });
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.queue.len() >= REQUESTS_AHEAD_MAX || self.queued_bytes >= REQUESTS_AHEAD_BYTES
    }
}
