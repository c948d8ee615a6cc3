//! The one way in: what a front may ask on behalf of an authenticated account. Policy, staging,
//! name operations and audit are behind it; protocols are in front of it.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use std::net::IpAddr;
use std::sync::Arc;

use super::access::Principal;
use super::bucket::{Attributes, Chunk, Content, Entry, Listing, Rewrapped, Space};
use crate::audit::Activity;
use crate::id::{Sha256Digest, VersionId};
use crate::name::MailboxPath;
use crate::{Error, Kind, Result};

/// Opens mailboxes.
#[async_trait]
pub trait Mailboxes: Send + Sync {
    /// The mailbox of a proven account, for one session from `source`.
    async fn open(&self, principal: &Principal, source: IpAddr) -> Result<Arc<dyn Mailbox>>;

    /// What an operator of this machine sees: every bucket as a folder of the root, and all that is
    /// in it. No account's rights apply; everything that is done is recorded under the Unix user
    /// `operator`. An upload that is abandoned is discarded: nobody resumes it.
    async fn open_operator(&self, operator: &str) -> Result<Arc<dyn Mailbox>>;
}

/// What one account can do with its files. Every method checks the account's rights as they are
/// in the running revision at that moment, and records what it refuses.
#[async_trait]
pub trait Mailbox: Send + Sync {
    /// What a client's path names.
    fn locate(&self, path: &[u8]) -> Result<MailboxPath> {
        MailboxPath::parse(path)
    }

    /// A client's path in canonical form, as the client sees it: `..` does not leave the mailbox.
    fn real_path(&self, path: &[u8]) -> Result<String> {
        MailboxPath::parse_clamped(path).map(|path| path.to_string())
    }

    /// [`Mailbox::locate`], with what it is wanted for: whoever records refusals records that of a
    /// path.
    async fn resolve(&self, path: &[u8], _activity: Activity) -> Result<MailboxPath> {
        self.locate(path)
    }

    /// What is under a name; `NotFound` if nothing. Tells the truth at all times: an upload of
    /// this account in progress or broken off shows with the bytes received.
    async fn stat(&self, path: &MailboxPath) -> Result<Entry>;

    /// Begins a listing of a folder.
    async fn list(&self, path: &MailboxPath) -> Result<Box<dyn Listing>>;

    /// Opens a file for reading.
    async fn read(&self, path: &MailboxPath) -> Result<Box<dyn Content>>;

    /// Opens a file for writing. Everything that can be refused is refused here: most clients
    /// report no later error.
    async fn write(&self, path: &MailboxPath, options: WriteOptions) -> Result<Box<dyn Upload>>;

    /// Sets modification time and permissions; `NotFound` if nothing is there.
    async fn set_attributes(&self, path: &MailboxPath, attributes: Attributes) -> Result<()>;

    /// Removes a file.
    async fn remove(&self, path: &MailboxPath) -> Result<()>;

    /// Gives a file or an empty folder another name.
    async fn rename(&self, from: &MailboxPath, to: &MailboxPath, existing: Existing) -> Result<()>;

    /// Makes a folder; `AlreadyExists` if something is there.
    async fn make_folder(&self, path: &MailboxPath) -> Result<()>;

    /// Removes an empty folder.
    async fn remove_folder(&self, path: &MailboxPath) -> Result<()>;

    /// The space behind the mailbox.
    async fn space(&self) -> Result<Space>;

    /// The versions of a name, the current one first, then those that are kept, newest first;
    /// `NotFound` if there is none. For operators only.
    async fn versions(&self, path: &MailboxPath) -> Result<Vec<VersionEntry>> {
        let _ = path;
        Err(for_operators())
    }

    /// Brings a kept version back under its name; what is current there is kept in its place. For
    /// operators only.
    async fn restore(&self, path: &MailboxPath, version: VersionId) -> Result<()> {
        let _ = (path, version);
        Err(for_operators())
    }

    /// See [`super::bucket::Bucket::rewrap`], for the bucket that `path` names. For operators only.
    async fn rewrap(&self, path: &MailboxPath) -> Result<Rewrapped> {
        let _ = path;
        Err(for_operators())
    }
}

/// One version of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VersionEntry {
    /// The version.
    pub id: VersionId,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Digest of the bytes.
    pub sha256: Sha256Digest,
    /// When its bytes were complete.
    pub received_at: Timestamp,
    /// Where it stands.
    pub state: VersionState,
}

/// Where a version of a name stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum VersionState {
    /// The name shows it.
    Current,
    /// It was superseded or removed.
    Kept {
        /// When.
        since: Timestamp,
    },
}

fn for_operators() -> Error {
    Error::new(
        Kind::Refused,
        "versions are shown and restored by the operators of this server",
    )
}

/// What a rename does to a file that has the new name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Existing {
    /// The rename fails.
    Refuse,
    /// It is replaced.
    Replace,
}

/// How a file is opened for writing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one per flag of the protocols, all combinations occur"
)]
pub struct WriteOptions {
    /// Make it if it is not there; otherwise its absence is `NotFound`.
    pub create: bool,
    /// It must not be there.
    pub exclusive: bool,
    /// Begin empty. Without it the first write decides: at 0 the file is replaced, at the end of
    /// what is there it is continued, elsewhere it is changed in a copy.
    pub truncate: bool,
    /// Offsets are ignored, every write goes to the end.
    pub append: bool,
    /// The handle is also read from: needs the right to read if a file is there.
    pub read: bool,
    /// The client says how large it will be.
    pub size_hint: Option<u64>,
    /// Attributes the client wants it to have.
    pub attributes: Attributes,
}

/// An open write handle. Dropped without [`Upload::commit`] or [`Upload::abandon`], what was
/// received is lost.
#[async_trait]
pub trait Upload: Send + Sync {
    /// What the handle shows now.
    fn stat(&self) -> Entry;

    /// Writes chunks; `Ok` means accepted, not durable. After an error the upload is failed: no
    /// later call succeeds.
    async fn write(&mut self, chunks: Vec<Chunk>) -> Result<()>;

    /// Reads back what was written (or, on a continued file, what is there).
    async fn read(&mut self, offset: u64, length: u32) -> Result<Bytes>;

    /// Sets the size: 0 empties, less cuts, more is refused at commit unless written.
    async fn set_size(&mut self, size_bytes: u64) -> Result<()>;

    /// Sets attributes the file will have.
    async fn set_attributes(&mut self, attributes: Attributes) -> Result<()>;

    /// Makes what was received durable, without publishing it.
    async fn flush(&mut self) -> Result<()>;

    /// Publishes: `Ok` means whole, durable and recorded (INV-5). Any error means that nothing
    /// changed under the name.
    async fn commit(self: Box<Self>) -> Result<()>;

    /// The session is lost: keeps what was received for the account to resume.
    async fn abandon(self: Box<Self>);
}
