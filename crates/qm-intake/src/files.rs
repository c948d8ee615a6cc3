//! Looking at, reading, removing and renaming files.

use crate::mailbox::AccountMailbox;
use crate::names::{Wanted, file_at, gone};
use crate::refusal::Act;
use qm_core::Result;
use qm_core::account::{Account, Verb};
use qm_core::arrival::Cause;
use qm_core::name::{MailboxPath, ObjectKey, ObjectPath};
use qm_core::operation::Change;
use qm_core::ports::bucket::{Attributes, Bucket, Content, Entry, EntryKind, Listing, Place};
use qm_core::ports::mailbox::Existing;
use qm_core::temp_name;

/// Permissions shown for a file that is not published yet.
const UNPUBLISHED_MODE: u32 = 0o640;

impl AccountMailbox {
    pub(crate) async fn entry(&self, path: &MailboxPath) -> Result<Entry> {
        let account = self.account()?;
        let folder = account.mailbox.folder(path)?;
        if let Some(entry) = self.bucket(&account)?.stat(&folder).await? {
            return Ok(entry);
        }
        let object = Self::object(&account, path)?;
        let size_bytes = match self.shared.open.received_bytes(&self.account, &object) {
            Some(size_bytes) => size_bytes,
            None => self.partial(&object).await?.ok_or_else(gone)?.size_bytes,
        };
        Ok(Entry {
            name: object.key.file_name().to_owned(),
            kind: EntryKind::File,
            size_bytes,
            modified: self.shared.now(),
            mode: UNPUBLISHED_MODE,
        })
    }

    pub(crate) async fn listing(&self, path: &MailboxPath) -> Result<Box<dyn Listing>> {
        let account = self.account()?;
        account.check(Verb::List)?;
        self.bucket(&account)?
            .list(&account.mailbox.folder(path)?)
            .await
    }

    pub(crate) async fn open_for_reading(&self, path: &MailboxPath) -> Result<Box<dyn Content>> {
        let account = self.account()?;
        account.check(Verb::Read)?;
        let object = Self::object(&account, path)?;
        self.bucket(&account)?.open(&object.key).await
    }

    pub(crate) async fn change_attributes(
        &self,
        path: &MailboxPath,
        attributes: Attributes,
        act: &Act,
    ) -> Result<()> {
        let account = self.account()?;
        account.check(Verb::Write)?;
        let folder = account.mailbox.folder(path)?;
        let bucket = self.bucket(&account)?;
        bucket.stat(&folder).await?.ok_or_else(gone)?;
        self.shared.allowed(act).await?;
        bucket.set_attributes(&folder, attributes).await
    }

    pub(crate) async fn remove_file(&self, path: &MailboxPath, act: &Act) -> Result<()> {
        let account = self.account()?;
        let object = Self::object(&account, path)?;
        let bucket = self.bucket(&account)?;
        self.check_removal(&account, &*bucket, &object).await?;
        if file_at(&*bucket, &object.key).await?.is_none() {
            return self.discard_partial(&object, &*bucket).await;
        }
        let wanted = Wanted {
            path: object,
            change: Change::Remove,
            version: None,
            existing: Existing::Replace,
            arrival: None,
            content_of: None,
            account: Some(self.account.clone()),
            act: act.clone(),
        };
        self.shared.change_name(wanted).await
    }

    pub(crate) async fn rename_any(
        &self,
        from: &MailboxPath,
        to: &MailboxPath,
        existing: Existing,
        act: &Act,
    ) -> Result<()> {
        let account = self.account()?;
        let bucket = self.bucket(&account)?;
        let (source, target) = (Self::object(&account, from)?, Self::object(&account, to)?);
        let entry = bucket
            .stat(&account.mailbox.folder(from)?)
            .await?
            .ok_or_else(gone)?;
        if source == target {
            return Ok(());
        }
        if entry.kind == EntryKind::Folder {
            return self
                .rename_folder(&account, source.key, target.key, act)
                .await;
        }
        let arrival = Self::check_rename(&account, &source.key, &target.key)?;
        let replaced = bucket.stat(&account.mailbox.folder(to)?).await?;
        if replaced.is_some() && arrival.is_some() && existing == Existing::Replace {
            account.check(Verb::Overwrite)?;
        }
        let may_replace = arrival.is_none() || account.may.contains(&Verb::Overwrite);
        let content_of = arrival
            .filter(|_| account.types.is_some())
            .map(|_| target.key.file_name().to_owned());
        let wanted = Wanted {
            path: source,
            change: Change::Rename { to: target.key },
            version: None,
            existing: if may_replace {
                existing
            } else {
                Existing::Refuse
            },
            arrival,
            content_of,
            account: Some(self.account.clone()),
            act: act.clone(),
        };
        self.shared.change_name(wanted).await
    }

    /// Rights and type of a rename, and what arrives by it.
    fn check_rename(account: &Account, from: &ObjectKey, to: &ObjectKey) -> Result<Option<Cause>> {
        let extra = &account.temp_suffixes;
        let from_temp = temp_name::is_temp(from.file_name(), extra);
        let to_final = temp_name::final_name(to.file_name(), extra);
        account.check(if from_temp { Verb::Write } else { Verb::Rename })?;
        if !from_temp && to_final.is_some() {
            // Under a temp name it could be removed without the right to delete.
            account.check(Verb::Delete)?;
        }
        account.check_type(to_final.unwrap_or_else(|| to.file_name()))?;
        Ok(match (to_final, from_temp) {
            (Some(_), _) => None,
            (None, true) => Some(Cause::Upload),
            (None, false) => Some(Cause::Rename),
        })
    }

    /// Whoever may delete may; an own temp file may go with `write`; and clients that replace a
    /// file remove it right before they rename the temp file they uploaded to its name.
    async fn check_removal(
        &self,
        account: &Account,
        bucket: &dyn Bucket,
        object: &ObjectPath,
    ) -> Result<()> {
        let denied = match account.check(Verb::Delete) {
            Ok(()) => return Ok(()),
            Err(denied) => denied,
        };
        let name = object.key.file_name();
        let may_write = account.may.contains(&Verb::Write);
        if may_write && temp_name::is_temp(name, &account.temp_suffixes) {
            return Ok(());
        }
        if may_write && account.may.contains(&Verb::Overwrite) {
            for candidate in temp_name::candidates(name, &account.temp_suffixes) {
                let Ok(sibling) = object.key.with_file_name(&candidate) else {
                    continue;
                };
                let sibling = bucket.stat(&sibling.as_prefix()).await?;
                if sibling.is_some_and(|s| s.kind == EntryKind::File && s.size_bytes > 0) {
                    return Ok(());
                }
            }
        }
        Err(denied)
    }

    pub(crate) async fn partial(
        &self,
        object: &ObjectPath,
    ) -> Result<Option<qm_core::arrival::Partial>> {
        if !self.shared.open.may_have_broken_off(&self.account, object) {
            return Ok(None);
        }
        let found = self.shared.parts.ledger.find(&self.account, object).await?;
        if found.is_none() {
            // Its time has run out.
            self.shared.open.take_broken_off(&self.account, object);
        }
        Ok(found)
    }

    /// Forgets what broke off under this name; `NotFound` if nothing did.
    pub(crate) async fn discard_partial(
        &self,
        object: &ObjectPath,
        bucket: &dyn Bucket,
    ) -> Result<()> {
        let partial = self.partial(object).await?.ok_or_else(gone)?;
        if self.shared.open.take_broken_off(&self.account, object) {
            bucket.discard(partial.version, Place::Staging).await?;
            self.shared.parts.ledger.forget(partial.version).await?;
        }
        Ok(())
    }
}
