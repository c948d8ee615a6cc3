//! Sessions of this machine's operators: the same requests as a partner's, over a stream that the
//! kernel vouches for, without SSH.

use qm_core::ports::clock::Clock;
use qm_core::ports::mailbox::Mailbox;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::life::Life;
use crate::session::{self, Input, Outlet, Session, Who};
use crate::workers::Workers;

/// One session of an operator whose identity was proven by whoever makes this.
pub struct OperatorSession {
    /// The Unix user.
    pub operator: String,
    /// What [`open_operator`](qm_core::ports::mailbox::Mailboxes::open_operator) gave for it.
    pub mailbox: Arc<dyn Mailbox>,
    /// For the times in listings.
    pub clock: Arc<dyn Clock>,
}

impl OperatorSession {
    /// Serves until the stream ends or `stop` completes; returns when every upload is committed or
    /// abandoned.
    pub async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        stop: impl Future<Output = ()> + Send,
    ) {
        let life = Arc::new(Life::new());
        let uploads = Workers::new();
        let who = Who::Operator(self.operator);
        let session = Session::new(
            self.mailbox,
            who.clone(),
            Arc::clone(&life),
            uploads.worker(),
            self.clock,
        );
        let (reader, writer) = qm_sftp_wire::split(stream);
        let serving = session::serve(
            session,
            Input::Stream(reader),
            Outlet::Stream(writer),
            &life,
        );
        let stop_with_node = async {
            stop.await;
            life.stop();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            outcome = serving => tracing::debug!(%who, ?outcome, "operator's session ended"),
            () = stop_with_node => {}
        }
        uploads.finished().await;
    }
}
