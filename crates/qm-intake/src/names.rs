//! Running a name operation: look, record, act, record that it is done. Everything that changes a
//! name goes through [`Shared::change_name`], which once begun is never cut off by its caller.

use std::sync::Arc;

use crate::Shared;
use crate::locks::NamesHeld;
use crate::refusal::Act;
use qm_core::alert::{NewAlert, Text};
use qm_core::arrival::Cause;
use qm_core::audit::Decision;
use qm_core::id::{AccountName, VersionId};
use qm_core::name::{ObjectKey, ObjectPath, Prefix};
use qm_core::operation::{Change, NameChange, Operation, Version};
use qm_core::ports::bucket::{Bucket, EntryKind};
use qm_core::ports::mailbox::Existing;
use qm_core::{Error, Kind, Result, Retry};

/// How often a change on disk is tried before it is given up.
const TRIES: u32 = 3;

/// A change of a name that somebody asks for.
pub(crate) struct Wanted {
    pub(crate) path: ObjectPath,
    pub(crate) change: Change,
    /// For a publication: what was received.
    pub(crate) version: Option<Version>,
    /// What happens to a file that already has the name it lands on.
    pub(crate) existing: Existing,
    pub(crate) arrival: Option<Cause>,
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
        let shared = Arc::clone(self);
        // A task of its own: a session that goes away must not stop between record and action.
        tokio::spawn(async move { shared.run(wanted).await })
            .await
            .map_err(|error| {
                Error::new(Kind::Bug, "the server met an internal error")
                    .during("change a name")
                    .source(error)
            })?
    }

    async fn run(self: Arc<Self>, wanted: Wanted) -> Result<()> {
        let bucket = self.bucket(&wanted.path.bucket)?;
        let lands_on = wanted.lands_on();
        let held = self
            .locks
            .names(vec![wanted.path.clone(), lands_on.clone()])
            .await;
        let change = self.decide(&*bucket, wanted, &lands_on).await?;
        let operation = self.parts.ledger.record(change).await?;
        if let Some(failure) = self.act(&*bucket, &operation).await? {
            return Err(failure);
        }
        self.settle(operation, held);
        Ok(())
    }

    /// What is recorded, given what is there now.
    async fn decide(
        &self,
        bucket: &dyn Bucket,
        wanted: Wanted,
        lands_on: &ObjectPath,
    ) -> Result<NameChange> {
        let ledger = &self.parts.ledger;
        let moves = match &wanted.change {
            Change::Publish | Change::Restore => wanted.version.clone(),
            Change::Rename { .. } | Change::Remove => {
                file_at(bucket, &wanted.path.key).await?.ok_or_else(gone)?;
                ledger.current(&wanted.path).await?
            }
        };
        let is_removal = wanted.change == Change::Remove;
        let replaces = if is_removal {
            moves.as_ref().map(|version| version.id)
        } else if file_at(bucket, &lands_on.key).await?.is_some() {
            if wanted.existing == Existing::Refuse {
                return Err(Error::new(
                    Kind::AlreadyExists,
                    "a file with that name is already there",
                ));
            }
            ledger.current(lands_on).await?.map(|version| version.id)
        } else {
            None
        };
        let keep_aside = self.keeps(replaces).await?;
        let at = self.now();
        Ok(NameChange {
            // A file that did not come through us has no version to arrive.
            arrival: wanted.arrival.filter(|_| moves.is_some()),
            path: wanted.path,
            change: wanted.change,
            version: moves,
            replaces,
            keep_aside,
            account: wanted.account,
            at,
            audit: wanted.act.record(at, Decision::Allowed),
        })
    }

    async fn keeps(&self, replaced: Option<VersionId>) -> Result<bool> {
        match replaced {
            Some(version) => self.parts.ledger.is_needed(version).await,
            None => Ok(false),
        }
    }

    /// Runs the recorded operation on the bucket. What cannot be completed is recorded as failed,
    /// told, and returned; an `Err` is the ledger's, and leaves the operation unfinished.
    pub(crate) async fn act(
        &self,
        bucket: &dyn Bucket,
        operation: &Operation,
    ) -> Result<Option<Error>> {
        let mut tries = 0;
        let error = loop {
            tries += 1;
            match bucket.run(operation).await {
                Ok(()) => return Ok(None),
                Err(error) if tries < TRIES && error.retry_verdict() != Retry::Never => {}
                Err(error) => break error,
            }
        };
        tracing::error!(
            object.key = %operation.path.key, operation = operation.seq.0, error = error.chain(),
            "A recorded change of a name could not be carried out"
        );
        self.parts.ledger.fail(operation, &error.chain()).await?;
        let alert = NewAlert {
            key: format!("operation:{}", operation.seq.0),
            text: Text {
                subject: format!("{} could not be completed", operation.path),
                body: format!(
                    "The {} of {} was recorded but could not be carried out; the sender was told that it failed.\n\n\
                     Reason: {}",
                    operation.change.as_str(),
                    operation.path,
                    error.chain()
                ),
            },
            notifiers: self.parts.rules.told_of_faults(),
            at: self.now(),
        };
        self.parts.ledger.raise(alert).await?;
        Ok(Some(error))
    }

    /// Records that the operation is done. The names stay locked until that is durable, so that
    /// whoever comes next reads it; the caller need not wait.
    fn settle(self: &Arc<Self>, operation: Operation, held: NamesHeld) {
        let done = self.parts.ledger.complete(&operation);
        tokio::spawn(async move {
            if let Err(error) = done.await {
                tracing::error!(
                    object.key = %operation.path.key, operation = operation.seq.0, error = error.chain(),
                    "A change of a name was made but not recorded as done; the next start will do so"
                );
            }
            drop(held);
        });
    }
}

/// The file under a key, if there is one; a folder is an error.
async fn file_at(
    bucket: &dyn Bucket,
    key: &ObjectKey,
) -> Result<Option<qm_core::ports::bucket::Entry>> {
    match bucket.stat(&Prefix::parse(key.as_str())?).await? {
        Some(entry) if entry.kind == EntryKind::Folder => {
            Err(Error::new(Kind::Conflict, "that name is a folder"))
        }
        found => Ok(found),
    }
}

pub(crate) fn gone() -> Error {
    Error::new(Kind::NotFound, "no such file or folder")
}
