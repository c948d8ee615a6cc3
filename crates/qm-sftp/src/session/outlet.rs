//! The sending side of a channel.

use russh::ChannelWriteHalf;
use russh::server::Msg;

use super::inlet::{Inlet, Peer};
use crate::life::Life;
use crate::limits::FAREWELL;
use crate::wire::Replies;

/// Why replies could not be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unsent {
    /// The connection is to end.
    Stopped,
    /// The client sends requests without end and reads no replies.
    Unread,
}

/// Sends replies within the client's window.
pub(super) struct Outlet(pub(super) ChannelWriteHalf<Msg>);

impl Outlet {
    /// Sends everything. While the client's window is shut its requests are received, because
    /// the message that opens it may be behind them. Replies to a client that is gone are
    /// dropped: what it asked for before is executed all the same.
    pub(super) async fn send(
        &self,
        replies: &mut Replies,
        inlet: &mut Inlet,
        life: &Life,
    ) -> Result<(), Unsent> {
        for part in replies.take() {
            let sending = self.0.data_bytes(part);
            tokio::pin!(sending);
            loop {
                tokio::select! {
                    biased;
                    // An error means that the connection is gone, which the inlet learns too.
                    _ = &mut sending => break,
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
        let farewell = async {
            self.0.exit_status(exit_status).await?;
            self.0.eof().await?;
            self.0.close().await
        };
        // Errors and the time-out alike mean that nobody listens any more.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}
