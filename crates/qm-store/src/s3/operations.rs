//! Name operations. Each is recorded in the ledger before it runs here and may be run again after
//! a crash at any instant: every step first looks whether it is done, and asks the store what is
//! true after an answer that does not say.

use super::S3Bucket;
use super::client::{CopySource, Part};
use super::conditions::{Landing, again, over};
use super::hidden::HiddenVersion;
use super::metadata;
use super::token::UploadToken;
use qm_core::id::VersionId;
use qm_core::name::ObjectKey;
use qm_core::operation::{Change, Operation, Version};
use qm_core::ports::look::Look;
use qm_core::{Error, Kind, Result};

impl S3Bucket {
    /// Runs the operation to its end; durable when it returns. `look` is what it was decided on, if
    /// that was just now.
    pub(super) async fn run_operation(
        &self,
        operation: &Operation,
        look: Option<&Look>,
    ) -> Result<()> {
        let key = &operation.path.key;
        let shown = look.and_then(|look| look.identity.as_deref());
        match &operation.change {
            Change::Publish => {
                let version = needed(operation)?;
                if let Some(upload) = &version.staged {
                    let upload = UploadToken::decode(upload)?;
                    again(|| self.publish(operation, version, &upload, shown)).await
                } else {
                    let mut seen = look.and_then(|look| self.seen(operation, look));
                    again(|| self.publish_small(operation, version, shown, seen.take())).await
                }
            }
            Change::Rename { to } => again(|| self.rename(operation, key, to, shown)).await,
            Change::Remove => self.remove(operation, key).await,
            Change::Restore => {
                let version = needed(operation)?;
                again(|| self.restore(operation, version, shown)).await
            }
        }
    }

    async fn publish(
        &self,
        operation: &Operation,
        version: &Version,
        upload: &UploadToken,
        shown: Option<&str>,
    ) -> Result<()> {
        let key = &operation.path.key;
        let whole = self.keys.object(key);
        if upload.key != whole {
            self.parts_of(upload, version).await?;
            return self
                .hide(operation, key, version, upload.clone(), shown)
                .await;
        }
        let looked = self.look_before(operation, version, &whole, shown).await?;
        let Landing::Over(there) = looked else {
            return Ok(());
        };
        self.complete_over(upload, version, over(there.as_ref()))
            .await?;
        self.unhide(key).await
    }

    async fn remove(&self, operation: &Operation, key: &ObjectKey) -> Result<()> {
        let version = operation.version.as_ref();
        if let Some(hidden) = self.hidden.get(key)
            && version.is_none_or(|version| version.id == hidden.version.id)
        {
            self.throw_away(key, &hidden).await?;
            return self.keep_folder_of(key).await;
        }
        let whole = self.keys.object(key);
        let Some(there) = self.client.head(&whole, None).await? else {
            // It was under a temp name before a crash, and is not remembered any more.
            if let Some(upload) = version.and_then(|version| version.staged.as_ref()) {
                let upload = UploadToken::decode(upload)?;
                self.client.abort(&upload.key, &upload.upload).await?;
            }
            return self.keep_folder_of(key).await;
        };
        // Another file under the name was not meant.
        if version.is_none_or(|version| self.is_version(&there, &whole, version)) {
            self.keep_aside(operation, &whole, Some(&there), None)
                .await?;
            self.client.delete(&whole, None).await?;
        }
        self.keep_folder_of(key).await
    }

    async fn restore(
        &self,
        operation: &Operation,
        version: &Version,
        shown: Option<&str>,
    ) -> Result<()> {
        let key = &operation.path.key;
        let whole = self.keys.object(key);
        let there = self.client.head(&whole, None).await?;
        if there
            .as_ref()
            .is_some_and(|there| self.is_version(there, &whole, version))
        {
            return Ok(());
        }
        let found = self.find(version.id, key, &version.identity).await?;
        let found = found.ok_or_else(|| gone(version.id))?;
        self.keep_aside(operation, &whole, there.as_ref(), shown)
            .await?;
        let mut metadata = found.head.metadata.clone();
        let place = self.client.place(&whole);
        metadata::stamp(&mut metadata, place, version.id, Some(&version.identity));
        let source = CopySource {
            bucket: None,
            key: &found.key,
            head: &found.head,
        };
        let existing = over(there.as_ref());
        let copied = self
            .copy_over(&self.client, source, &whole, &metadata, existing)
            .await;
        self.unless_done(&whole, version, copied).await?;
        self.unhide(key).await
    }

    /// Puts a version under a temp name. What was under that name goes.
    pub(super) async fn hide(
        &self,
        operation: &Operation,
        key: &ObjectKey,
        version: &Version,
        upload: UploadToken,
        shown: Option<&str>,
    ) -> Result<()> {
        let whole = self.keys.object(key);
        if let Some(there) = self.client.head(&whole, None).await? {
            self.keep_aside(operation, &whole, Some(&there), shown)
                .await?;
            self.client.delete(&whole, None).await?;
        }
        if let Some(before) = self.hidden.get(key)
            && before.version.id != version.id
        {
            self.throw_away(key, &before).await?;
        }
        let hidden = HiddenVersion {
            version: version.clone(),
            upload,
        };
        self.hidden.insert(key.clone(), hidden);
        Ok(())
    }

    /// After an object took a name: an upload that had it is superseded.
    pub(super) async fn unhide(&self, key: &ObjectKey) -> Result<()> {
        match self.hidden.get(key) {
            Some(hidden) => self.throw_away(key, &hidden).await,
            None => Ok(()),
        }
    }

    async fn throw_away(&self, key: &ObjectKey, hidden: &HiddenVersion) -> Result<()> {
        let upload = &hidden.upload;
        self.client.abort(&upload.key, &upload.upload).await?;
        self.hidden.remove(key, hidden.version.id);
        Ok(())
    }

    /// After an error it is the store that knows whether the object is there.
    pub(super) async fn unless_done(
        &self,
        whole: &str,
        version: &Version,
        result: Result<()>,
    ) -> Result<()> {
        let Err(error) = result else { return Ok(()) };
        match self.client.head(whole, None).await {
            Ok(Some(there)) if self.is_version(&there, whole, version) => Ok(()),
            Ok(Some(_) | None) => Err(error),
            Err(blind) => Err(blind.with("before", error.chain())),
        }
    }

    /// What the store has of a version. Fails if that is not all of it.
    pub(super) async fn parts_of(
        &self,
        upload: &UploadToken,
        version: &Version,
    ) -> Result<Vec<Part>> {
        let parts = self.client.list_parts(&upload.key, &upload.upload).await?;
        let parts = parts.unwrap_or_default();
        let is_gapless = parts
            .iter()
            .zip(1..)
            .all(|(part, number)| part.number == number);
        let size_bytes: u64 = parts.iter().map(|part| part.size_bytes).sum();
        // What is sealed is longer than its version says, never shorter.
        if parts.is_empty() || !is_gapless || size_bytes < version.size_bytes {
            return Err(gone(version.id)
                .with("parts", parts.len())
                .with("bytes", size_bytes));
        }
        Ok(parts)
    }
}

fn needed(operation: &Operation) -> Result<&Version> {
    operation.version.as_ref().ok_or_else(|| {
        Error::new(Kind::Bug, "the server met an internal error")
            .during("run a name operation without version")
            .with("operation", operation.seq.0)
    })
}

pub(super) fn gone(version: VersionId) -> Error {
    Error::new(Kind::NotFound, "the received bytes are gone").with("version", version)
}
