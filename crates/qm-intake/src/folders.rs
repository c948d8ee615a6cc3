//! Making, removing and renaming folders. Folders hold no bytes, so nothing can be lost: the
//! audit record comes first, then the change.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::Shared;
use crate::mailbox::AccountMailbox;
use crate::names::gone;
use crate::refusal::Act;
use qm_core::account::{Account, Verb};
use qm_core::name::{MailboxPath, ObjectKey};
use qm_core::ports::bucket::{Bucket, EntryKind, FolderChange};
use qm_core::{Error, Kind, Result};

/// A change of a name on a disk takes milliseconds; behind a long copy of an object store nobody
/// queues.
const FOLDER_WAIT: Duration = Duration::from_secs(2);

impl AccountMailbox {
    pub(crate) async fn make_one_folder(&self, path: &MailboxPath, act: &Act) -> Result<()> {
        let account = self.account()?;
        let bucket = self.bucket(&account)?;
        if bucket.stat(&account.mailbox.folder(path)?).await?.is_some() {
            return Err(Error::new(
                Kind::AlreadyExists,
                "that name is already taken",
            ));
        }
        account.check(Verb::Mkdir)?;
        let key = Self::object(&account, path)?.key;
        self.change_folder(&account, FolderChange::Make(key), act)
            .await
    }

    pub(crate) async fn remove_one_folder(&self, path: &MailboxPath, act: &Act) -> Result<()> {
        let account = self.account()?;
        account.check(Verb::Delete)?;
        if path.is_root() {
            return Err(Error::new(
                Kind::Refused,
                "your own folder cannot be removed",
            ));
        }
        let entry = self
            .bucket(&account)?
            .stat(&account.mailbox.folder(path)?)
            .await?
            .ok_or_else(gone)?;
        if entry.kind != EntryKind::Folder {
            return Err(Error::new(Kind::Conflict, "that name is a file"));
        }
        let key = Self::object(&account, path)?.key;
        self.change_folder(&account, FolderChange::Remove(key), act)
            .await
    }

    pub(crate) async fn rename_folder(
        &self,
        account: &Account,
        from: ObjectKey,
        to: ObjectKey,
        act: &Act,
    ) -> Result<()> {
        account.check(Verb::Rename)?;
        self.change_folder(account, FolderChange::Rename { from, to }, act)
            .await
    }

    async fn change_folder(
        &self,
        account: &Account,
        change: FolderChange,
        act: &Act,
    ) -> Result<()> {
        let bucket = self.bucket(account)?;
        // A file must not be published into a folder that goes away at the same moment. Whoever waits
        // for all names holds up everybody else's, so it is not for long.
        let _all_names = match &change {
            FolderChange::Make(_) | FolderChange::MakeAll(_) => None,
            FolderChange::Remove(_) | FolderChange::Rename { .. } => {
                let names = self.shared.locks.folders(&account.mailbox.bucket);
                let held = tokio::time::timeout(FOLDER_WAIT, names).await;
                Some(held.map_err(|_| {
                    Error::new(
                        Kind::Unavailable,
                        "files of this folder are busy; please try again later",
                    )
                    .during("wait for all names of a bucket")
                })?)
            }
        };
        self.shared.allowed(act).await?;
        self.shared.change_folder(&*bucket, change).await
    }
}

impl Shared {
    /// Whatever comes of it, nothing relies on what names showed before.
    pub(crate) async fn change_folder(
        &self,
        bucket: &dyn Bucket,
        change: FolderChange,
    ) -> Result<()> {
        let changed = bucket.change_folder(change).await;
        self.folder_changes.fetch_add(1, Ordering::SeqCst);
        changed
    }
}
