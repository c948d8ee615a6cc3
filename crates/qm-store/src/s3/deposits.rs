//! What deliveries put into the bucket: objects of ours that no ledger knows, made only where the
//! name shows what was seen before.

use jiff::Timestamp;
use std::sync::Arc;

use super::S3Bucket;
use super::client::{CopySource, Head, Metadata, S3Client};
use super::conditions::{Landing, over};
use super::metadata;
use super::operations::gone;
use super::token::UploadToken;
use qm_core::name::ObjectKey;
use qm_core::ports::deposit::{Deposit, Put, StoredObject};
use qm_core::{Error, Kind, Result};

impl S3Bucket {
    /// Whoever makes the objects of a deposit.
    pub(super) fn client_for(&self, deposit: Option<Deposit>) -> &Arc<S3Client> {
        match deposit {
            Some(deposit) if deposit.owner_full_control => &self.owner_client,
            Some(_) | None => &self.client,
        }
    }

    pub(super) async fn put_staged(&self, put: Put<'_>) -> Result<()> {
        let whole = self.keys.object(put.key);
        let Landing::Over(there) = self.landing(&whole, put).await? else {
            self.small_files.remove(put.version.id);
            return Ok(());
        };
        let existing = over(there.as_ref());
        if let Some(token) = &put.version.staged {
            let upload = UploadToken::decode(token)?;
            return self.complete_over(&upload, put.version, existing).await;
        }
        let small = self.small_files.get(put.version.id);
        let small = small.ok_or_else(|| gone(put.version.id))?;
        let client = self.client_for(Some(put.deposit));
        let made = self
            .put_over(client, &whole, put.version, small, existing)
            .await;
        self.unless_done(&whole, put.version, made).await?;
        self.small_files.remove(put.version.id);
        Ok(())
    }

    pub(super) async fn put_stored(&self, source: &StoredObject, put: Put<'_>) -> Result<bool> {
        if source.service != self.client.service() {
            return Ok(false);
        }
        let whole = self.keys.object(put.key);
        let Landing::Over(there) = self.landing(&whole, put).await? else {
            return Ok(true);
        };
        let mut carried = self.client.describe(&whole, put.version.id, None)?;
        metadata::add_delivery(&mut carried, put.deposit.delivery);
        metadata::add_digest(&mut carried, put.version.sha256);
        let head = Head {
            etag: source.etag.clone(),
            size_bytes: source.size_bytes,
            modified: Timestamp::UNIX_EPOCH,
            native_version: source.native_version.clone(),
            metadata: Metadata::new(),
            content_type: source.content_type.clone(),
        };
        let from = CopySource {
            bucket: Some(&source.bucket),
            key: &source.key,
            head: &head,
        };
        let client = self.client_for(Some(put.deposit));
        let copied = self
            .copy_over(client, from, &whole, &carried, over(there.as_ref()))
            .await;
        self.unless_done(&whole, put.version, copied).await?;
        let made = self.client.head(&whole, None).await?;
        let is_whole = made.is_some_and(|made| {
            self.is_version(&made, &whole, put.version) && made.size_bytes == put.version.size_bytes
        });
        if is_whole {
            return Ok(true);
        }
        Err(Error::new(
            Kind::Unavailable,
            "the copy is not there as it was made; somebody else may have changed it",
        )
        .during("verify a copy")
        .with("key", &whole))
    }

    /// The store removes whatever has the name, so it is asked right before; in a bucket with versions
    /// what is removed stays among them.
    pub(super) async fn withdraw_object(&self, key: &ObjectKey, identity: &str) -> Result<bool> {
        if self.hidden.get(key).is_some() {
            return Ok(false);
        }
        let whole = self.keys.object(key);
        let there = self.client.head(&whole, None).await?;
        let found = there.map(|there| metadata::identity(&there, self.client.place(&whole)));
        if found.as_deref() != Some(identity) {
            return Ok(false);
        }
        let deleted = self.client.delete(&whole, None).await;
        // Its folder may have gone with it.
        self.seen_folders.forget(&key.folder());
        deleted.map(|()| true)
    }

    async fn landing(&self, whole: &str, put: Put<'_>) -> Result<Landing> {
        if self.hidden.get(put.key).is_some() {
            return Err(Error::new(
                Kind::Conflict,
                "a file is being received under that name",
            ));
        }
        let there = self.client.head(whole, None).await?;
        let is = |there: &Head| self.is_version(there, whole, put.version);
        if there.as_ref().is_some_and(is) {
            return Ok(Landing::Done);
        }
        let found = there
            .as_ref()
            .map(|there| metadata::identity(there, self.client.place(whole)));
        if found.as_deref() != put.replaces {
            return Err(changed().with("key", whole));
        }
        Ok(Landing::Over(there))
    }
}

fn changed() -> Error {
    Error::new(Kind::Conflict, "somebody else changed the file meanwhile").during("put an object")
}
