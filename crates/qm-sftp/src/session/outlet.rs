//! The sending side of a session.

use bytes::Bytes;
use russh::ChannelWriteHalf;
use russh::server::Msg;

use super::inlet::{Inlet, Peer};
use crate::life::Life;
use crate::limits::FAREWELL;
use crate::wire::Replies;
use qm_sftp_wire::Writer;

/// Why replies could not be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unsent {
    /// The connection is to end.
    Stopped,
    /// The client sends requests without end and reads no replies.
    Unread,
}

/// Where replies go; sends within the client's window.
pub(crate) enum Outlet {
    /// A channel of an SSH connection.
    Channel(ChannelWriteHalf<Msg>),
    /// A stream of its own.
    Stream(Writer),
}

impl Outlet {
    /// Sends everything. While the client's window is shut its requests are received, because
    /// the message that opens it may be behind them. Replies to a client that is gone are
    /// dropped: what it asked for before is executed all the same.
    pub(super) async fn send(
        &mut self,
        replies: &mut Replies,
        inlet: &mut Inlet,
        life: &Life,
    ) -> Result<(), Unsent> {
        for part in replies.take() {
            let sending = self.send_part(part);
            tokio::pin!(sending);
            loop {
                tokio::select! {
                    biased;
                    () = &mut sending => break,
                    () = life.stopped() => return Err(Unsent::Stopped),
                    () = inlet.receive() => match inlet.peer() {
                        Peer::Gone => return Ok(()),
                        Peer::Open | Peer::Finished => {
                            if inlet.is_overfull() {
                                return Err(Unsent::Unread);
                            }
                        }
                    },
                }
            }
        }
        Ok(())
    }

    /// Says good-bye. A client that does not take it is not waited for.
    pub(super) async fn close(self, exit_status: u32) {
        // Errors and the time-out alike mean that nobody listens any more.
        let farewell = async {
            match self {
                Self::Channel(channel) => {
                    let _ = channel.exit_status(exit_status).await;
                    let _ = channel.eof().await;
                    let _ = channel.close().await;
                }
                Self::Stream(mut stream) => {
                    let _ = stream.close().await;
                }
            }
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }

    /// An error means that the connection is gone, which the inlet learns too.
    async fn send_part(&mut self, part: Bytes) {
        match self {
            Self::Channel(channel) => {
                let _ = channel.data_bytes(part).await;
            }
            Self::Stream(stream) => {
                let _ = stream.send(part).await;
            }
        }
    }
}
