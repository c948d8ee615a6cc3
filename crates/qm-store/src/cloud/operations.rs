//! Name operations. Each step looks whether it is done, so any of them may be run again; and each
//! changes only what was looked at, so that what others put there meanwhile is looked at again.

use opendal::ErrorKind;

use super::Shared;
use super::errors::store_error;
use super::names;
use super::store::{Copy, Head, Pin};
use qm_core::name::ObjectKey;
use qm_core::operation::{Change, Operation, Version};
use qm_core::ports::look::Look;
use qm_core::{Error, Kind, Result};

/// Somebody who changes the same name as often in the time of a few requests is told of.
const LOOKS: u32 = 4;

/// What a step came to.
pub(super) enum Step {
    Done,
    /// What was looked at is not there any more.
    LookAgain,
}

impl Shared {
    pub(super) async fn run(&self, operation: &Operation) -> Result<()> {
        for _ in 0..LOOKS {
            match self.run_once(operation).await? {
                Step::Done => return Ok(()),
                Step::LookAgain => {}
            }
        }
        Err(Error::new(
            Kind::Conflict,
            "somebody else keeps changing the file meanwhile",
        )
        .with("key", &operation.path.key))
    }

    /// Where nothing was seen, the change itself fails if something is there by now.
    pub(super) async fn run_after(&self, look: &Look, operation: &Operation) -> Result<()> {
        if operation.change == Change::Publish && look.entry.is_none() {
            let (key, version) = (&operation.path.key, needed(operation)?);
            let published = self.publish_over(None, key, version, Some(operation)).await;
            match published? {
                Step::Done => return Ok(()),
                Step::LookAgain => {}
            }
        }
        self.run(operation).await
    }

    async fn run_once(&self, operation: &Operation) -> Result<Step> {
        let key = &operation.path.key;
        match &operation.change {
            Change::Publish => self.publish(operation, needed(operation)?).await,
            Change::Rename { to } => {
                let renamed = self.rename(operation, key, to).await;
                self.seen_folders.forget(&key.folder());
                renamed
            }
            Change::Remove => {
                let removed = self.remove(operation, key).await;
                // A folder without marker goes with its last file.
                self.seen_folders.forget(&key.folder());
                removed
            }
            Change::Restore => self.restore(operation, needed(operation)?).await,
        }
    }

    async fn publish(&self, operation: &Operation, version: &Version) -> Result<Step> {
        let key = &operation.path.key;
        let there = self.head(key).await?;
        self.publish_over(there, key, version, Some(operation))
            .await
    }

    /// Publishes over what was seen there, which `operation` may keep aside.
    pub(super) async fn publish_over(
        &self,
        there: Option<Head>,
        key: &ObjectKey,
        version: &Version,
        operation: Option<&Operation>,
    ) -> Result<Step> {
        let path = names::object(key)?;
        let staged = names::staging(version.id);
        if is(there.as_ref(), version) {
            let complete = self.store.is_complete(&path).await;
            if complete.map_err(store_error("complete a publication"))? {
                self.held.forget(version.id);
                return done(self.store.delete(&staged, None).await, "publish");
            }
        }
        let replaces = there.as_ref().map(|head| &head.pin);
        if let Some(small) = self.held.small(version.id) {
            if let Some(operation) = operation {
                self.keep_aside(operation, key, there.as_ref()).await?;
            }
            let attributes = small.attributes.clone().with_sha256(version.sha256);
            let put = self
                .store
                .put(&path, small.bytes.clone(), &attributes, replaces)
                .await;
            return Ok(match step(put, "publish")? {
                Step::Done => {
                    self.held.forget(version.id);
                    Step::Done
                }
                Step::LookAgain => Step::LookAgain,
            });
        }
        let Some(source) = self.look(&staged).await? else {
            if self.look(&names::kept(version.id)).await?.is_some() {
                // It was published, and has lost its name since.
                return Ok(Step::Done);
            }
            return Err(Error::new(Kind::NotFound, "the received bytes are gone")
                .during("publish")
                .with("version", version.id)
                .with("key", key));
        };
        if let Some(operation) = operation {
            self.keep_aside(operation, key, there.as_ref()).await?;
        }
        let attributes = source.attributes.clone().with_sha256(version.sha256);
        let copied = self
            .store
            .copy(&Copy {
                from: &staged,
                source: &source.pin,
                to: &path,
                attributes: &attributes,
                replaces,
            })
            .await;
        match step(copied, "publish")? {
            Step::Done => done(self.store.delete(&staged, None).await, "publish"),
            Step::LookAgain => Ok(Step::LookAgain),
        }
    }

    async fn rename(
        &self,
        operation: &Operation,
        from: &ObjectKey,
        to: &ObjectKey,
    ) -> Result<Step> {
        let (source, target) = (self.head(from).await?, self.head(to).await?);
        let Some(source) = source else {
            if target.is_some() {
                return Ok(Step::Done);
            }
            return Err(Error::new(Kind::NotFound, "the file is gone")
                .during("rename")
                .with("key", from));
        };
        let path = names::object(from)?;
        let is_copied = target
            .as_ref()
            .is_some_and(|target| target.identity() == source.identity());
        if is_copied && self.is_complete(to).await? {
            return step(self.store.delete(&path, Some(&source.pin)).await, "rename");
        }
        if let Some(version) = &operation.version {
            if !is(Some(&source), version) {
                if is(target.as_ref(), version) {
                    return Ok(Step::Done);
                }
                return Err(Error::new(
                    Kind::Conflict,
                    "somebody else changed the file meanwhile",
                ));
            }
            if operation.keep_moved {
                self.copy(&path, &source, &names::kept(version.id)).await?;
            }
        }
        if !is_copied {
            self.keep_aside(operation, to, target.as_ref()).await?;
        }
        let replaces = target.as_ref().map(|head| &head.pin);
        match self
            .copy_over(&path, &source, &names::object(to)?, replaces)
            .await?
        {
            Step::Done => step(self.store.delete(&path, Some(&source.pin)).await, "rename"),
            Step::LookAgain => Ok(Step::LookAgain),
        }
    }

    async fn remove(&self, operation: &Operation, key: &ObjectKey) -> Result<Step> {
        let Some(there) = self.head(key).await? else {
            return Ok(Step::Done);
        };
        // Another file under the name was not meant.
        if !operation
            .version
            .as_ref()
            .is_none_or(|version| is(Some(&there), version))
        {
            return Ok(Step::Done);
        }
        self.keep_aside(operation, key, Some(&there)).await?;
        let path = names::object(key)?;
        step(
            self.store.delete(&path, Some(&there.pin)).await,
            "remove a file",
        )
    }

    /// What is kept stays kept.
    async fn restore(&self, operation: &Operation, version: &Version) -> Result<Step> {
        let key = &operation.path.key;
        let there = self.head(key).await?;
        if is(there.as_ref(), version) && self.is_complete(key).await? {
            return Ok(Step::Done);
        }
        let kept = names::kept(version.id);
        let Some(source) = self.look(&kept).await? else {
            return Err(
                Error::new(Kind::NotFound, "the bytes of this version are gone")
                    .during("restore")
                    .with("version", version.id),
            );
        };
        self.keep_aside(operation, key, there.as_ref()).await?;
        let replaces = there.as_ref().map(|head| &head.pin);
        self.copy_over(&kept, &source, &names::object(key)?, replaces)
            .await
    }

    /// Keeps what the operation takes from under `key`, if something still needs it.
    async fn keep_aside(
        &self,
        operation: &Operation,
        key: &ObjectKey,
        there: Option<&Head>,
    ) -> Result<()> {
        match (operation.replaces, there) {
            (Some(version), Some(there)) if operation.keep_aside => {
                let path = names::object(key)?;
                self.copy(&path, there, &names::kept(version)).await
            }
            _ => Ok(()),
        }
    }

    /// A second place for bytes; `Ok` if they are there already.
    async fn copy(&self, from: &str, source: &Head, to: &str) -> Result<()> {
        let there = self.look(to).await?;
        let is_kept = there
            .as_ref()
            .is_some_and(|there| there.identity() == source.identity());
        if is_kept {
            let complete = self.store.is_complete(to).await;
            if complete.map_err(store_error("keep a version"))? {
                return Ok(());
            }
        }
        let replaces = there.as_ref().map(|head| &head.pin);
        match self.copy_over(from, source, to, replaces).await? {
            Step::Done => Ok(()),
            Step::LookAgain => Err(Error::new(
                Kind::Conflict,
                "somebody else changed the file meanwhile",
            )),
        }
    }

    async fn copy_over(
        &self,
        from: &str,
        source: &Head,
        to: &str,
        replaces: Option<&Pin>,
    ) -> Result<Step> {
        let attributes = source.attributes.clone().with_identity(source.identity());
        let copied = self
            .store
            .copy(&Copy {
                from,
                source: &source.pin,
                to,
                attributes: &attributes,
                replaces,
            })
            .await;
        step(copied, "copy a file")
    }

    async fn is_complete(&self, key: &ObjectKey) -> Result<bool> {
        let complete = self.store.is_complete(&names::object(key)?).await;
        complete.map_err(store_error("look at a copy"))
    }
}

pub(super) fn is(there: Option<&Head>, version: &Version) -> bool {
    there.is_some_and(|there| there.identity() == version.identity)
}

pub(super) fn step(result: opendal::Result<()>, operation: &'static str) -> Result<Step> {
    match result {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists
            ) =>
        {
            Ok(Step::LookAgain)
        }
        result => done(result, operation),
    }
}

fn done(result: opendal::Result<()>, operation: &'static str) -> Result<Step> {
    result.map_err(store_error(operation))?;
    Ok(Step::Done)
}

fn needed(operation: &Operation) -> Result<&Version> {
    operation.version.as_ref().ok_or_else(|| {
        Error::new(Kind::Bug, "the server met an internal error")
            .during("run a name operation without version")
            .with("operation", operation.seq.0)
    })
}
