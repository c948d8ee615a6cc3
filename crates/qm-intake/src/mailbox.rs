//! A mailbox as a front sees it: each method says who acts and on what, does it, and records a
//! refusal.

use async_trait::async_trait;
use std::net::IpAddr;
use std::sync::Arc;

use crate::Shared;
use crate::holder::Holder;
use crate::refusal::Act;
use qm_core::Result;
use qm_core::account::Account;
use qm_core::audit::Activity;
use qm_core::name::{MailboxPath, ObjectPath};
use qm_core::ports::bucket::{Attributes, Bucket, Content, Entry, Listing, Space};
use qm_core::ports::mailbox::{Existing, Mailbox, Upload, WriteOptions};

pub(crate) struct AccountMailbox {
    pub(crate) shared: Arc<Shared>,
    pub(crate) holder: Holder,
    /// Who acts, for the audit.
    pub(crate) actor: String,
    pub(crate) source: Option<IpAddr>,
}

#[async_trait]
impl Mailbox for AccountMailbox {
    fn locate(&self, path: &[u8]) -> Result<MailboxPath> {
        MailboxPath::parse_at(&self.account()?.home, path)
    }

    fn real_path(&self, path: &[u8]) -> Result<String> {
        MailboxPath::real_at(&self.account()?.home, path)
    }

    async fn resolve(&self, path: &[u8], activity: Activity) -> Result<MailboxPath> {
        let resolved = self.locate(path);
        if resolved.is_ok() {
            return resolved;
        }
        // As it was sent: it has no canonical name.
        let act = Act {
            actor: self.actor.clone(),
            source: self.source,
            activity,
            subject: path.escape_ascii().to_string(),
        };
        self.shared.recorded(&act, resolved).await
    }

    async fn stat(&self, path: &MailboxPath) -> Result<Entry> {
        self.entry(path).await
    }

    async fn list(&self, path: &MailboxPath) -> Result<Box<dyn Listing>> {
        let act = self.act(Activity::Open, path);
        self.shared.recorded(&act, self.listing(path).await).await
    }

    async fn read(&self, path: &MailboxPath) -> Result<Box<dyn Content>> {
        let act = self.act(Activity::Open, path);
        let opened = self
            .shared
            .recorded(&act, self.open_for_reading(path).await)
            .await?;
        self.shared.allowed(&act).await?;
        Ok(opened)
    }

    async fn write(&self, path: &MailboxPath, options: WriteOptions) -> Result<Box<dyn Upload>> {
        let act = self.act(Activity::Upload, path);
        let opening = self.open_for_writing(path, options, &act);
        // On a disk it is a handful of steps too short to wake another thread for.
        let opened = if self.is_on_disk() {
            qm_threads::in_place(opening).await
        } else {
            opening.await
        };
        self.shared.recorded(&act, opened).await
    }

    async fn set_attributes(&self, path: &MailboxPath, attributes: Attributes) -> Result<()> {
        let act = self.act(Activity::Setstat, path);
        self.shared
            .recorded(&act, self.change_attributes(path, attributes, &act).await)
            .await
    }

    async fn remove(&self, path: &MailboxPath) -> Result<()> {
        let act = self.act(Activity::Delete, path);
        self.shared
            .recorded(&act, self.remove_file(path, &act).await)
            .await
    }

    async fn rename(&self, from: &MailboxPath, to: &MailboxPath, existing: Existing) -> Result<()> {
        let mut act = self.act(Activity::Rename, from);
        act.subject = format!("{} to {}", act.subject, self.subject(to));
        self.shared
            .recorded(&act, self.rename_any(from, to, existing, &act).await)
            .await
    }

    async fn make_folder(&self, path: &MailboxPath) -> Result<()> {
        let act = self.act(Activity::Mkdir, path);
        self.shared
            .recorded(&act, self.make_one_folder(path, &act).await)
            .await
    }

    async fn remove_folder(&self, path: &MailboxPath) -> Result<()> {
        let act = self.act(Activity::Rmdir, path);
        self.shared
            .recorded(&act, self.remove_one_folder(path, &act).await)
            .await
    }

    async fn space(&self) -> Result<Space> {
        self.bucket(&*self.account()?)?.space().await
    }
}

impl AccountMailbox {
    /// The account as it is in the running revision.
    pub(crate) fn account(&self) -> Result<Arc<Account>> {
        self.holder.account(&*self.shared.parts.rules)
    }

    pub(crate) fn bucket(&self, account: &Account) -> Result<Arc<dyn Bucket>> {
        self.shared.bucket(&account.mailbox.bucket)
    }

    fn is_on_disk(&self) -> bool {
        let bucket = self.account().and_then(|account| self.bucket(&account));
        bucket.is_ok_and(|bucket| !bucket.needs_token())
    }

    pub(crate) fn object(account: &Account, path: &MailboxPath) -> Result<ObjectPath> {
        account.mailbox.object(path)
    }

    pub(crate) fn act(&self, activity: Activity, path: &MailboxPath) -> Act {
        Act {
            actor: self.actor.clone(),
            source: self.source,
            activity,
            subject: self.subject(path),
        }
    }

    /// The canonical name in the audit: the same that is authorised and stored (INV-3).
    fn subject(&self, path: &MailboxPath) -> String {
        let Ok(account) = self.account() else {
            return path.to_string();
        };
        format!("{}{path}", account.mailbox)
    }
}
