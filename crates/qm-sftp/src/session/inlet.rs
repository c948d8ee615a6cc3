//! The receiving side of a channel: SSH messages to requests.

use russh::{ChannelMsg, ChannelReadHalf};
use std::collections::VecDeque;

use super::unit::{Queued, Unit};
use crate::limits::{REQUESTS_AHEAD_BYTES, REQUESTS_AHEAD_MAX};
use crate::shares::BacklogShare;
use crate::wire::{Framer, FramingError, decode};

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
    input: ChannelReadHalf,
    framer: Framer,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    backlog: BacklogShare,
    peer: Peer,
}

impl Inlet {
    pub(super) fn new(input: ChannelReadHalf, backlog: BacklogShare) -> Self {
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
        match self.input.wait().await {
            Some(ChannelMsg::Data { data }) if self.peer == Peer::Open => {
                self.framer.push(data);
                self.count();
            }
            Some(ChannelMsg::Eof) => self.peer = Peer::Finished,
            Some(ChannelMsg::Close) | None => self.peer = Peer::Gone,
            // Answered by the handler, or of no meaning here.
            Some(_) => {}
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
            let Some(packet) = self.framer.next()? else {
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
