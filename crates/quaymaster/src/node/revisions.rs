//! Follows the ledger: a new revision or a changed key is taken up without a restart.

use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

use super::{Access, OpenLedger, Running, until_stopped};
use crate::cli::configuration;
use crate::system::SystemClock;
use qm_core::id::{BucketName, RevisionNumber};
use qm_core::ports::bucket::Buckets as _;
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::{NodeReport, Revision};
use qm_intake::Rules as _;

/// Most commits are uploads, not revisions or keys: under load they are looked at together.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A revision that was not taken up is tried again after this time: a store may have been out of
/// reach.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// The newest revision, as far as it was not taken up.
struct Rejected {
    number: RevisionNumber,
    at: Instant,
}

/// Until the node stops.
pub(super) async fn follow(
    ledger: OpenLedger,
    running: Arc<Running>,
    access: Arc<Access>,
    report: NodeReport,
    stopping: watch::Receiver<bool>,
) {
    let mut changes = ledger.changes();
    let mut rejected: Option<Rejected> = None;
    let stopped = until_stopped(stopping);
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
        if let Err(error) = look(&ledger, &running, &access, &mut rejected, &report).await {
            tracing::error!(
                error = format!("{error:#}"),
                "Keys or configuration could not be taken up"
            );
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Tells buckets that were opened now of uploads under temp names, as recovery does at a start.
async fn remember(
    ledger: &OpenLedger,
    running: &Running,
    known: &[BucketName],
) -> anyhow::Result<()> {
    let opened = running.buckets();
    let new: Vec<_> = opened.iter().filter(|name| !known.contains(name)).collect();
    if new.is_empty() {
        return Ok(());
    }
    for (path, version) in ledger.hidden().await? {
        if new.contains(&&path.bucket)
            && let Some(bucket) = running.get(&path.bucket)
        {
            bucket.remember(&path, &version).await?;
        }
    }
    Ok(())
}

async fn look(
    ledger: &OpenLedger,
    running: &Running,
    access: &Access,
    rejected: &mut Option<Rejected>,
    report: &NodeReport,
) -> anyhow::Result<()> {
    let revision = ledger.revision().await?;
    let in_force = running.watch().borrow().0;
    let is_due = |newest: &Revision| {
        let before = rejected.as_ref().filter(|r| r.number == newest.number);
        newest.number > in_force && before.is_none_or(|r| r.at.elapsed() >= TRY_AGAIN)
    };
    if let Some(revision) = revision.filter(is_due) {
        let config = configuration::read(&revision);
        let known = running.buckets();
        let taken_up = match config {
            // What belongs to one node stays as its own file had it.
            Ok(config) => {
                let config = config.at_node(&running.config());
                running.take_up(revision.number, config).await
            }
            Err(error) => Err(error),
        };
        remember(ledger, running, &known).await?;
        // Accounts before the answer: whoever reads it may log in.
        access.update(ledger, running).await?;
        let refusal = taken_up.err().map(|error| format!("{error:#}"));
        match &refusal {
            None => tracing::info!(revision = revision.number.0, "Took up a new revision"),
            Some(reason) => {
                *rejected = Some(Rejected {
                    number: revision.number,
                    at: Instant::now(),
                });
                tracing::error!(
                    revision = revision.number.0,
                    reason,
                    "A revision was not taken up"
                );
            }
        }
        ledger
            .taken_up(revision.number, refusal, SystemClock.now())
            .await?;
        return Ok(());
    }
    if access.update(ledger, running).await? {
        // Whoever changed a key waits for this.
        access.say_alive(ledger, running, report).await?;
    }
    Ok(())
}
