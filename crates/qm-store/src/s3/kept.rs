//! Versions that are not current any more. A bucket with native versions keeps them by itself
//! under their keys; without, they are copied to our own folder before something takes their place.

use super::S3Bucket;
use super::client::{CopySource, Existing, Head, Versioning};
use super::metadata;
use qm_core::id::VersionId;
use qm_core::name::ObjectKey;
use qm_core::operation::{Operation, Version};
use qm_core::ports::encryption::Envelope;
use qm_core::{Error, Kind, Result};

/// An object with the bytes of a version.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) key: String,
    pub(super) head: Head,
    place: Where,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Where {
    Current,
    Kept,
    Native,
}

impl S3Bucket {
    /// Keeps what the operation takes from under `key`, if something still needs it. `shown` is how
    /// the file that it was decided on is recognised, if that was just now.
    pub(super) async fn keep_aside(
        &self,
        operation: &Operation,
        key: &str,
        there: Option<&Head>,
        shown: Option<&str>,
    ) -> Result<()> {
        let (Some(version), Some(there), true) = (operation.replaces, there, operation.keep_aside)
        else {
            return Ok(());
        };
        let place = self.client.place(key);
        let is_shown = shown.map(|shown| metadata::identity(there, place) == shown);
        let is_replaced = match metadata::version(&there.metadata, place) {
            // Put there by a delivery, it has another id once it has arrived.
            Some(found) => found == version || is_shown == Some(true),
            // A file of others is a version as well, once it has arrived.
            None => is_shown != Some(false),
        };
        // Somebody put another file there: that one nobody asked to keep.
        if !is_replaced {
            return Ok(());
        }
        self.keep(key, there, version).await
    }

    /// A copy among the kept, unless the store keeps it.
    pub(super) async fn keep(&self, key: &str, there: &Head, version: VersionId) -> Result<()> {
        if self.versioning == Versioning::Native {
            return Ok(());
        }
        let kept = self.keys.kept(version);
        let place = self.client.place(&kept);
        let identity = metadata::identity(there, self.client.place(key));
        if let Some(copy) = self.client.head(&kept, None).await? {
            // One that an earlier restore left may be sealed with a key that is no more; another file
            // never takes the place of what was kept.
            let is_sealed_alike =
                metadata::envelope(&copy.metadata)? == metadata::envelope(&there.metadata)?;
            if is_sealed_alike || metadata::identity(&copy, place) != identity {
                return Ok(());
            }
        }
        let mut metadata = there.metadata.clone();
        metadata::stamp(&mut metadata, place, version, Some(&identity));
        let source = CopySource {
            bucket: None,
            key,
            head: there,
        };
        self.client
            .copy(source, &kept, metadata, Existing::Replace)
            .await
    }

    /// The bytes of a version: current under the key, kept, or a native version of the key.
    pub(super) async fn find(
        &self,
        version: VersionId,
        key: &ObjectKey,
        identity: &str,
    ) -> Result<Option<Found>> {
        let whole = self.keys.object(key);
        let wanted = (version, identity);
        if let Some(found) = self.find_at(&whole, Where::Current, wanted).await? {
            return Ok(Some(found));
        }
        let kept = self.keys.kept(version);
        if let Some(found) = self.find_at(&kept, Where::Kept, wanted).await? {
            return Ok(Some(found));
        }
        if let Some(head) = self.find_native(version, &whole, identity).await? {
            return Ok(Some(Found {
                key: whole,
                head,
                place: Where::Native,
            }));
        }
        // The version may have come back between the looks.
        self.find_at(&whole, Where::Current, wanted).await
    }

    async fn find_at(
        &self,
        key: &str,
        place: Where,
        (version, identity): (VersionId, &str),
    ) -> Result<Option<Found>> {
        let is = |head: &Head| match place {
            // After a crash nobody knows what was shown: what was kept may be somebody else's file.
            Where::Kept => metadata::identity(head, self.client.place(key)) == identity,
            Where::Current | Where::Native => self.is(head, key, version, identity),
        };
        let head = self.client.head(key, None).await?;
        Ok(head.filter(is).map(|head| Found {
            key: key.to_owned(),
            head,
            place,
        }))
    }

    /// True if the object under the whole key is that version.
    pub(super) fn is(&self, head: &Head, key: &str, version: VersionId, identity: &str) -> bool {
        let place = self.client.place(key);
        metadata::version(&head.metadata, place) == Some(version)
            || metadata::identity(head, place) == identity
    }

    /// The same for a version of the ledger.
    pub(super) fn is_version(&self, head: &Head, key: &str, version: &Version) -> bool {
        self.is(head, key, version.id, &version.identity)
    }

    /// Removes a version that is not current. Native versions of others are their owner's.
    pub(super) async fn release_version(&self, version: VersionId, key: &ObjectKey) -> Result<()> {
        let kept = self.keys.kept(version);
        if let Some(head) = self.client.head(&kept, None).await? {
            let native = head.native_version.as_deref();
            self.client.delete(&kept, native).await?;
        }
        let whole = self.keys.object(key);
        let identity = version.to_string();
        while let Some(head) = self.find_native(version, &whole, &identity).await? {
            self.client
                .delete(&whole, head.native_version.as_deref())
                .await?;
        }
        Ok(())
    }

    /// Replaces the envelope: the object is copied onto itself, its bytes do not move.
    pub(super) async fn rewrap(
        &self,
        version: VersionId,
        key: &ObjectKey,
        identity: &str,
        envelope: &Envelope,
    ) -> Result<()> {
        let Some(found) = self.find(version, key, identity).await? else {
            return Err(
                Error::new(Kind::NotFound, "the bytes of this version are gone")
                    .during("replace an envelope")
                    .with("version", version),
            );
        };
        let to = match found.place {
            Where::Current | Where::Kept => found.key.clone(),
            // A copy onto itself would be current.
            Where::Native => self.keys.kept(version),
        };
        let mut metadata = found.head.metadata.clone();
        metadata::stamp(
            &mut metadata,
            self.client.place(&to),
            version,
            Some(identity),
        );
        metadata::seal(&mut metadata, envelope)?;
        let source = CopySource {
            bucket: None,
            key: &found.key,
            head: &found.head,
        };
        self.client
            .copy(source, &to, metadata, Existing::Replace)
            .await?;
        // Otherwise the store keeps the same bytes under the old envelope.
        match &found.head.native_version {
            Some(native) => self.client.delete(&found.key, Some(native)).await,
            None => Ok(()),
        }
    }

    /// A native version of the key that is not current.
    async fn find_native(
        &self,
        version: VersionId,
        whole: &str,
        identity: &str,
    ) -> Result<Option<Head>> {
        if self.versioning == Versioning::None {
            return Ok(None);
        }
        for native in self.client.list_versions(whole).await? {
            if native.is_current {
                continue;
            }
            if let Some(head) = self.client.head(whole, Some(&native.id)).await?
                && self.is(&head, whole, version, identity)
            {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }
}
