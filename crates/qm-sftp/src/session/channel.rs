//! The life of a channel: waits for its subsystem, then is a session.

use qm_core::id::AccountName;
use qm_core::ports::clock::Clock;
use qm_core::ports::mailbox::Mailbox;
use russh::server::Msg;
use russh::{ChannelMsg, ChannelReadHalf};
use std::sync::Arc;
use tokio::sync::oneshot;

use super::inlet::Input;
use super::outlet::Outlet;
use super::{Outcome, Session, Who, serve};
use crate::life::Life;
use crate::workers::Worker;

/// A channel that was opened.
pub(crate) struct Channel {
    /// What the client asked us to serve it with, once it asked for SFTP.
    pub(crate) start: oneshot::Receiver<(Arc<dyn Mailbox>, AccountName)>,
    pub(crate) life: Arc<Life>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Held until the last upload is committed or abandoned.
    pub(crate) worker: Worker,
}

impl Channel {
    /// Serves the channel to its end. Open uploads are abandoned when this returns.
    pub(crate) async fn run(self, channel: russh::Channel<Msg>) -> Outcome {
        let (mut input, output) = channel.split();
        let outlet = Outlet::Channel(output);
        let Some((mailbox, account)) = wait_for_start(self.start, &mut input, &self.life).await
        else {
            drop(input);
            outlet.close(0).await;
            return Outcome::Finished;
        };
        let life = Arc::clone(&self.life);
        let session = Session::new(
            mailbox,
            Who::Account(account),
            self.life,
            self.worker,
            self.clock,
        );
        serve(session, Input::Channel(input), outlet, &life).await
    }
}

/// What a client does with a channel before it asks for a subsystem is answered by the handler.
async fn wait_for_start<T>(
    mut start: oneshot::Receiver<T>,
    input: &mut ChannelReadHalf,
    life: &Life,
) -> Option<T> {
    loop {
        tokio::select! {
            // The start is sent before anything that the client sends to the subsystem.
            biased;
            started = &mut start => return started.ok(),
            () = life.stopped() => return None,
            message = input.wait() => match message {
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return None,
                Some(_) => {}
            },
        }
    }
}
