//! The operators' mailbox: every bucket is a folder of its root. What is done in it goes the same
//! way as what partners do: staged, recorded, audited.

use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::Shared;
use crate::holder::Holder;
use crate::mailbox::AccountMailbox;
use qm_core::account::{Account, MailboxRoot, Verb};
use qm_core::audit::Activity;
use qm_core::id::{AccountName, BucketName, PartnerName, VersionId};
use qm_core::name::{MailboxPath, ObjectKey, ObjectPath, Prefix};
use qm_core::ports::bucket::{
    Attributes, Content, Entry, EntryKind, HoldNames, Listing, Rewrapped, Space,
};
use qm_core::ports::ledger::KeptVersion;
use qm_core::ports::mailbox::{Existing, Mailbox, Upload, VersionEntry, WriteOptions};
use qm_core::{Error, Kind, Result};

pub(crate) struct OperatorMailbox {
    shared: Arc<Shared>,
    operator: String,
}

impl OperatorMailbox {
    pub(crate) fn new(shared: Arc<Shared>, operator: &str) -> Self {
        Self {
            shared,
            operator: operator.to_owned(),
        }
    }

    /// The bucket's mailbox and the path in it; `None` for the root.
    fn split(&self, path: &MailboxPath) -> Result<Option<(AccountMailbox, MailboxPath)>> {
        let Some((bucket, rest)) = path.split_first() else {
            return Ok(None);
        };
        let known = self.shared.parts.rules.buckets();
        let bucket = known.into_iter().find(|known| known.as_str() == bucket);
        let bucket = bucket.ok_or_else(|| Error::new(Kind::NotFound, "there is no such bucket"))?;
        let mailbox = AccountMailbox {
            shared: Arc::clone(&self.shared),
            holder: Holder::Operator(Arc::new(everything_in(bucket)?)),
            actor: format!("operator:{}", self.operator),
            source: None,
        };
        Ok(Some((mailbox, rest)))
    }

    fn below(&self, path: &MailboxPath) -> Result<(AccountMailbox, MailboxPath)> {
        self.split(path)?
            .ok_or_else(|| Error::new(Kind::Refused, "buckets are made by the configuration"))
    }
}

#[async_trait]
impl Mailbox for OperatorMailbox {
    async fn stat(&self, path: &MailboxPath) -> Result<Entry> {
        match self.split(path)? {
            Some((mailbox, path)) => mailbox.stat(&path).await,
            None => Ok(self.folder("")),
        }
    }

    async fn list(&self, path: &MailboxPath) -> Result<Box<dyn Listing>> {
        if let Some((mailbox, path)) = self.split(path)? {
            return mailbox.list(&path).await;
        }
        let buckets = self.shared.parts.rules.buckets();
        let entries = buckets.iter().map(|name| self.folder(name.as_str()));
        Ok(Box::new(Once(Some(entries.collect()))))
    }

    async fn read(&self, path: &MailboxPath) -> Result<Box<dyn Content>> {
        let (mailbox, path) = self.below(path)?;
        mailbox.read(&path).await
    }

    async fn write(&self, path: &MailboxPath, options: WriteOptions) -> Result<Box<dyn Upload>> {
        let (mailbox, path) = self.below(path)?;
        mailbox.write(&path, options).await
    }

    async fn set_attributes(&self, path: &MailboxPath, attributes: Attributes) -> Result<()> {
        let (mailbox, path) = self.below(path)?;
        mailbox.set_attributes(&path, attributes).await
    }

    async fn remove(&self, path: &MailboxPath) -> Result<()> {
        let (mailbox, path) = self.below(path)?;
        mailbox.remove(&path).await
    }

    async fn rename(&self, from: &MailboxPath, to: &MailboxPath, existing: Existing) -> Result<()> {
        let (mailbox, from) = self.below(from)?;
        let (target, to) = self.below(to)?;
        if mailbox.account()?.mailbox != target.account()?.mailbox {
            return Err(Error::new(
                Kind::Unsupported,
                "a file cannot be moved to another bucket",
            )
            .help("get it and put it there"));
        }
        mailbox.rename(&from, &to, existing).await
    }

    async fn make_folder(&self, path: &MailboxPath) -> Result<()> {
        let (mailbox, path) = self.below(path)?;
        mailbox.make_folder(&path).await
    }

    async fn remove_folder(&self, path: &MailboxPath) -> Result<()> {
        let (mailbox, path) = self.below(path)?;
        mailbox.remove_folder(&path).await
    }

    async fn space(&self) -> Result<Space> {
        Err(Error::new(
            Kind::Unsupported,
            "each bucket has its own space",
        ))
    }

    async fn versions(&self, path: &MailboxPath) -> Result<Vec<VersionEntry>> {
        let (mailbox, path) = self.below(path)?;
        mailbox.versions_of(&path).await
    }

    async fn restore(&self, path: &MailboxPath, version: VersionId) -> Result<()> {
        let (mailbox, path) = self.below(path)?;
        mailbox.restore_version(&path, version).await
    }

    async fn rewrap(&self, path: &MailboxPath) -> Result<Rewrapped> {
        let (mailbox, path) = self.below(path)?;
        if !path.is_root() {
            return Err(Error::new(
                Kind::Unsupported,
                "envelopes are renewed for a bucket as a whole",
            ));
        }
        let account = mailbox.account()?;
        let bucket = &account.mailbox.bucket;
        let act = mailbox.act(Activity::Key, &path);
        let kept = self.shared.parts.ledger.kept_in(bucket).await?;
        self.shared.allowed(&act).await?;
        let names = BucketNames {
            shared: Arc::clone(&self.shared),
            bucket: bucket.clone(),
        };
        let done = self.shared.rewrap(bucket, &kept, &names).await;
        self.shared.recorded(&act, done).await
    }
}

impl Shared {
    /// What is not finished keeps the envelope that it was begun with, which only says that it may
    /// be an old one: counted as failed, so that nobody destroys what it needs.
    async fn rewrap(
        &self,
        name: &BucketName,
        kept: &[KeptVersion],
        names: &BucketNames,
    ) -> Result<Rewrapped> {
        let bucket = self.bucket(name)?;
        let unfinished = self.unfinished(name, bucket.needs_token()).await?;
        let mut done = bucket.rewrap(kept, names).await?;
        for key in unfinished {
            done.checked += 1;
            done.failed += 1;
            done.last_failure = Some(format!(
                "{key}: its upload is not finished: it keeps the envelope that it was begun with until it is, or is removed"
            ));
        }
        Ok(done)
    }

    /// Uploads in progress, those that broke off and, in a store of objects, those under temp names.
    async fn unfinished(
        &self,
        bucket: &BucketName,
        has_hidden: bool,
    ) -> Result<BTreeSet<ObjectKey>> {
        let ledger = &self.parts.ledger;
        let mut unfinished = BTreeSet::from_iter(self.open.in_bucket(bucket));
        let partials = ledger.partials().await?;
        let mut rest: Vec<ObjectPath> = partials.into_iter().map(|partial| partial.path).collect();
        if has_hidden {
            rest.extend(ledger.hidden().await?.into_iter().map(|(path, _)| path));
        }
        let rest = rest.into_iter().filter(|path| path.bucket == *bucket);
        unfinished.extend(rest.map(|path| path.key));
        Ok(unfinished)
    }
}

impl OperatorMailbox {
    fn folder(&self, name: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            kind: EntryKind::Folder,
            size_bytes: 0,
            is_sealed: false,
            modified: self.shared.now(),
            mode: 0o750,
        }
    }
}

/// The names of one bucket.
struct BucketNames {
    shared: Arc<Shared>,
    bucket: BucketName,
}

#[async_trait]
impl HoldNames for BucketNames {
    async fn hold(&self, key: &ObjectKey) -> Box<dyn Send> {
        let path = ObjectPath {
            bucket: self.bucket.clone(),
            key: key.clone(),
        };
        Box::new(self.shared.locks.names(vec![path]).await)
    }
}

/// All rights in all of a bucket.
fn everything_in(bucket: BucketName) -> Result<Account> {
    Ok(Account {
        name: AccountName::parse("operator")?,
        partner: PartnerName::parse("operator")?,
        ssh_keys: Vec::new(),
        networks: Vec::new(),
        mailbox: MailboxRoot {
            bucket,
            prefix: Prefix::default(),
        },
        home: Prefix::default(),
        may: Verb::ALL.into(),
        types: None,
        temp_suffixes: Vec::new(),
        declare: Vec::new(),
    })
}

struct Once(Option<Vec<Entry>>);

#[async_trait]
impl Listing for Once {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        Ok(self.0.take())
    }
}
