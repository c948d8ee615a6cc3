//! Hints that there may be work: of our own commits at once, of other nodes' by LISTEN and NOTIFY.
//! Nothing is ever told inside a transaction: all that tell would wait for each other's syncs.

use futures_util::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::AbortHandle;
use tokio_postgres::{AsyncMessage, Client};

use super::fault::{Fault, Sql};
use super::pool::Pool;

/// Between attempts to listen again. Scans do not rely on hints, so nobody waits for this.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts up whenever there may be work.
pub(super) struct Changes {
    seen: watch::Sender<u64>,
    to_tell: Notify,
}

impl Changes {
    pub(super) fn new() -> Self {
        Self {
            seen: watch::Sender::new(0),
            to_tell: Notify::new(),
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.seen.subscribe()
    }

    /// We committed something.
    pub(super) fn ours(&self) {
        self.theirs();
        self.to_tell.notify_one();
    }

    fn theirs(&self) {
        self.seen
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Tells others and listens to them, on a connection of its own, until it is aborted.
    pub(super) fn start(self: &Arc<Self>, pool: Arc<Pool>) -> AbortHandle {
        let changes = Arc::clone(self);
        let task = async move {
            loop {
                if let Err(fault) = changes.serve(&pool).await {
                    let error = fault.into_error("listen to other nodes");
                    tracing::debug!(error = error.chain(), "no hints from other nodes for now");
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::spawn(task).abort_handle()
    }

    async fn serve(&self, pool: &Pool) -> Sql<()> {
        let (client, mut heard, _line) = listen(pool).await?;
        let ourselves: i32 = client
            .query_one("SELECT pg_backend_pid()", &[])
            .await?
            .get(0);
        // What was told while nobody listened.
        self.theirs();
        loop {
            tokio::select! {
                () = self.to_tell.notified() => {
                    client.batch_execute("NOTIFY quaymaster_changes").await?;
                }
                who = heard.recv() => match who {
                    Some(who) if who == ourselves => {}
                    Some(_) => self.theirs(),
                    None => return Err(Fault::Silent),
                },
            }
        }
    }
}

/// Ends the task when it is dropped.
struct Line(AbortHandle);

impl Drop for Line {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A session that listens, and the processes that tell.
async fn listen(pool: &Pool) -> Sql<(Client, mpsc::UnboundedReceiver<i32>, Line)> {
    let (client, mut connection) = pool.server().open().await?;
    let (tell, heard) = mpsc::unbounded_channel();
    let line = tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(notification) = message
                && tell.send(notification.process_id()).is_err()
            {
                return;
            }
        }
    });
    let line = Line(line.abort_handle());
    client.batch_execute("LISTEN quaymaster_changes").await?;
    Ok((client, heard, line))
}
