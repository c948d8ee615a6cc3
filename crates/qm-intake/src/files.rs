//! Looking at, reading, removing and renaming files.

use crate::faults::Refused;
use crate::listing::{Dressing, MailboxListing};
use crate::mailbox::AccountMailbox;
use crate::names::{Wanted, gone};
use crate::open_uploads::is_in;
use crate::refusal::Act;
use crate::screening::RowsOf;
use std::sync::Arc;

use qm_core::account::{Account, Verb};
use qm_core::arrival::Cause;
use qm_core::file_type::FileType;
use qm_core::name::{MailboxPath, ObjectKey, ObjectPath, Prefix};
use qm_core::operation::Change;
use qm_core::ports::bucket::{Attributes, Bucket, Content, Entry, EntryKind, Listing};
use qm_core::ports::look::Look;
use qm_core::ports::mailbox::Existing;
use qm_core::temp_name;
use qm_core::{Error, Kind, Result};

/// Permissions shown for a file that is not published yet.
const UNPUBLISHED_MODE: u32 = 0o640;

impl AccountMailbox {
    pub(crate) async fn entry(&self, path: &MailboxPath) -> Result<Entry> {
        let account = self.account()?;
        let folder = account.mailbox.folder(path)?;
        let bucket = self.bucket(&account)?;
        if path.is_root() {
            return bucket.stat(&folder).await?.ok_or_else(gone);
        }
        let object = Self::object(&account, path)?;
        let look = self.shared.look(&*bucket, &object).await?;
        if look.entry.is_some() {
            return self.with_attributes(&*bucket, &object, look).await;
        }
        let received = self.shared.open.received_bytes(self.holder.name(), &object);
        let size_bytes = if let Some(size_bytes) = received {
            size_bytes
        } else {
            let partial = self.partial(&object).await?.ok_or_else(gone)?;
            partial.parked.size_bytes
        };
        Ok(self.unpublished(object.key.file_name(), size_bytes))
    }

    /// How a file shows that is not under its name yet.
    pub(crate) fn unpublished(&self, name: &str, size_bytes: u64) -> Entry {
        Entry {
            name: name.to_owned(),
            kind: EntryKind::File,
            size_bytes,
            is_sealed: false,
            modified: self.shared.now(),
            mode: UNPUBLISHED_MODE,
        }
    }

    /// The entry with what the ledger keeps for buckets that cannot.
    async fn with_attributes(
        &self,
        bucket: &dyn Bucket,
        object: &ObjectPath,
        look: Look,
    ) -> Result<Entry> {
        let mut entry = look.entry.ok_or_else(gone)?;
        if bucket.keeps_attributes() || entry.kind == EntryKind::Folder {
            return Ok(entry);
        }
        let kept = self.shared.parts.ledger.name_attributes(object).await?;
        if let Some((identity, attributes)) = kept
            && look.identity.as_ref() == Some(&identity)
        {
            crate::listing::dress(&mut entry, attributes);
        }
        Ok(entry)
    }

    pub(crate) async fn listing(&self, path: &MailboxPath) -> Result<Box<dyn Listing>> {
        let account = self.account()?;
        account.check(Verb::List)?;
        let folder = account.mailbox.folder(path)?;
        let bucket = self.bucket(&account)?;
        let listing = bucket.list(&folder).await?;
        let unfinished = self.unfinished_in(&account, &*bucket, &folder).await?;
        let dressing = (!bucket.keeps_attributes()).then(|| Dressing {
            ledger: Arc::clone(&self.shared.parts.ledger),
            bucket: account.mailbox.bucket.clone(),
            folder,
        });
        if unfinished.is_empty() && dressing.is_none() {
            return Ok(listing);
        }
        Ok(Box::new(MailboxListing::new(listing, unfinished, dressing)))
    }

    /// The account's own uploads in a folder that are under way or broke off, where no file has
    /// the name.
    async fn unfinished_in(
        &self,
        account: &Account,
        bucket: &dyn Bucket,
        folder: &Prefix,
    ) -> Result<Vec<Entry>> {
        let whose = self.holder.name();
        let place = &account.mailbox.bucket;
        let mut found = self.shared.open.received_in(whose, place, folder);
        if self.shared.open.has_broken_off_in(whose, place, folder) {
            let partials = self.shared.parts.ledger.partials().await?;
            found.extend(
                partials
                    .into_iter()
                    .filter(|partial| partial.account == *whose)
                    .filter(|partial| is_in(&partial.path, place, folder))
                    .map(|partial| (partial.path.key, partial.parked.size_bytes)),
            );
        }
        let mut entries = Vec::with_capacity(found.len());
        for (key, size_bytes) in found {
            if bucket.stat(&key.as_prefix()).await?.is_none() {
                entries.push(self.unpublished(key.file_name(), size_bytes));
            }
        }
        Ok(entries)
    }

    pub(crate) async fn open_for_reading(&self, path: &MailboxPath) -> Result<Box<dyn Content>> {
        let account = self.account()?;
        account.check(Verb::Read)?;
        let object = Self::object(&account, path)?;
        match self.bucket(&account)?.open(&object.key).await {
            Err(error) if error.kind() == Kind::NotFound => {
                let unpublished = self.refused_to_read(&object).await?;
                Err(unpublished.unwrap_or(error))
            }
            opened => opened,
        }
    }

    /// Why the account cannot read what it sees under a name that shows no file yet.
    async fn refused_to_read(&self, object: &ObjectPath) -> Result<Option<Error>> {
        let received = self.shared.open.received_bytes(self.holder.name(), object);
        let sentence = if received.is_some() {
            "this file is still being uploaded; it can be read when it is complete"
        } else if self.partial(object).await?.is_some() {
            "the upload of this file broke off; it can be read when the rest of it was sent"
        } else {
            return Ok(None);
        };
        Ok(Some(Error::new(Kind::Refused, sentence)))
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
        match folder.as_key() {
            Some(key) if !bucket.keeps_attributes() => {
                let object = ObjectPath {
                    bucket: account.mailbox.bucket.clone(),
                    key,
                };
                self.shared
                    .set_attributes(&*bucket, &object, attributes)
                    .await
            }
            Some(_) | None => bucket.set_attributes(&folder, attributes).await,
        }
    }

    pub(crate) async fn remove_file(&self, path: &MailboxPath, act: &Act) -> Result<()> {
        let account = self.account()?;
        let object = Self::object(&account, path)?;
        let bucket = self.bucket(&account)?;
        self.check_removal(&account, &*bucket, &object).await?;
        let look = self.shared.look(&*bucket, &object).await?;
        if look.file()?.is_none() {
            return self.discard_partial(&object, &*bucket).await;
        }
        let is_temp = temp_name::is_temp(object.key.file_name(), &account.temp_suffixes);
        let wanted = Wanted {
            path: object,
            change: Change::Remove,
            version: None,
            opened: None,
            existing: Existing::Replace,
            arrival: None,
            departs: !is_temp,
            content_of: None,
            rows_of: None,
            account: self.holder.recorded(),
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
        let look = self.shared.look(&*bucket, &source).await?;
        let entry = look.entry.ok_or_else(gone)?;
        if source == target {
            return Ok(());
        }
        if entry.kind == EntryKind::Folder {
            return self
                .rename_folder(&account, source.key, target.key, act)
                .await;
        }
        let arrival = Self::check_rename(&account, &source.key, &target.key)?;
        let replaced = self.shared.look(&*bucket, &target).await?.entry;
        if replaced.is_some() && arrival.is_some() && existing == Existing::Replace {
            account.check(Verb::Overwrite)?;
        }
        let may_replace = arrival.is_none() || account.may.contains(&Verb::Overwrite);
        let content_of = content_to_check(&account, &*bucket, &source.key, &target.key)?
            .filter(|_| arrival.is_some());
        // What has a temp name was never delivered.
        let is_temp = temp_name::is_temp(source.key.file_name(), &account.temp_suffixes);
        let rows_of = rows_to_check(&account, &*bucket, &source.key, &target.key)?
            .filter(|_| arrival.is_some());
        let faults = rows_of.as_ref().map(|rows| Arc::clone(&rows.faults));
        let begun = self.shared.parts.identifiers.version(self.shared.now());
        let (arrives, name) = (arrival.is_some(), source.key.file_name().to_owned());
        let wanted = Wanted {
            path: source,
            change: Change::Rename {
                to: target.key.clone(),
            },
            version: None,
            opened: None,
            existing: if may_replace {
                existing
            } else {
                Existing::Refuse
            },
            arrival,
            departs: !is_temp,
            content_of,
            rows_of,
            account: self.holder.recorded(),
            act: act.clone(),
        };
        // Before the names are taken that others may wait for.
        let turn = match &wanted.rows_of {
            Some(rows) if rows.is_of_workbook() => {
                Some(self.shared.turns.take(self.holder.recorded()).await)
            }
            Some(_) | None => None,
        };
        let renamed = self.shared.change_name(wanted).await;
        drop(turn);
        if renamed.is_ok() && arrives {
            self.shared
                .forget_faults(&account, &bucket, &target, &self.holder, act)
                .await;
        } else if let Some(report) = faults.as_ref().and_then(|faults| faults.get()) {
            let refused = Refused {
                account: &account,
                holder: &self.holder,
                bucket: &bucket,
                path: target,
                fate: format!("the file keeps the name {name}"),
                begun,
                act,
            };
            self.shared.tell_faults(refused, report).await;
        }
        renamed
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
        if !self
            .shared
            .open
            .may_have_broken_off(self.holder.name(), object)
        {
            return Ok(None);
        }
        let found = self
            .shared
            .parts
            .ledger
            .find(self.holder.name(), object)
            .await?;
        if found.is_none() {
            // Its time has run out.
            self.shared.open.take_broken_off(self.holder.name(), object);
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
        if self.shared.open.take_broken_off(self.holder.name(), object) {
            if let Some(token) = partial.parked.bytes() {
                bucket.discard(token).await?;
            }
            self.shared.parts.ledger.forget(partial.version).await?;
        }
        Ok(())
    }
}

/// The name whose promise the content must be checked against. Where an upload under a temp name
/// cannot be read, that was done when it was closed, for the type its name told: it keeps that type
/// under every name it gets.
fn content_to_check(
    account: &Account,
    bucket: &dyn Bucket,
    from: &ObjectKey,
    to: &ObjectKey,
) -> Result<Option<String>> {
    if account.types.is_none() {
        return Ok(None);
    }
    let final_name = |key: &ObjectKey| {
        temp_name::final_name(key.file_name(), &account.temp_suffixes).map(str::to_owned)
    };
    let (from_final, to_final) = (final_name(from), final_name(to));
    if !bucket.needs_token() || (from_final.is_none() && to_final.is_none()) {
        return Ok(Some(to.file_name().to_owned()));
    }
    let told = from_final.as_deref().unwrap_or_else(|| from.file_name());
    let asked = to_final.as_deref().unwrap_or_else(|| to.file_name());
    if FileType::of(told) == FileType::of(asked) {
        return Ok(None);
    }
    Err(another_kind("content"))
}

/// What the rows must be checked against. Under a temp name that was done
/// when the upload was closed, by what its final name has declared.
fn rows_to_check(
    account: &Account,
    bucket: &dyn Bucket,
    from: &ObjectKey,
    to: &ObjectKey,
) -> Result<Option<Box<RowsOf>>> {
    let asked = to.file_name();
    let told = temp_name::final_name(from.file_name(), &account.temp_suffixes);
    let Some(declaration) = account.declared(asked) else {
        return Ok(None);
    };
    match told {
        Some(told) if account.declared(told) == Some(declaration) => Ok(None),
        Some(_) if bucket.needs_token() => Err(another_kind("rows")),
        Some(_) | None => Ok(Some(Box::new(RowsOf {
            name: asked.to_owned(),
            declaration: declaration.clone(),
            faults: Arc::default(),
        }))),
    }
}

fn another_kind(rule: &str) -> Error {
    Error::new(
        Kind::Refused,
        "this file was sent as another kind of file; please send it again under its own name",
    )
    .with("rule", rule)
}
