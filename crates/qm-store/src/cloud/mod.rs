//! Google Cloud Storage and Azure Blob Storage: `gs://`, `az://`.
//!
//! A small file is in memory until it has its name and is one request then. A larger one streams to
//! a staged object, and its publication is a copy by the store itself, which costs requests but
//! moves no bytes through us. What waits for another session waits in this process: after a restart
//! such uploads begin anew. Nothing of a file is durable before all of it is.
//!
//! Names of objects may not begin or end with a blank: the client library cuts those off.

#[cfg(feature = "azure")]
mod azure;
mod blocks;
mod content;
mod deposits;
mod errors;
mod folders;
#[cfg(feature = "gcs")]
mod gcs;
#[cfg(feature = "gcs")]
mod google;
mod held;
mod listing;
mod metadata;
mod names;
mod operations;
mod receiving;
mod requests;
mod staged;
mod store;
mod window;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use opendal::ErrorKind;
use std::sync::Arc;

use crate::seen_names::SeenNames;
use content::CloudContent;
use errors::store_error;
use held::Held;
use listing::{CloudListing, file_entry, folder_entry};
use qm_core::id::VersionId;
use qm_core::name::{ObjectKey, ObjectPath, Prefix};
use qm_core::operation::{Operation, StagedToken, Version};
use qm_core::ports::bucket::{
    Attributes, Bucket, Content, Entry, EntryKind, FolderChange, Listing, Parked, Space, Staged,
    Staging,
};
use qm_core::ports::deposit::Put;
use qm_core::ports::encryption::Envelope;
use qm_core::ports::look::{Likely, Look};
use qm_core::{Error, Kind, Result};
use receiving::Receiving;
use staged::CloudStaged;
use store::{Below, Head, Store};

/// A bucket of Google or a container of Azure, from a prefix on.
pub struct CloudBucket {
    shared: Arc<Shared>,
}

/// What uploads and open files need of the bucket.
struct Shared {
    store: Store,
    held: Held,
    seen_folders: SeenNames,
}

impl CloudBucket {
    fn on(store: Store) -> Self {
        Self {
            shared: Arc::new(Shared {
                store,
                held: Held::default(),
                seen_folders: SeenNames::default(),
            }),
        }
    }

    /// What is under one of these names with this identity.
    async fn find(
        &self,
        paths: &[&str],
        identity: &str,
        version: VersionId,
    ) -> Result<(String, Head)> {
        for path in paths {
            let there = self.shared.look(path).await?;
            if let Some(head) = there.filter(|head| head.identity() == identity) {
                return Ok(((*path).to_owned(), head));
            }
        }
        Err(
            Error::new(Kind::NotFound, "the bytes of this version are gone")
                .with("version", version),
        )
    }
}

impl Shared {
    async fn head(&self, key: &ObjectKey) -> Result<Option<Head>> {
        self.look(&names::object(key)?).await
    }

    /// What is under a key.
    async fn look_at(&self, key: &ObjectKey) -> Result<Look> {
        if let Some(head) = self.head(key).await? {
            return Ok(Look {
                entry: Some(file_entry(key.file_name(), &head)),
                identity: Some(head.identity().to_owned()),
                state: None,
            });
        }
        Ok(match self.below(&key.as_prefix()).await? {
            Below::Nothing => Look::default(),
            Below::Marker | Below::Entries => Look {
                entry: Some(folder_entry(key.file_name())),
                ..Look::default()
            },
        })
    }

    async fn look(&self, path: &str) -> Result<Option<Head>> {
        let head = self.store.head(path).await;
        head.map_err(store_error("look at a name"))
    }

    async fn content(self: &Arc<Self>, path: String) -> Result<Option<CloudContent>> {
        let Some(head) = self.look(&path).await? else {
            return Ok(None);
        };
        CloudContent::new(Arc::clone(self), path, head).map(Some)
    }
}

#[async_trait]
impl Bucket for CloudBucket {
    async fn stage(&self, staging: Staging) -> Result<Box<dyn Staged>> {
        // What no object can be called is told before bytes are sent.
        names::object(&staging.key)?;
        names::object(&staging.final_key)?;
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(CloudStaged::new(
            shared,
            staging,
            Receiving::default(),
        )))
    }

    async fn resume(&self, staging: Staging, parked: &Parked) -> Result<Option<Box<dyn Staged>>> {
        let version = names::staged_version(&parked.token)?;
        let Some(receiving) = self.shared.held.resume(version) else {
            return Ok(None);
        };
        let shared = Arc::clone(&self.shared);
        Ok(Some(Box::new(CloudStaged::new(shared, staging, receiving))))
    }

    /// Nothing to remember: what has a temp name is an object under that name.
    async fn remember(&self, _path: &ObjectPath, _version: &Version) -> Result<()> {
        Ok(())
    }

    fn keeps_attributes(&self) -> bool {
        false
    }

    async fn run(&self, operation: &Operation) -> Result<()> {
        self.shared.run(operation).await
    }

    async fn run_after(&self, look: &Look, operation: &Operation) -> Result<()> {
        self.shared.run_after(look, operation).await
    }

    async fn put(&self, put: Put<'_>) -> Result<()> {
        self.shared.put(put).await
    }

    async fn withdraw(&self, key: &ObjectKey, identity: &str) -> Result<bool> {
        self.shared.withdraw(key, identity).await
    }

    async fn stat(&self, path: &Prefix) -> Result<Option<Entry>> {
        match path.as_key() {
            Some(key) => Ok(self.shared.look_at(&key).await?.entry),
            None => Ok(Some(folder_entry(""))),
        }
    }

    async fn look(&self, key: &ObjectKey, _likely: Likely) -> Result<Look> {
        self.shared.look_at(key).await
    }

    async fn has_folder(&self, folder: &Prefix) -> Result<bool> {
        if self.shared.seen_folders.has(folder) {
            return Ok(true);
        }
        let entry = self.stat(folder).await?;
        Ok(entry.is_some_and(|entry| entry.kind == EntryKind::Folder))
    }

    async fn identity(&self, key: &ObjectKey) -> Result<Option<String>> {
        let head = self.shared.head(key).await?;
        Ok(head.map(|head| head.identity().to_owned()))
    }

    async fn list(&self, folder: &Prefix) -> Result<Box<dyn Listing>> {
        let path = names::folder(folder)?;
        let lister = self.shared.store.list(&path).await;
        let lister = lister.map_err(store_error("list a folder"))?;
        let listing = CloudListing::begin(lister, folder.clone(), path).await?;
        Ok(Box::new(listing))
    }

    async fn open(&self, key: &ObjectKey) -> Result<Box<dyn Content>> {
        let content = self.shared.content(names::object(key)?).await?;
        let content = content.ok_or_else(|| {
            Error::new(Kind::NotFound, "no such file or folder").during("open a file")
        })?;
        Ok(Box::new(content))
    }

    async fn open_version(
        &self,
        version: VersionId,
        key: &ObjectKey,
        identity: &str,
    ) -> Result<Box<dyn Content>> {
        let (current, kept) = (names::object(key)?, names::kept(version));
        // Kept last: the version may have moved there since the first look.
        let found = self.find(&[&current, &kept], identity, version).await?;
        let content = CloudContent::new(Arc::clone(&self.shared), found.0, found.1)?;
        Ok(Box::new(content))
    }

    /// Objects have no attributes that could be changed: the ledger keeps them.
    async fn set_attributes(&self, _path: &Prefix, _attributes: Attributes) -> Result<()> {
        Ok(())
    }

    async fn change_folder(&self, change: FolderChange) -> Result<()> {
        self.shared.change_folder(&change).await
    }

    async fn discard(&self, token: &StagedToken) -> Result<()> {
        let version = names::staged_version(token)?;
        self.shared.held.forget(version);
        let path = names::staging(version);
        let removed = self.shared.store.delete(&path, None).await;
        removed.map_err(store_error("remove an upload's bytes"))
    }

    async fn release(&self, version: VersionId, _key: &ObjectKey) -> Result<()> {
        let path = names::kept(version);
        let removed = self.shared.store.delete(&path, None).await;
        removed.map_err(store_error("remove a kept version"))
    }

    async fn leftovers(&self) -> Result<Vec<StagedToken>> {
        let held = &self.shared.held;
        let mut left = held.left();
        let listed = self.shared.store.list(names::STAGING).await;
        let mut listed = listed.map_err(store_error("list what uploads left"))?;
        loop {
            let next = match listed.try_next().await {
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                next => next.map_err(store_error("list what uploads left"))?,
            };
            let Some(entry) = next else { break };
            let version = entry.path().strip_prefix(names::STAGING);
            let version = version.and_then(|name| name.parse().ok());
            left.extend(version.filter(|version| !held.is_open(*version)));
        }
        left.sort_unstable();
        left.dedup();
        Ok(left.into_iter().map(names::token).collect())
    }

    /// In place. On Azure the object has another entity tag then: who reads it goes on with that.
    async fn set_envelope(
        &self,
        version: VersionId,
        key: &ObjectKey,
        identity: &str,
        envelope: &Envelope,
    ) -> Result<()> {
        let (current, kept) = (names::object(key)?, names::kept(version));
        let (path, head) = self.find(&[&current, &kept], identity, version).await?;
        let attributes = head.attributes.clone().with_envelope(envelope)?;
        let store = &self.shared.store;
        let set = store.set_attributes(&path, &head.pin, &attributes).await;
        set.map_err(store_error("replace an envelope"))
    }

    /// Nobody knows: as much as a client can count.
    async fn space(&self) -> Result<Space> {
        let unlimited = i64::MAX.unsigned_abs();
        Ok(Space {
            total_bytes: unlimited,
            free_bytes: unlimited,
            total_files: unlimited,
            free_files: unlimited,
        })
    }
}
