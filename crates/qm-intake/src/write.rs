//! Opening a file for writing: everything that can be refused is refused here, because most
//! clients report no later error.

use std::sync::Arc;

use crate::found::check_folder;
use crate::mailbox::AccountMailbox;
use crate::names::gone;
use crate::open_uploads::OpenUpload;
use crate::refusal::Act;
use crate::screening::Screening;
use crate::upload::{AccountUpload, Start};
use qm_core::account::{Account, Verb};
use qm_core::arrival::Partial;
use qm_core::audit::{Activity, Decision};
use qm_core::name::{MailboxPath, ObjectPath};
use qm_core::ports::bucket::{Attributes, Bucket, DigestBy, Entry, Staged, Staging};
use qm_core::ports::mailbox::{Upload, WriteOptions};
use qm_core::temp_name;
use qm_core::{Error, Kind, Result};

impl AccountMailbox {
    pub(crate) async fn open_for_writing(
        &self,
        path: &MailboxPath,
        options: WriteOptions,
        act: &Act,
    ) -> Result<Box<dyn Upload>> {
        let account = self.account()?;
        let object = Self::object(&account, path)?;
        let bucket = self.bucket(&account)?;
        let final_name = check_name(&account, &object)?;
        let opening = self.shared.opening();
        let existing = self
            .check_place(&account, &*bucket, &object, final_name.as_deref(), options)
            .await?;
        if options.read && existing.is_some() {
            let reading = Act {
                activity: Activity::Open,
                ..act.clone()
            };
            self.shared.allowed(&reading).await?;
        }
        let opened = existing.is_none().then_some(opening);
        let open = OpenUpload::begin(&self.shared, self.holder.name(), &object);
        let (staged, start) = self
            .stage(&*bucket, &object, final_name.as_deref(), existing, options)
            .await?;
        open.received(staged.size_bytes());
        let screening = Screening::begin(
            &account,
            final_name
                .as_deref()
                .unwrap_or_else(|| object.key.file_name()),
            &*bucket,
        );
        let mut upload = AccountUpload {
            shared: Arc::clone(&self.shared),
            holder: self.holder.clone(),
            path: object,
            bucket,
            staged,
            start,
            opened,
            final_name,
            options,
            attributes: Attributes::default(),
            act: act.clone(),
            open,
            screening,
            turn: None,
            has_failed: false,
            is_with_others: false,
        };
        if options.attributes != Attributes::default() {
            upload.set_attributes(options.attributes).await?;
        }
        Ok(Box::new(upload))
    }

    /// The file that is there already, if any, when it may be written.
    async fn check_place(
        &self,
        account: &Account,
        bucket: &dyn Bucket,
        object: &ObjectPath,
        final_name: Option<&str>,
        options: WriteOptions,
    ) -> Result<Option<Entry>> {
        let look = self.shared.look(bucket, object).await?;
        let existing = look.file()?.cloned();
        match &existing {
            Some(_) if options.exclusive => {
                return Err(Error::new(
                    Kind::AlreadyExists,
                    "a file with that name is already there",
                ));
            }
            Some(_) => {
                if final_name.is_none() {
                    account.check(Verb::Overwrite)?;
                }
                if options.read {
                    account.check(Verb::Read)?;
                }
                return Ok(existing);
            }
            None => {}
        }
        let has_partial = self
            .shared
            .open
            .may_have_broken_off(self.holder.name(), object);
        if !options.create && !has_partial {
            return Err(gone());
        }
        check_folder(bucket, &object.key).await?;
        if let Some(final_name) = final_name {
            self.check_final_place(account, bucket, object, final_name)
                .await?;
        }
        Ok(None)
    }

    /// Under a temp name: a final name that could not be given in the end is refused now.
    async fn check_final_place(
        &self,
        account: &Account,
        bucket: &dyn Bucket,
        object: &ObjectPath,
        final_name: &str,
    ) -> Result<()> {
        if account.may.contains(&Verb::Overwrite) {
            return Ok(());
        }
        let final_place = ObjectPath {
            bucket: object.bucket.clone(),
            key: object.key.with_file_name(final_name)?,
        };
        match self.shared.look(bucket, &final_place).await?.entry {
            Some(_) if final_place != *object => account.check(Verb::Overwrite),
            _ => Ok(()),
        }
    }

    /// New staged bytes, or those that broke off earlier.
    async fn stage(
        &self,
        bucket: &dyn Bucket,
        object: &ObjectPath,
        final_name: Option<&str>,
        existing: Option<Entry>,
        options: WriteOptions,
    ) -> Result<(Box<dyn Staged>, Start)> {
        let final_key = match final_name {
            Some(name) => object.key.with_file_name(name)?,
            None => object.key.clone(),
        };
        let staging = |version| Staging {
            version,
            key: object.key.clone(),
            final_key: final_key.clone(),
            size_hint: options.size_hint,
            envelope: None,
            digest: DigestBy::Bucket,
            deposit: None,
        };
        if let Some(partial) = self.partial(object).await? {
            if options.truncate || existing.is_some() {
                self.discard_partial(object, bucket).await?;
            } else if self.shared.open.take_broken_off(self.holder.name(), object) {
                // Its row goes first: nobody may take the bytes for abandoned while they grow.
                self.shared.parts.ledger.forget(partial.version).await?;
                if let Some(staged) = self
                    .resume(bucket, staging(partial.version), partial)
                    .await?
                {
                    return Ok((staged, Start::Resumed));
                }
            }
        }
        let version = self.shared.parts.identifiers.version(self.shared.now());
        let start = match existing {
            Some(entry) if !options.truncate => Start::Existing {
                size_bytes: entry.size_bytes,
            },
            _ => Start::Empty,
        };
        Ok((bucket.stage(staging(version)).await?, start))
    }

    /// What broke off, if it is still there. A store that cannot be asked now has not lost it.
    async fn resume(
        &self,
        bucket: &dyn Bucket,
        staging: Staging,
        partial: Partial,
    ) -> Result<Option<Box<dyn Staged>>> {
        let Some(token) = partial.parked.bytes() else {
            return Ok(None);
        };
        match bucket.resume(staging, &partial.parked).await {
            Ok(Some(staged)) => Ok(Some(staged)),
            Ok(None) => {
                bucket.discard(token).await?;
                Ok(None)
            }
            Err(error) => {
                let shared = &self.shared;
                let act = self.act(Activity::PartialClose, &MailboxPath::default());
                let record = act.record(shared.now(), Decision::Failed(error.chain()));
                let path = partial.path.clone();
                shared.parts.ledger.park(partial, record).await?;
                shared.open.broke_off(self.holder.name(), &path);
                Err(error)
            }
        }
    }
}

/// Name and type rules; the final name when `object` is a temp name.
fn check_name(account: &Arc<Account>, object: &ObjectPath) -> Result<Option<String>> {
    account.check(Verb::Write)?;
    let name = object.key.file_name();
    let final_name = temp_name::final_name(name, &account.temp_suffixes);
    account.check_type(final_name.unwrap_or(name))?;
    Ok(final_name.map(str::to_owned))
}
