//! A bucket: where objects are. What is under a name is decided here and nowhere else.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use super::deposit::{Deposit, Put, StoredObject};
use super::encryption::Envelope;
use super::ledger::KeptVersion;
use super::look::{Likely, Look};
use crate::id::{BucketName, Sha256Digest, VersionId};
use crate::name::{ObjectKey, ObjectPath, Prefix};
use crate::operation::{Operation, StagedToken, Version};
use crate::{Error, Kind, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The buckets of the running revision, by name.
pub trait Buckets: Send + Sync {
    /// The bucket of that name, if the running revision has it.
    fn get(&self, name: &BucketName) -> Option<Arc<dyn Bucket>>;
}

impl Buckets for BTreeMap<BucketName, Arc<dyn Bucket>> {
    fn get(&self, name: &BucketName) -> Option<Arc<dyn Bucket>> {
        Self::get(self, name).cloned()
    }
}

/// One bucket.
#[async_trait]
pub trait Bucket: Send + Sync {
    /// Begins a version: empty staged bytes where publishing them moves no byte.
    async fn stage(&self, staging: Staging) -> Result<Box<dyn Staged>>;

    /// The bytes that [`Staged::keep_contiguous`] kept, if they are still there; what lies behind
    /// them is cut off. `Ok(None)` if the upload must begin anew.
    async fn resume(&self, staging: Staging, parked: &Parked) -> Result<Option<Box<dyn Staged>>>;

    /// A version that the ledger knows under a temp name: told before the first operation after a
    /// start, so that a bucket which shows no object under such names answers for it.
    async fn remember(&self, path: &ObjectPath, version: &Version) -> Result<()>;

    /// True if staged bytes can only be found again with their token: then [`Version::staged`]
    /// carries it until they are under a name, and an upload under a temp name is no object yet.
    fn needs_token(&self) -> bool {
        false
    }

    /// True if [`Bucket::set_attributes`] changes what is stored; otherwise the ledger keeps
    /// attributes (see [`crate::ports::ledger::NameAttributes`]).
    fn keeps_attributes(&self) -> bool {
        true
    }

    /// Runs a recorded name operation. When it returns `Ok` the change is durable. Idempotent:
    /// after a crash at any instant, running it again completes it. The caller holds the locks of
    /// the keys.
    async fn run(&self, operation: &Operation) -> Result<()>;

    /// [`Bucket::run`], once, of an operation that was decided on this look at the key it lands on:
    /// what the change itself can depend on need not be looked at again. Whatever changed since the
    /// look, the outcome is that of [`Bucket::run`].
    async fn run_after(&self, look: &Look, operation: &Operation) -> Result<()> {
        let _ = look;
        self.run(operation).await
    }

    /// Makes staged bytes ([`Staging::deposit`]) the object under a key: at once, whole, folders
    /// made, durable when it returns. It is a file as others put them there: nobody recorded the
    /// change, and nothing of ours is kept aside for it. `Conflict` if the name shows something else
    /// than [`Put::replaces`]. Idempotent.
    async fn put(&self, put: Put<'_>) -> Result<()> {
        Err(no_deposits().with("key", put.key))
    }

    /// [`Bucket::put`] without staged bytes: the store copies by itself. `Ok(false)` if it cannot;
    /// then nothing has changed.
    async fn put_copy(&self, source: &StoredObject, put: Put<'_>) -> Result<bool> {
        let _ = (source, put);
        Ok(false)
    }

    /// Takes away what a delivery put under a key, if the name still shows the file with that identity;
    /// false if it shows another or none. Durable when it returns; nothing of ours is kept aside.
    async fn withdraw(&self, key: &ObjectKey, identity: &str) -> Result<bool> {
        let _ = identity;
        Err(no_deposits().with("key", key))
    }

    /// What is under a name: a file, a folder, or nothing.
    async fn stat(&self, path: &Prefix) -> Result<Option<Entry>>;

    /// How the bucket recognises the file under a key (see
    /// [`crate::operation::Version::identity`]); `None` if there is no file.
    async fn identity(&self, key: &ObjectKey) -> Result<Option<String>>;

    /// [`Bucket::stat`] and [`Bucket::identity`] in one.
    async fn look(&self, key: &ObjectKey, likely: Likely) -> Result<Look> {
        let _ = likely;
        let entry = self.stat(&key.as_prefix()).await?;
        let identity = match &entry {
            Some(entry) if entry.kind == EntryKind::File => self.identity(key).await?,
            Some(_) | None => None,
        };
        Ok(Look {
            entry,
            identity,
            state: None,
        })
    }

    /// True if files can be put into the folder: it is there. A store may answer what was so a
    /// moment ago, unless the folder was removed through this very bucket since.
    async fn has_folder(&self, folder: &Prefix) -> Result<bool> {
        let entry = self.stat(folder).await?;
        Ok(entry.is_some_and(|entry| entry.kind == EntryKind::Folder))
    }

    /// Begins a listing of a folder. Fails with `NotFound` if there is none.
    async fn list(&self, folder: &Prefix) -> Result<Box<dyn Listing>>;

    /// Opens the current object under a key.
    async fn open(&self, key: &ObjectKey) -> Result<Box<dyn Content>>;

    /// Opens the bytes of a version, wherever they are now: kept aside, or current under `key`
    /// (recognised by `identity`). `NotFound` if they are gone.
    async fn open_version(
        &self,
        version: VersionId,
        key: &ObjectKey,
        identity: &str,
    ) -> Result<Box<dyn Content>>;

    /// Sets modification time and permissions of what is under a name.
    async fn set_attributes(&self, path: &Prefix, attributes: Attributes) -> Result<()>;

    /// Makes, removes or renames a folder; only empty folders are removed or renamed.
    async fn change_folder(&self, change: FolderChange) -> Result<()>;

    /// Removes staged bytes; `Ok` if there are none.
    async fn discard(&self, token: &StagedToken) -> Result<()>;

    /// Removes the bytes of a version that was superseded or removed under `key`, but never what is
    /// current there; `Ok` if there are none.
    async fn release(&self, version: VersionId, key: &ObjectKey) -> Result<()>;

    /// Staged bytes that were left behind, whoever they belong to.
    async fn leftovers(&self) -> Result<Vec<StagedToken>>;

    /// Replaces the envelope of a stored version (current under `key`, or kept); its bytes stay.
    async fn set_envelope(
        &self,
        version: VersionId,
        key: &ObjectKey,
        identity: &str,
        envelope: &Envelope,
    ) -> Result<()>;

    /// Gives every stored version, those under names and those in `kept`, an envelope of the newest
    /// generation of its encryption key. Bytes are not touched, readers not disturbed; each name is
    /// held meanwhile, because an object store writes it again. One
    /// version's failure does not stop the walk; `Err` is a folder that cannot be listed.
    /// Idempotent. A bucket that seals nothing has nothing to do.
    async fn rewrap(&self, kept: &[KeptVersion], names: &dyn HoldNames) -> Result<Rewrapped> {
        let _ = (kept, names);
        Ok(Rewrapped::default())
    }

    /// The size of the file system and what is free.
    async fn space(&self) -> Result<Space>;
}

/// Keeps names from changing.
#[async_trait]
pub trait HoldNames: Send + Sync {
    /// No name operation runs on the key until what is returned is dropped.
    async fn hold(&self, key: &ObjectKey) -> Box<dyn Send>;
}

/// What [`Bucket::rewrap`] did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rewrapped {
    /// Sealed versions that were looked at.
    pub checked: u64,
    /// Those that got another envelope.
    pub changed: u64,
    /// Those that could not be changed.
    pub failed: u64,
    /// The last failure: key and reason.
    pub last_failure: Option<String>,
}

/// What a version is staged for.
#[derive(Clone, Debug)]
pub struct Staging {
    /// The version.
    pub version: VersionId,
    /// The name the upload has now.
    pub key: ObjectKey,
    /// The name it will have in the end, as far as a temp name tells; `key` otherwise.
    pub final_key: ObjectKey,
    /// How long it will be, if the client said so.
    pub size_hint: Option<u64>,
    /// How its bytes are sealed, stored with them; `None` for bytes in clear.
    pub envelope: Option<Envelope>,
    /// Who digests the bytes.
    pub digest: DigestBy,
    /// For bytes that a delivery puts there. What an earlier attempt staged as the same version is
    /// replaced.
    pub deposit: Option<Deposit>,
}

/// Who digests the bytes of a version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DigestBy {
    /// The bucket: [`Sealed::sha256`] is that of the staged bytes.
    Bucket,
    /// The caller, who seals them and knows what they were: [`Sealed::sha256`] means nothing.
    Caller,
}

/// Staged bytes that wait for another session. Without any ([`Parked::nothing`]), only that an
/// upload broke off is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parked {
    /// Where they are.
    pub token: StagedToken,
    /// How many there are.
    pub size_bytes: u64,
    /// What the bucket needs besides to go on with them; only the bucket reads it.
    pub state: Option<String>,
}

impl Parked {
    /// No bytes, nowhere.
    pub fn nothing() -> Self {
        Self {
            token: StagedToken(String::new()),
            size_bytes: 0,
            state: None,
        }
    }

    /// Where the bytes are; `None` if there are none.
    pub fn bytes(&self) -> Option<&StagedToken> {
        Some(&self.token).filter(|token| !token.0.is_empty())
    }
}

/// Staged bytes of one version.
#[async_trait]
pub trait Staged: Send + Sync {
    /// Its version.
    fn version(&self) -> VersionId;

    /// Where its bytes are, once they are anywhere that outlives this process.
    fn token(&self) -> Option<StagedToken>;

    /// Bytes received so far: the highest written offset.
    fn size_bytes(&self) -> u64;

    /// Writes chunks at their offsets, in any order, overlaps allowed.
    async fn write(&mut self, chunks: Vec<Chunk>) -> Result<()>;

    /// Reads back what was written; short at the end.
    async fn read(&mut self, offset: u64, length: u32) -> Result<Bytes>;

    /// Cuts or extends (with a hole, which [`Staged::seal`] refuses) to `size_bytes`.
    async fn set_size(&mut self, size_bytes: u64) -> Result<()>;

    /// Makes the bytes so far durable.
    async fn flush(&mut self) -> Result<()>;

    /// Cuts off what a later session could not continue (everything behind the first byte that
    /// was never written; on an object store, what fills no part), makes the rest durable and says
    /// what that is. `None` if nothing is left.
    async fn keep_contiguous(&mut self) -> Result<Option<Parked>>;

    /// Makes bytes and staged name durable and says what they are. Fails with `Invalid` and the
    /// offset if a part was never written. May be called again after a write.
    async fn seal(&mut self) -> Result<Sealed>;

    /// Sets attributes that the object will have once published.
    async fn set_attributes(&mut self, attributes: Attributes) -> Result<()>;
}

/// Bytes at an offset.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Where in the file.
    pub offset: u64,
    /// What.
    pub bytes: Bytes,
}

/// What sealed bytes are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sealed {
    /// Length in bytes.
    pub size_bytes: u64,
    /// Digest.
    pub sha256: Sha256Digest,
    /// How the bucket recognises them: see [`crate::operation::Version::identity`].
    pub identity: String,
}

/// Readable bytes that do not change while they are open.
#[async_trait]
pub trait Content: Send + Sync {
    /// Length in bytes.
    fn size_bytes(&self) -> u64;

    /// How the bytes are sealed, if they are.
    fn envelope(&self) -> Option<&Envelope>;

    /// Where the store has exactly these bytes, in clear, if it can copy them by itself. Content
    /// around another's passes it on.
    fn stored(&self) -> Option<StoredObject> {
        None
    }

    /// Up to `length` bytes at `offset`; empty at the end.
    async fn read(&self, offset: u64, length: u32) -> Result<Bytes>;
}

/// A listing in progress.
#[async_trait]
pub trait Listing: Send + Sync {
    /// The next entries in no particular order; `None` at the end. Bounded: a folder of a million
    /// entries is never in memory at once.
    async fn next(&mut self) -> Result<Option<Vec<Entry>>>;

    /// The first of what it passed over so far, because no path can name it: whole, as the store has
    /// it. Told once.
    fn take_unnamed(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// A file or folder as listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Last component; empty for the root.
    pub name: String,
    /// File or folder.
    pub kind: EntryKind,
    /// Length in bytes; 0 for a folder.
    pub size_bytes: u64,
    /// True if the bytes are sealed and `size_bytes` is their sealed length.
    pub is_sealed: bool,
    /// Modification time.
    pub modified: Timestamp,
    /// Permission bits, without type.
    pub mode: u32,
}

/// File or folder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryKind {
    /// A file.
    File,
    /// A folder.
    Folder,
}

/// Attributes to set; `None` leaves as it is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Attributes {
    /// Modification time.
    pub modified: Option<Timestamp>,
    /// Permission bits.
    pub mode: Option<u32>,
}

/// A change of folders. Folders hold no bytes of ours, so it is no name operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FolderChange {
    /// Makes one; its parent must exist.
    Make(ObjectKey),
    /// Makes one and its parents; `Ok` if it is there.
    MakeAll(Prefix),
    /// Removes an empty one.
    Remove(ObjectKey),
    /// Gives an empty one another name.
    Rename {
        /// From.
        from: ObjectKey,
        /// To; must not exist.
        to: ObjectKey,
    },
}

/// Space of the file system below a bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Space {
    /// All.
    pub total_bytes: u64,
    /// Free for us.
    pub free_bytes: u64,
    /// All inodes.
    pub total_files: u64,
    /// Free inodes.
    pub free_files: u64,
}

fn no_deposits() -> Error {
    Error::new(
        Kind::Unsupported,
        "nothing can be delivered into this bucket",
    )
}
