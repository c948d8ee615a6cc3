//! Running a name operation: look, record, act, record that it is done. Everything that changes a
//! name goes through [`Shared::change_name`], which once begun is never cut off by its caller.

use std::sync::Arc;
use std::time::Duration;

use crate::Shared;
use crate::behind;
use crate::found::Opened;
use crate::locks::NamesHeld;
use crate::refusal::Act;
use crate::screening::RowsOf;
use jiff::{SignedDuration, Timestamp};
use qm_core::alert::{NewAlert, Text};
use qm_core::arrival::Cause;
use qm_core::id::{AccountName, VersionId};
use qm_core::name::ObjectPath;
use qm_core::operation::{Change, Operation, Version};
use qm_core::ports::bucket::Bucket;
use qm_core::ports::look::Look;
use qm_core::ports::mailbox::Existing;
use qm_core::temp_name;
use qm_core::{Error, Kind, Result};
use tokio::runtime::Handle;

/// A name is locked for milliseconds; for so long only when the ledger does not work.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(30);
/// Until another node's change of the same name is looked for again; then twice as long.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
const BUSY_PAUSE_MAX: Duration = Duration::from_millis(500);
/// A change recorded so lately is nobody else's: far less than a lease.
const FRESH: SignedDuration = SignedDuration::from_secs(3);
/// Between tries to record how an operation ended.
const CONCLUDE_PAUSE: Duration = Duration::from_millis(500);

/// A change of a name that somebody asks for.
pub(crate) struct Wanted {
    pub(crate) path: ObjectPath,
    pub(crate) change: Change,
    /// For a publication: what was received.
    pub(crate) version: Option<Version>,
    /// Set if the name it lands on showed nothing a moment ago.
    pub(crate) opened: Option<Opened>,
    /// What happens to a file that already has the name it lands on.
    pub(crate) existing: Existing,
    pub(crate) arrival: Option<Cause>,
    /// See [`qm_core::operation::NameChange::departs`].
    pub(crate) departs: bool,
    /// For a rename: the name whose promise the content must keep, looked at under the lock.
    pub(crate) content_of: Option<String>,
    /// For a rename: what the rows must be, likewise.
    pub(crate) rows_of: Option<Box<RowsOf>>,
    pub(crate) account: Option<AccountName>,
    pub(crate) act: Act,
}

impl Wanted {
    fn lands_on(&self) -> ObjectPath {
        let key = match &self.change {
            Change::Rename { to } => to,
            Change::Publish | Change::Remove | Change::Restore => &self.path.key,
        };
        ObjectPath {
            bucket: self.path.bucket.clone(),
            key: key.clone(),
        }
    }
}

impl Shared {
    /// Carries the change out; `Ok` means that it is recorded, done and durable.
    pub(crate) async fn change_name(self: &Arc<Self>, wanted: Wanted) -> Result<()> {
        self.change_name_of(wanted, None).await.map(|_| ())
    }

    /// The same, but only if the name shows that version; false if it shows another, or none.
    pub(crate) async fn change_name_of(
        self: &Arc<Self>,
        wanted: Wanted,
        only: Option<VersionId>,
    ) -> Result<bool> {
        qm_threads::carry(Arc::clone(self).run(wanted, only)).await
    }

    async fn run(self: Arc<Self>, wanted: Wanted, only: Option<VersionId>) -> Result<bool> {
        let bucket = self.bucket(&wanted.path.bucket)?;
        let lands_on = wanted.lands_on();
        let mut names = vec![wanted.path.clone(), lands_on.clone()];
        names.extend(self.detour(&*bucket, &wanted.path, wanted.account.as_ref()));
        let locked = self.locks.names(names.clone());
        let held = tokio::time::timeout(LOCK_WAIT, locked).await;
        let held = held.map_err(|_| busy())?;
        let recorded = self
            .record(&*bucket, &wanted, &lands_on, only, &names)
            .await?;
        let Some((operation, look)) = recorded else {
            return Ok(false);
        };
        let done = bucket.run_after(&look, &operation).await;
        if done.is_ok() && !self.parts.is_shared {
            self.complete_behind(operation, held);
            return Ok(true);
        }
        let failure = done.as_ref().err().map(Error::chain);
        let ended = self.settle(operation, failure, held);
        // Whoever hears of a failure may rely on nothing happening later: it is recorded first,
        // unless the ledger does not work either. Of what several nodes change only the ledger
        // knows whether this was done by us, or taken over meanwhile.
        if done.is_err() || self.parts.is_shared {
            let ended = tokio::time::timeout(LOCK_WAIT, ended).await;
            done?;
            return match ended {
                Ok(Ok(true)) => Ok(true),
                Ok(Ok(false) | Err(_)) | Err(_) => Err(overtaken()),
            };
        }
        Ok(true)
    }

    /// Records what is wanted, given what is there now. Another node's change of the name may be
    /// under way: it ends, or is taken over when that node's lease is over.
    async fn record(
        &self,
        bucket: &dyn Bucket,
        wanted: &Wanted,
        lands_on: &ObjectPath,
        only: Option<VersionId>,
        locked: &[ObjectPath],
    ) -> Result<Option<(Operation, Look)>> {
        let (mut pause, mut waited) = (BUSY_PAUSE, Duration::ZERO);
        loop {
            let decided = self.decide(bucket, wanted, lands_on, only).await?;
            let Some((change, look)) = decided else {
                return Ok(None);
            };
            let sent_at = self.now();
            match self.parts.ledger.record(change).await {
                Err(error) if error.kind() == Kind::Conflict => {
                    if waited >= LOCK_WAIT {
                        return Err(busy().source(error));
                    }
                }
                Err(error) => return Err(error),
                Ok(operation) => {
                    self.refuse_if_overtaken(&operation, sent_at).await?;
                    return Ok(Some((operation, look)));
                }
            }
            tokio::time::sleep(pause).await;
            waited += pause;
            pause = (pause * 2).min(BUSY_PAUSE_MAX);
            // Whoever takes it over would wait for the names that are locked here.
            self.finish_taken_over(bucket, locked).await?;
        }
    }

    /// Whoever slept since then may have lost the operation to another node, which runs it or has
    /// run it: to be asked before it is run here.
    async fn refuse_if_overtaken(&self, operation: &Operation, sent_at: Timestamp) -> Result<()> {
        let elapsed = self.now().duration_since(sent_at);
        // The time of day goes on while a machine sleeps; put back, it says nothing.
        let is_fresh = !elapsed.is_negative() && elapsed <= FRESH;
        if !self.parts.is_shared || is_fresh || self.parts.ledger.is_mine(operation).await? {
            return Ok(());
        }
        tracing::warn!(
            object.key = %operation.path.key, operation = operation.seq.0,
            "A change of a name was left to other nodes: this one had not gone on with it in time"
        );
        Err(overtaken())
    }

    /// The name under which an object store makes an upload an object before it is renamed elsewhere.
    pub(crate) fn detour(
        &self,
        bucket: &dyn Bucket,
        path: &ObjectPath,
        account: Option<&AccountName>,
    ) -> Option<ObjectPath> {
        if !bucket.needs_token() {
            return None;
        }
        let account = account.and_then(|name| self.parts.rules.account(name));
        let suffixes = account.map(|account| account.temp_suffixes.clone());
        let name = temp_name::final_name(path.key.file_name(), &suffixes.unwrap_or_default())?;
        Some(ObjectPath {
            bucket: path.bucket.clone(),
            key: path.key.with_file_name(name).ok()?,
        })
    }

    /// Records that the operation is done, and nobody waits for it. The names stay locked until that
    /// is durable, so that whoever comes next reads it.
    fn complete_behind(self: &Arc<Self>, operation: Operation, held: NamesHeld) {
        let completing = self.parts.ledger.complete(&operation);
        let (shared, runtime) = (Arc::clone(self), Handle::current());
        behind::run(completing, move |completed| {
            if completed.is_err() {
                let _entered = runtime.enter();
                drop(shared.settle(operation, None, held));
            }
        });
    }

    /// Records how the operation ended, however long it takes; the names stay locked until then.
    /// False if another node has it, or ended it otherwise.
    fn settle(
        self: &Arc<Self>,
        operation: Operation,
        failure: Option<String>,
        held: NamesHeld,
    ) -> tokio::task::JoinHandle<bool> {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let (mut is_told, mut is_ours) = (false, true);
            while let Err(error) = shared.conclude(&operation, failure.as_deref()).await {
                if error.kind() == Kind::Conflict {
                    tracing::error!(
                        object.key = %operation.path.key, operation = operation.seq.0, error = error.chain(),
                        "Another node took a change of a name over and ended it otherwise"
                    );
                    is_ours = false;
                    break;
                }
                if !is_told {
                    tracing::error!(
                        object.key = %operation.path.key, operation = operation.seq.0, error = error.chain(),
                        "How a change of a name ended cannot be recorded now; its name stays locked until it is"
                    );
                }
                is_told = true;
                tokio::time::sleep(CONCLUDE_PAUSE).await;
            }
            drop(held);
            is_ours
        })
    }

    /// Records that the operation is done, or that it failed, which is told.
    pub(crate) async fn conclude(
        &self,
        operation: &Operation,
        failure: Option<&str>,
    ) -> Result<()> {
        let Some(reason) = failure else {
            return self.parts.ledger.complete(operation).await;
        };
        tracing::error!(
            object.key = %operation.path.key, operation = operation.seq.0, reason,
            "A recorded change of a name could not be carried out"
        );
        let text = Text {
            subject: format!("{} could not be completed", operation.path),
            body: format!(
                "The {} of {} was recorded but could not be carried out; the sender was told that it failed.\n\n\
                 Reason: {reason}",
                operation.change.as_str(),
                operation.path,
            ),
        };
        let alert = NewAlert {
            key: format!("operation:{}", operation.seq.0),
            text,
            notifiers: self.parts.rules.told_of_faults(),
            at: self.now(),
        };
        self.parts.ledger.fail(operation, reason, alert).await
    }
}

pub(crate) fn busy() -> Error {
    Error::new(
        Kind::Unavailable,
        "this file is busy; please try again later",
    )
    .during("wait for a name")
}

/// Another node completes the change, or has: nothing is lost if it is asked for again.
fn overtaken() -> Error {
    Error::new(Kind::Unavailable, "this file is busy; please send it again")
        .during("change a name that several nodes change")
}

pub(crate) fn gone() -> Error {
    Error::new(Kind::NotFound, "no such file or folder")
}
