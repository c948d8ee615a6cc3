//! Renames. An object gets another name by a copy inside the store; bytes that are no object yet
//! become one.

use super::S3Bucket;
use super::client::{CopySource, Head};
use super::conditions::over;
use super::hidden::HiddenVersion;
use super::metadata;
use super::token::UploadToken;
use qm_core::name::ObjectKey;
use qm_core::operation::{Operation, Version};
use qm_core::{Error, Kind, Result};

impl S3Bucket {
    /// Gives the file under `from` the name `to`.
    pub(super) async fn rename(
        &self,
        operation: &Operation,
        from: &ObjectKey,
        to: &ObjectKey,
        shown: Option<&str>,
    ) -> Result<()> {
        // Otherwise the copy would be removed as what is left of the old name.
        if from == to {
            return Ok(());
        }
        let hidden = self.hidden.get(from).filter(|hidden| {
            let version = operation.version.as_ref();
            version.is_none_or(|version| version.id == hidden.version.id)
        });
        if let Some(hidden) = hidden {
            let whole_to = self.keys.object(to);
            let there = self.client.head(&whole_to, None).await?;
            let is = |there: &Head| self.is_version(there, &whole_to, &hidden.version);
            if there.as_ref().is_some_and(is) {
                // Done before a crash.
                self.remove_detour(&hidden.upload, &whole_to, &hidden.version)
                    .await?;
                self.unhide(to).await?;
                self.hidden.remove(from, hidden.version.id);
                return self.keep_folder_left(from, to).await;
            }
            return self
                .rename_hidden(operation, from, (to, there.as_ref()), hidden, shown)
                .await;
        }
        let (whole_from, whole_to) = (self.keys.object(from), self.keys.object(to));
        let target = self.client.head(&whole_to, None).await?;
        let source = self.client.head(&whole_from, None).await?;
        let Some(version) = &operation.version else {
            return match (source, target) {
                (Some(source), target) => {
                    self.move_object(operation, (from, &source), (to, target.as_ref()), shown)
                        .await
                }
                (None, Some(_)) => Ok(()),
                (None, None) => Err(no_file(from)),
            };
        };
        let is = |head: &Option<Head>, whole: &str| {
            head.as_ref()
                .is_some_and(|head| self.is_version(head, whole, version))
        };
        if is(&target, &whole_to) {
            if is(&source, &whole_from) {
                self.leave(from, to).await?;
            }
            // What a file under a temp name came by.
            return match &version.staged {
                Some(upload) => {
                    self.remove_detour(&UploadToken::decode(upload)?, &whole_to, version)
                        .await
                }
                None => Ok(()),
            };
        }
        match source {
            Some(source) if self.is_version(&source, &whole_from, version) => {
                self.move_object(operation, (from, &source), (to, target.as_ref()), shown)
                    .await
            }
            Some(_) => Err(somebody_else(from)),
            None => {
                let Some(upload) = &version.staged else {
                    return Err(no_file(from));
                };
                let hidden = HiddenVersion {
                    version: version.clone(),
                    upload: UploadToken::decode(upload)?,
                };
                self.rename_hidden(operation, from, (to, target.as_ref()), hidden, shown)
                    .await
            }
        }
    }

    /// A copy under the new key, then the old one goes: a crash between the two shows both names,
    /// never none.
    async fn move_object(
        &self,
        operation: &Operation,
        (from, source): (&ObjectKey, &Head),
        (to, target): (&ObjectKey, Option<&Head>),
        shown: Option<&str>,
    ) -> Result<()> {
        let (whole_from, whole_to) = (self.keys.object(from), self.keys.object(to));
        if let (true, Some(version)) = (operation.keep_moved, &operation.version) {
            self.keep(&whole_from, source, version.id).await?;
        }
        self.keep_aside(operation, &whole_to, target, shown).await?;
        let mut metadata = source.metadata.clone();
        if let Some(version) = &operation.version {
            let place = self.client.place(&whole_to);
            metadata::stamp(&mut metadata, place, version.id, Some(&version.identity));
        }
        let source = CopySource {
            bucket: None,
            key: &whole_from,
            head: source,
        };
        let copied = self
            .copy_over(&self.client, source, &whole_to, &metadata, over(target))
            .await;
        match &operation.version {
            Some(version) => self.unless_done(&whole_to, version, copied).await?,
            None => copied?,
        }
        self.unhide(to).await?;
        self.leave(from, to).await
    }

    /// Of a version whose bytes are an upload.
    async fn rename_hidden(
        &self,
        operation: &Operation,
        from: &ObjectKey,
        (to, target): (&ObjectKey, Option<&Head>),
        hidden: HiddenVersion,
        shown: Option<&str>,
    ) -> Result<()> {
        let HiddenVersion { version, upload } = hidden;
        let whole_to = self.keys.object(to);
        if upload.key == whole_to {
            self.keep_aside(operation, &whole_to, target, shown).await?;
            self.complete_over(&upload, &version, over(target)).await?;
            self.unhide(to).await?;
        } else if operation.is_hidden {
            self.parts_of(&upload, &version).await?;
            self.hide(operation, to, &version, upload, shown).await?;
        } else {
            self.complete_elsewhere(operation, &version, &upload, to, shown)
                .await?;
        }
        self.hidden.remove(from, version.id);
        self.keep_folder_left(from, to).await
    }

    /// Bytes in parts can become an object only under the key they were begun for. If that is
    /// somebody else's name, nothing is done: their file must not be lost, not even for a moment.
    async fn complete_elsewhere(
        &self,
        operation: &Operation,
        version: &Version,
        upload: &UploadToken,
        to: &ObjectKey,
        shown: Option<&str>,
    ) -> Result<()> {
        let taken = || {
            Error::new(
                Kind::Conflict,
                "the name that this temporary name stands for is taken by another file",
            )
            .help("rename to that name, or remove what has it")
            .during("rename")
            .with("key", &upload.key)
        };
        let mut detour = self.client.head(&upload.key, None).await?;
        if detour.is_none() {
            self.complete_over(upload, version, over(None))
                .await
                .map_err(|error| {
                    if error.kind() == Kind::Conflict {
                        taken().source(error)
                    } else {
                        error
                    }
                })?;
            detour = self.client.head(&upload.key, None).await?;
        }
        let detour = detour
            .filter(|there| self.is_version(there, &upload.key, version))
            .ok_or_else(taken)?;
        let whole_to = self.keys.object(to);
        // Only now: the store may have worked for minutes.
        let target = self.client.head(&whole_to, None).await?;
        let target = target.as_ref();
        self.keep_aside(operation, &whole_to, target, shown).await?;
        let mut metadata = detour.metadata.clone();
        let place = self.client.place(&whole_to);
        metadata::stamp(&mut metadata, place, version.id, Some(&version.identity));
        let source = CopySource {
            bucket: None,
            key: &upload.key,
            head: &detour,
        };
        let copied = self
            .copy_over(&self.client, source, &whole_to, &metadata, over(target))
            .await;
        self.unless_done(&whole_to, version, copied).await?;
        self.unhide(to).await?;
        self.remove_detour(upload, &whole_to, version).await
    }

    /// The object that a version was for a moment, on its way to another name.
    async fn remove_detour(
        &self,
        upload: &UploadToken,
        whole_to: &str,
        version: &Version,
    ) -> Result<()> {
        if upload.key == whole_to {
            return Ok(());
        }
        match self.client.head(&upload.key, None).await? {
            Some(there) if self.is_version(&there, &upload.key, version) => {
                let native = there.native_version.as_deref();
                self.client.delete(&upload.key, native).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The old name goes, after the file has the new one.
    async fn leave(&self, from: &ObjectKey, to: &ObjectKey) -> Result<()> {
        self.client.delete(&self.keys.object(from), None).await?;
        self.keep_folder_left(from, to).await
    }

    async fn keep_folder_left(&self, from: &ObjectKey, to: &ObjectKey) -> Result<()> {
        if from.folder() == to.folder() {
            return Ok(());
        }
        self.keep_folder_of(from).await
    }
}

fn no_file(key: &ObjectKey) -> Error {
    Error::new(Kind::NotFound, "the file is gone")
        .during("rename")
        .with("key", key)
}

fn somebody_else(key: &ObjectKey) -> Error {
    Error::new(Kind::Conflict, "somebody else changed the file meanwhile").with("key", key)
}
