//! A bucket that is listed again and again; for a directory the kernel says besides where to look
//! at once. What is new, or other than the ledger has it, is told when it has rested.

use jiff::Timestamp;
use qm_core::name::{Prefix, RESERVED_COMPONENT};
use qm_core::ports::bucket::{Bucket, Entry, EntryKind};
use qm_core::ports::ledger::RawEvent;
use qm_core::{Error, Result};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

use super::inotify::{Ears, Hints};
use super::known::Known;
use super::settling::Settling;
use super::trouble::Trouble;
use super::walk::Walk;
use super::{WatchPorts, stopped};

/// Files that are looked at, and told in one transaction, before anything else gets its turn.
const AT_ONCE: usize = 256;
/// A moment that has come already is still a turn later.
const PAUSE_MIN: Duration = Duration::from_millis(1);
/// More folders to look into than that are the whole bucket.
const WALKS_MAX: usize = 64;

/// When a listing watch looks.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How often the whole bucket is listed.
    pub every: Duration,
    /// A file must be unchanged for so long.
    pub settle: Duration,
}

/// Watches a bucket by listing it.
pub struct ListingWatch {
    pub(super) ports: WatchPorts,
    pub(super) bucket: Arc<dyn Bucket>,
    pub(super) timing: Timing,
    /// A directory: asking for a file's identity costs next to nothing, and a file can change and
    /// keep it. An object store: the other way round.
    pub(super) is_directory: bool,
    ears: Option<Ears>,
    pub(super) known: Known,
    pub(super) settling: Settling,
    walks: Vec<Walk>,
    /// Names that are told as they are, for nobody could look at them.
    pub(super) unnameable: Vec<RawEvent>,
    next_walk: Timestamp,
    /// What could not be looked at since the last whole walk began.
    fault: Option<Error>,
    /// What became of the last whole walk, until somebody was told.
    walked: Option<Result<()>>,
}

impl ListingWatch {
    /// Of any bucket.
    pub fn new(ports: WatchPorts, bucket: Arc<dyn Bucket>, timing: Timing) -> Self {
        Self {
            next_walk: Timestamp::MIN,
            ports,
            bucket,
            timing,
            is_directory: false,
            ears: None,
            known: Known::default(),
            settling: Settling::default(),
            walks: Vec::new(),
            unnameable: Vec::new(),
            fault: None,
            walked: None,
        }
    }

    /// Of a bucket that is the tree below `folder`. Where the kernel cannot tell, listing goes on
    /// alone.
    pub fn of_directory(
        ports: WatchPorts,
        bucket: Arc<dyn Bucket>,
        timing: Timing,
        folder: &Path,
    ) -> Self {
        let ears = Ears::on(folder).map_err(|error| {
            tracing::warn!(bucket = %ports.bucket, %error, "cannot listen to the folder; it is only listed");
        });
        Self {
            is_directory: true,
            ears: ears.ok(),
            ..Self::new(ports, bucket, timing)
        }
    }

    /// Watches until `shutdown` is true or its sender gone.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut trouble = Trouble::default();
        loop {
            let turn = tokio::select! {
                biased;
                () = stopped(&mut shutdown) => break,
                turn = self.turn() => turn,
            };
            match self.walked.take() {
                Some(Ok(())) => trouble.succeeded(&self.ports).await,
                // The next walk comes in its time; what can be seen is not held up.
                Some(Err(error)) => drop(trouble.failed(&error, &self.ports).await),
                None => {}
            }
            let rest = match turn {
                Ok(None) => continue,
                Ok(Some(until)) => Rest::Interruptible(self.pause_until(until)),
                Err(error) => {
                    self.begin_anew();
                    Rest::Whole(trouble.failed(&error, &self.ports).await)
                }
            };
            tokio::select! {
                () = stopped(&mut shutdown) => break,
                () = rest.over(self.ears.as_ref()) => {}
            }
        }
    }

    /// Does a piece of what there is to do; `Ok(Some)` if there is nothing before that moment.
    pub(super) async fn turn(&mut self) -> Result<Option<Timestamp>> {
        if let Some(ears) = &mut self.ears {
            let hints = ears
                .take()
                .map_err(|e| Error::io("listening to a folder", e))?;
            self.follow(hints).await?;
        }
        let now = self.ports.clock.now();
        let rested = self.settling.rested(now, self.timing.settle, AT_ONCE);
        if !rested.is_empty() || !self.unnameable.is_empty() {
            self.tell(rested).await?;
            return Ok(None);
        }
        // A clock that was set back must not put it off.
        let is_due = now >= self.next_walk || later(now, self.timing.every) < self.next_walk;
        if is_due && !self.walks.iter().any(|walk| walk.is_whole) {
            // Below the smaller ones, which somebody waits for.
            self.walks.insert(0, Walk::begin(true));
            self.next_walk = later(now, self.timing.every);
            self.enter(0, Prefix::default()).await?;
        }
        if let Some(walk) = self.walks.last_mut() {
            let is_whole = walk.is_whole;
            let next = walk.next().await;
            for path in walk.take_unnamed() {
                self.name_is_bad(&path, path.rsplit('/').next().unwrap_or(&path));
            }
            match next {
                Ok(Some((folder, entries))) => self.look_at(&folder, entries).await?,
                Ok(None) => {
                    self.walks.pop();
                    if is_whole {
                        self.listed();
                    }
                }
                Err(error) => self.overlook(error),
            }
            return Ok(None);
        }
        let next = self.settling.next(self.timing.settle);
        Ok(Some(
            next.map_or(self.next_walk, |at| at.min(self.next_walk)),
        ))
    }

    fn listed(&mut self) {
        self.walked = Some(self.fault.take().map_or(Ok(()), Err));
        if let Some(Ok(())) = self.walked {
            self.known.listed();
        }
    }

    fn pause_until(&self, until: Timestamp) -> Duration {
        let pause = until.duration_since(self.ports.clock.now());
        let pause = Duration::try_from(pause).unwrap_or_default();
        pause.clamp(PAUSE_MIN, self.timing.every.max(PAUSE_MIN))
    }

    /// What was being done may be lost: everything is looked at again.
    fn begin_anew(&mut self) {
        self.walks.clear();
        self.fault = None;
        self.next_walk = Timestamp::MIN;
    }

    /// What cannot be looked at hides nothing else.
    pub(super) fn overlook(&mut self, error: Error) {
        tracing::debug!(
            error = error.chain(),
            "something in the bucket could not be looked at"
        );
        self.fault.get_or_insert(error);
    }

    async fn follow(&mut self, hints: Hints) -> Result<()> {
        if hints.has_missed_some || self.walks.len() + hints.folders.len() > WALKS_MAX {
            tracing::debug!(bucket = %self.ports.bucket, "too much happened; listing all of it");
            self.walks.retain(|walk| !walk.is_whole);
            self.next_walk = Timestamp::MIN;
        } else {
            for folder in hints.folders {
                let Some(folder) = self.folder(&folder) else {
                    continue;
                };
                self.walks.push(Walk::begin(false));
                self.enter(self.walks.len() - 1, folder).await?;
            }
        }
        for file in hints.gone {
            self.look_for(&file).await?;
        }
        for file in hints.files {
            let name = file.rsplit('/').next().unwrap_or(&file);
            let Ok(path) = Prefix::parse(&file) else {
                self.name_is_bad(&file, name);
                continue;
            };
            match self.bucket.stat(&path).await {
                Ok(Some(entry)) if entry.kind == EntryKind::File => {
                    self.look_at_file(&file, &entry).await?;
                }
                Ok(_) => {}
                Err(error) => self.overlook(error),
            }
        }
        Ok(())
    }

    async fn enter(&mut self, walk: usize, folder: Prefix) -> Result<()> {
        if let Some(ears) = &mut self.ears {
            ears.listen(folder.as_str());
        }
        let is_root = folder.is_root();
        let Some(walk) = self.walks.get_mut(walk) else {
            return Ok(());
        };
        match walk.enter(self.bucket.as_ref(), folder).await {
            // Without its root there is nothing to be seen at all.
            Err(error) if is_root => Err(error),
            Err(error) => {
                self.overlook(error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn look_at(&mut self, folder: &Prefix, entries: Vec<Entry>) -> Result<()> {
        for entry in entries {
            let path = if folder.is_root() {
                entry.name.clone()
            } else {
                format!("{folder}/{}", entry.name)
            };
            match entry.kind {
                EntryKind::File => self.look_at_file(&path, &entry).await?,
                EntryKind::Folder => {
                    if let Some(below) = self.folder(&path) {
                        self.enter(self.walks.len().saturating_sub(1), below)
                            .await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The folder, if anything in it is of interest.
    fn folder(&mut self, path: &str) -> Option<Prefix> {
        let name = path.rsplit('/').next().unwrap_or(path);
        if name == RESERVED_COMPONENT {
            return None;
        }
        let folder = Prefix::parse(path);
        if folder.is_err() {
            self.name_is_bad(path, name);
        }
        folder.ok()
    }
}

/// How a watch rests.
enum Rest {
    /// Until something is heard.
    Interruptible(Duration),
    /// To the end: what fails must not spin.
    Whole(Duration),
}

impl Rest {
    async fn over(self, ears: Option<&Ears>) {
        match (self, ears) {
            (Self::Interruptible(pause), Some(ears)) => tokio::select! {
                () = ears.hear() => {}
                () = tokio::time::sleep(pause) => {}
            },
            (Self::Interruptible(pause) | Self::Whole(pause), _) => tokio::time::sleep(pause).await,
        }
    }
}

pub(super) fn later(at: Timestamp, pause: Duration) -> Timestamp {
    at.checked_add(pause).unwrap_or(Timestamp::MAX)
}
