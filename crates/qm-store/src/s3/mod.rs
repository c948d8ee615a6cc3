//! The S3 bucket: `s3://`. Objects are the truth; nothing of them is on this machine but parts of
//! uploads that do not fit in memory. An upload is an upload in parts under the name that the file
//! will have in the end, or, if it is short, one request when its name operation is recorded.
//!
//! - What a version is called: an object of ours carries the id of its version. What others put
//!   there is recognised by its native version (`native ID`), or in a bucket without versions by
//!   what the store says of it (`etag E size N modified SECONDS`).
//! - Modification times and permissions cannot be changed on an object without writing it again:
//!   setting them does nothing here, the ledger keeps them.
//! - What `.quaymaster/` below the place's prefix holds is ours and never listed.

mod arena;
mod client;
mod conditions;
mod content;
mod deposits;
mod digest;
mod folders;
mod hidden;
mod kept;
mod keys;
mod listing;
mod looks;
mod metadata;
mod operations;
mod part_buffer;
mod part_memory;
mod part_plan;
mod part_sink;
mod publish_small;
mod renames;
mod small_files;
mod spill;
mod staged;
mod token;

use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

use self::client::{S3Client, Versioning};
use self::conditions::Lacking;
use self::content::ObjectContent;
use self::hidden::{Hidden, HiddenVersion};
use self::keys::Keys;
use self::listing::{Begun, FolderListing, folder_entry};
use self::looks::file_entry;
use self::part_plan::PartPlan;
use self::part_sink::KeySink;
use self::small_files::SmallFiles;
use self::staged::{Parts, StagedUpload};
use self::token::UploadToken;
use crate::seen_names::SeenNames;
use qm_core::config::S3Place;
use qm_core::id::VersionId;
use qm_core::name::{ObjectKey, ObjectPath, Prefix};
use qm_core::operation::{Operation, StagedToken, Version};
use qm_core::ports::bucket::{
    Attributes, Bucket, Content, Entry, FolderChange, Listing, Parked, Space, Staged, Staging,
};
use qm_core::ports::deposit::{Put, StoredObject};
use qm_core::ports::encryption::Envelope;
use qm_core::ports::look::{Likely, Look};
use qm_core::{Error, Kind, Result};

pub use arena::Arena;
pub use client::S3Limits;

/// Permissions that every file shows, and every folder: a store has none.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;
/// More than anybody stores, and little enough that clients can count with it.
const SPACE_BYTES: u64 = 1 << 60;
const SPACE_FILES: u64 = 1 << 40;
/// An object that changes between two looks is looked at again so often.
const LOOKS_MAX: u32 = 3;

/// A bucket of Amazon S3 or compatible.
pub struct S3Bucket {
    client: Arc<S3Client>,
    /// The same for objects that the owner of the bucket gets.
    owner_client: Arc<S3Client>,
    keys: Keys,
    versioning: Versioning,
    contents: S3Contents,
    hidden: Hidden,
    arena: Arc<Arena>,
    small_files: Arc<SmallFiles>,
    seen_folders: SeenNames,
    /// Names that got a file here a moment ago, which the ledger may not tell yet.
    new_files: SeenNames,
    lacking: Lacking,
}

/// What an S3 bucket needs besides its place.
pub struct S3Options {
    /// The memory of all uploads of the process.
    pub arena: Arc<Arena>,
    /// What listings say of objects: the store tells there nothing of what they carry.
    pub contents: S3Contents,
    /// What the store may take.
    pub limits: S3Limits,
}

/// What the objects of a bucket are, as a rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum S3Contents {
    /// Bytes in clear.
    Clear,
    /// Sealed by us.
    Sealed,
}

impl S3Bucket {
    /// Opens the bucket at a place, as whoever the environment or the place says.
    pub async fn open(place: &S3Place, options: S3Options) -> Result<Self> {
        let config = qm_aws::sdk_config(&place.access).await?;
        Self::connect(&config, place, options).await
    }

    /// The same with a set-up of the caller's. Asks the bucket how it is set up; fails if it is
    /// not there, or not for us.
    pub async fn connect(
        config: &aws_config::SdkConfig,
        place: &S3Place,
        options: S3Options,
    ) -> Result<Self> {
        let client = S3Client::new(config, place, options.limits);
        let versioning = client
            .versioning()
            .await
            .map_err(|error| error.with("bucket", &place.bucket))?;
        Ok(Self {
            owner_client: Arc::new(client.for_owner()),
            client: Arc::new(client),
            keys: Keys::new(&place.prefix),
            versioning,
            contents: options.contents,
            hidden: Hidden::default(),
            arena: options.arena,
            small_files: Arc::default(),
            seen_folders: SeenNames::default(),
            new_files: SeenNames::default(),
            lacking: Lacking::default(),
        })
    }

    /// What life-cycle rules of the S3 bucket would do to what is ours, as sentences for whoever
    /// runs this node: abort uploads, which files under temp names are without limit and broken-off
    /// ones within `partial_kept`, or remove objects. `None` if nothing is to be feared.
    pub async fn lifecycle_warning(&self, partial_kept: Duration) -> Option<String> {
        let prefix = self.keys.beginning();
        match self.client.lifecycle_dangers(prefix, partial_kept).await {
            Ok(dangers) => (!dangers.is_empty()).then(|| dangers.join("; ")),
            Err(error) => Some(format!(
                "whether life-cycle rules would remove what is ours cannot be read: {}",
                error.chain()
            )),
        }
    }

    /// What an upload under a key needs. One that goes on has checksums if it was begun with them.
    fn parts(&self, key: String, staging: &Staging, checksums: Option<bool>) -> Result<Parts> {
        let mut metadata =
            self.client
                .describe(&key, staging.version, staging.envelope.as_ref())?;
        if let Some(deposit) = staging.deposit {
            metadata::add_delivery(&mut metadata, deposit.delivery);
        }
        let client = self.client_for(staging.deposit);
        let client = match checksums {
            Some(wanted) if wanted != client.has_checksums() => {
                Arc::new(client.with_checksums(wanted))
            }
            Some(_) | None => Arc::clone(client),
        };
        Ok(Parts {
            sink: Arc::new(KeySink {
                client,
                key,
                metadata,
            }),
            arena: Arc::clone(&self.arena),
            small_files: Arc::clone(&self.small_files),
        })
    }

    /// What is under a name.
    async fn look(&self, path: &Prefix) -> Result<Option<Entry>> {
        let Some(key) = path.as_key() else {
            return Ok(Some(folder_entry("")));
        };
        let name = key.file_name();
        if let Some(hidden) = self.hidden.get(&key) {
            return Ok(Some(hidden.entry(name)));
        }
        if let Some(head) = self.client.head(&self.keys.object(&key), None).await? {
            return Ok(Some(file_entry(name, &head)));
        }
        Ok(self.is_folder(path).await?.then(|| folder_entry(name)))
    }

    async fn open_object(&self, whole: &str, head: client::Head) -> Result<Box<dyn Content>> {
        let client = Arc::clone(&self.client);
        let content = ObjectContent::open(client, whole.to_owned(), head).await?;
        if self.contents == S3Contents::Clear && content.envelope().is_some() {
            // Whoever took the key out of the configuration must not deliver ciphertext.
            return Err(Error::new(
                Kind::Unavailable,
                "this file is sealed, but its bucket has no encryption key now",
            )
            .help("give the bucket its `encryption_key` back"));
        }
        Ok(Box::new(content))
    }
}

#[async_trait]
impl Bucket for S3Bucket {
    async fn stage(&self, staging: Staging) -> Result<Box<dyn Staged>> {
        let parts = self.parts(self.keys.object(&staging.final_key), &staging, None)?;
        let plan = PartPlan::new(staging.size_hint);
        Ok(Box::new(StagedUpload::new(parts, plan, &staging)))
    }

    async fn resume(&self, staging: Staging, parked: &Parked) -> Result<Option<Box<dyn Staged>>> {
        let Ok(token) = UploadToken::decode(&parked.token) else {
            // Of another bucket, that had this one's name.
            return Ok(None);
        };
        // Under another key it could not become what the client calls it now.
        if token.key != self.keys.object(&staging.final_key) {
            return Ok(None);
        }
        let checksums = StagedUpload::wants_checksums(parked);
        let parts = self.parts(token.key, &staging, checksums)?;
        let resumed = StagedUpload::resume(parts, &staging, parked).await?;
        Ok(resumed.map(|staged| Box::new(staged) as Box<dyn Staged>))
    }

    async fn remember(&self, path: &ObjectPath, version: &Version) -> Result<()> {
        let Some(token) = &version.staged else {
            return Ok(());
        };
        let upload = UploadToken::decode(token)?;
        if upload.key != self.keys.object(&path.key) {
            let hidden = HiddenVersion {
                version: version.clone(),
                upload,
            };
            self.hidden.insert(path.key.clone(), hidden);
        }
        Ok(())
    }

    fn needs_token(&self) -> bool {
        true
    }

    fn keeps_attributes(&self) -> bool {
        false
    }

    async fn run(&self, operation: &Operation) -> Result<()> {
        Box::pin(self.run_operation(operation, None)).await
    }

    async fn run_after(&self, look: &Look, operation: &Operation) -> Result<()> {
        Box::pin(self.run_operation(operation, Some(look))).await
    }

    async fn put(&self, put: Put<'_>) -> Result<()> {
        Box::pin(self.put_staged(put)).await
    }

    async fn put_copy(&self, source: &StoredObject, put: Put<'_>) -> Result<bool> {
        Box::pin(self.put_stored(source, put)).await
    }

    async fn withdraw(&self, key: &ObjectKey, identity: &str) -> Result<bool> {
        Box::pin(self.withdraw_object(key, identity)).await
    }

    async fn stat(&self, path: &Prefix) -> Result<Option<Entry>> {
        self.look(path).await
    }

    async fn identity(&self, key: &ObjectKey) -> Result<Option<String>> {
        if let Some(hidden) = self.hidden.get(key) {
            return Ok(Some(hidden.version.identity));
        }
        let whole = self.keys.object(key);
        let head = self.client.head(&whole, None).await?;
        Ok(head.map(|head| metadata::identity(&head, self.client.place(&whole))))
    }

    async fn look(&self, key: &ObjectKey, likely: Likely) -> Result<Look> {
        self.look_at(key, likely).await
    }

    async fn has_folder(&self, folder: &Prefix) -> Result<bool> {
        self.has_folder_now(folder).await
    }

    async fn list(&self, folder: &Prefix) -> Result<Box<dyn Listing>> {
        let (hidden, hidden_folders) = self.hidden.in_folder(folder);
        let begun = Begun {
            folder: folder.clone(),
            beginning: self.keys.folder(folder),
            is_sealed: self.contents == S3Contents::Sealed,
            hidden,
            hidden_folders,
        };
        match FolderListing::begin(Arc::clone(&self.client), begun).await? {
            Some(listing) => Ok(Box::new(listing)),
            None => {
                Err(Error::new(Kind::NotFound, "no such file or folder").during("list a folder"))
            }
        }
    }

    async fn open(&self, key: &ObjectKey) -> Result<Box<dyn Content>> {
        let whole = self.keys.object(key);
        let mut looks = 0;
        loop {
            if self.hidden.get(key).is_some() {
                return Err(hidden::unreadable());
            }
            let Some(head) = self.client.head(&whole, None).await? else {
                return Err(
                    Error::new(Kind::NotFound, "no such file or folder").during("open a file")
                );
            };
            looks += 1;
            match self.open_object(&whole, head).await {
                Err(error) if has_changed(&error) && looks < LOOKS_MAX => {}
                result => return result,
            }
        }
    }

    async fn open_version(
        &self,
        version: VersionId,
        key: &ObjectKey,
        identity: &str,
    ) -> Result<Box<dyn Content>> {
        if self
            .hidden
            .get(key)
            .is_some_and(|hidden| hidden.version.id == version)
        {
            return Err(hidden::unreadable());
        }
        let mut looks = 0;
        loop {
            let found = self.find(version, key, identity).await?;
            let found = found.ok_or_else(|| {
                Error::new(Kind::NotFound, "the bytes of this version are gone")
                    .with("version", version)
            })?;
            looks += 1;
            match self.open_object(&found.key, found.head).await {
                Err(error) if has_changed(&error) && looks < LOOKS_MAX => {}
                result => return result,
            }
        }
    }

    async fn set_attributes(&self, _path: &Prefix, _attributes: Attributes) -> Result<()> {
        Ok(())
    }

    async fn change_folder(&self, change: FolderChange) -> Result<()> {
        self.run_folder_change(&change).await
    }

    async fn discard(&self, token: &StagedToken) -> Result<()> {
        let upload = UploadToken::decode(token)?;
        self.client.abort(&upload.key, &upload.upload).await?;
        self.hidden.forget(&upload);
        Ok(())
    }

    async fn release(&self, version: VersionId, key: &ObjectKey) -> Result<()> {
        self.release_version(version, key).await
    }

    async fn leftovers(&self) -> Result<Vec<StagedToken>> {
        let uploads = match self.client.list_uploads(self.keys.beginning()).await {
            Ok(uploads) => uploads,
            Err(error) if error.kind() == Kind::Unsupported => {
                tracing::warn!(
                    "the storage service cannot list uploads: what a crash leaves there stays"
                );
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        uploads
            .into_iter()
            .map(|upload| {
                UploadToken {
                    key: upload.key,
                    upload: upload.upload_id,
                }
                .encode()
            })
            .collect()
    }

    async fn set_envelope(
        &self,
        version: VersionId,
        key: &ObjectKey,
        identity: &str,
        envelope: &Envelope,
    ) -> Result<()> {
        self.rewrap(version, key, identity, envelope).await
    }

    async fn space(&self) -> Result<Space> {
        Ok(Space {
            total_bytes: SPACE_BYTES,
            free_bytes: SPACE_BYTES,
            total_files: SPACE_FILES,
            free_files: SPACE_FILES,
        })
    }
}

/// What the store answers if the object is another one than a moment ago, or none.
fn has_changed(error: &Error) -> bool {
    matches!(error.kind(), Kind::Conflict | Kind::NotFound)
}
