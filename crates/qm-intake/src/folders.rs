//! Making, removing and renaming folders. Folders hold no bytes, so nothing can be lost: the
//! audit record comes first, then the change.

use crate::mailbox::AccountMailbox;
use crate::names::gone;
use crate::refusal::Act;
use qm_core::account::{Account, Verb};
use qm_core::name::{MailboxPath, ObjectKey};
use qm_core::ports::bucket::{EntryKind, FolderChange};
use qm_core::{Error, Kind, Result};

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
        // A file must not be published into a folder that goes away at the same moment.
        let _all_names = self.shared.locks.folders(&account.mailbox.bucket).await;
        self.shared.allowed(act).await?;
        bucket.change_folder(change).await
    }
}
