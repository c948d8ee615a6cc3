//! How far a load is: the table's connector says it as often as it likes, the ledger hears it every
//! few seconds.

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use qm_core::Kind;
use qm_core::alert::Notice;
use qm_core::config::{Config, SecretName, Table};
use qm_core::delivery::Delivery;
use qm_core::id::{DestinationName, NotifierName};
use qm_core::load::{Counts, Load};
use qm_core::name::ObjectPath;
use qm_core::ports::connector::RowProgress;
use qm_core::ports::ledger::LoadProgress;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use super::job::Job;
use super::stall::Progress;

/// Often enough for somebody who watches, seldom enough to be no load for the ledger.
const TELL_EVERY: Duration = Duration::from_secs(3);

/// The table of the destination, if it is one.
fn table_of<'a>(
    config: &'a Config,
    destination: &DestinationName,
) -> Option<&'a Table<SecretName>> {
    config.destinations.get(destination)?.place.as_table()
}

/// Who wants to know of every load into the destination.
pub(super) fn report_of(config: &Config, destination: &DestinationName) -> Vec<NotifierName> {
    table_of(config, destination).map_or_else(Vec::new, |table| table.report.clone())
}

/// What those are told who want to know of every load; a file without rows and one of which all
/// were rejected included.
pub(super) fn notice(config: &Config, delivery: &Delivery, load: &Load) -> Option<Notice> {
    let notifiers = report_of(config, &delivery.destination);
    let source = &delivery.source;
    let link = |path: &ObjectPath| config.link(path);
    (!notifiers.is_empty()).then(|| Notice {
        key: format!("load:{}", delivery.id),
        text: load.message().text(
            &config.texts,
            load.text(source, &link),
            &load.facts(source, &link),
        ),
        notifiers,
    })
}

/// What the connector said last.
pub(super) struct RowsSoFar {
    engine: &'static str,
    table: String,
    counts: Mutex<Option<Counts>>,
    waited: Mutex<Waited>,
    progress: Arc<Progress>,
}

/// What went by while others had their turn.
#[derive(Debug, Default)]
struct Waited {
    since: Option<Timestamp>,
    total: SignedDuration,
}

impl std::fmt::Debug for RowsSoFar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowsSoFar")
            .field("table", &self.table)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl RowProgress for RowsSoFar {
    fn rows(&self, counts: Counts) {
        self.progress.moves();
        *self.counts.lock() = Some(counts);
    }

    fn waits(&self, is_waiting: bool) {
        let now = self.progress.now();
        let mut waited = self.waited.lock();
        if let Some(since) = waited.since.take() {
            // The time of day may have been put back.
            let more = now.duration_since(since).max(SignedDuration::ZERO);
            waited.total = waited.total.saturating_add(more);
        }
        waited.since = is_waiting.then_some(now);
    }
}

impl RowsSoFar {
    /// Of a delivery that is a load.
    pub(super) fn of(
        config: &Config,
        destination: &DestinationName,
        progress: &Arc<Progress>,
    ) -> Option<Self> {
        let table = table_of(config, destination)?;
        Some(Self {
            engine: table.engine.title(),
            table: table.table.clone(),
            counts: Mutex::default(),
            waited: Mutex::default(),
            progress: Arc::clone(progress),
        })
    }

    /// For how long this attempt waited for others.
    pub(super) fn waited(&self) -> SignedDuration {
        self.waited.lock().total
    }

    /// What was said since this was asked last.
    fn news(&self) -> Option<LoadProgress> {
        let counts = self.counts.lock().take()?;
        Some(LoadProgress {
            engine: self.engine.to_owned(),
            table: self.table.clone(),
            counts,
        })
    }

    /// The ledger hears what is new.
    pub(super) async fn tell(&self, job: &Job) {
        let Some(news) = self.news() else {
            return;
        };
        let (ledger, now) = (&job.ports.ledger, job.ports.clock.now());
        match ledger.load_progress(&job.delivery, news, now).await {
            Ok(()) => {}
            // The delivery is another worker's; the last look before the effect says so as well.
            Err(error) if error.kind() == Kind::Conflict => {
                tracing::debug!(delivery = %job.delivery.id, error = error.chain(), "rows not recorded");
            }
            // The count comes again, and with the end.
            Err(error) => {
                tracing::warn!(delivery = %job.delivery.id, error = error.chain(), "rows not recorded");
            }
        }
    }
}

/// Does the work while the ledger hears of it; what was said last by the time it ends is heard too.
pub(super) async fn told<T>(job: &Job, work: impl Future<Output = T>) -> T {
    let Some(rows) = &job.rows else {
        return work.await;
    };
    tokio::select! {
        done = work => done,
        never = tell_on(job, rows) => match never {},
    }
}

async fn tell_on(job: &Job, rows: &RowsSoFar) -> Infallible {
    loop {
        tokio::time::sleep(TELL_EVERY).await;
        rows.tell(job).await;
    }
}
