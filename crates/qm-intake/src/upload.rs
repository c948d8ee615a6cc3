//! An open write handle: bytes go to staging; commit checks them, records them and publishes.

use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;

use crate::Shared;
use crate::faults::Refused;
use crate::found::Opened;
use crate::holder::Holder;
use crate::names::Wanted;
use crate::open_uploads::OpenUpload;
use crate::refusal::Act;
use crate::screening::{self, Screening};
use crate::turns::Turn;
use qm_core::account::{Account, Verb};
use qm_core::arrival::Cause;
use qm_core::id::VersionId;
use qm_core::name::ObjectPath;
use qm_core::operation::{Change, Version};
use qm_core::ports::bucket::{Attributes, Bucket, Chunk, Entry, EntryKind, Staged};
use qm_core::ports::mailbox::{Existing, Upload, WriteOptions};
use qm_core::{Error, Kind, Result};

/// Reads of the file that is continued or changed in a copy.
const COPY_BYTES: u32 = 1024 * 1024;

/// What the handle began with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Start {
    /// Nothing.
    Empty,
    /// What broke off earlier; the first write decides whether it is continued.
    Resumed,
    /// A file of this size, not copied yet; the first write decides whether it is replaced,
    /// continued or changed.
    Existing { size_bytes: u64 },
    /// Decided.
    Decided,
}

pub(crate) struct AccountUpload {
    pub(crate) shared: Arc<Shared>,
    pub(crate) holder: Holder,
    pub(crate) path: ObjectPath,
    pub(crate) bucket: Arc<dyn Bucket>,
    pub(crate) staged: Box<dyn Staged>,
    pub(crate) start: Start,
    /// Set if the name showed nothing when the handle was opened.
    pub(crate) opened: Option<Opened>,
    /// Set when the handle's name is a temp name.
    pub(crate) final_name: Option<String>,
    pub(crate) options: WriteOptions,
    pub(crate) attributes: Attributes,
    pub(crate) act: Act,
    pub(crate) open: OpenUpload,
    /// Set when the rows must be as declared.
    pub(crate) screening: Option<Screening>,
    /// Until its workbook is read.
    pub(crate) turn: Option<Turn>,
    pub(crate) has_failed: bool,
    /// Set when a failed upload's change of the name may be run by another node.
    pub(crate) is_with_others: bool,
}

impl AccountUpload {
    fn check_usable(&self) -> Result<()> {
        if self.has_failed {
            return Err(Error::new(
                Kind::Conflict,
                "this upload has failed; please send the file again",
            ));
        }
        Ok(())
    }

    /// Keeps the first failure's consequences in one place: the handle is dead, the bytes go unless
    /// another node may still need them.
    async fn failed<T>(&mut self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.has_failed = true;
            if !self.is_with_others {
                self.discard().await;
            }
        }
        result
    }

    /// Whether other nodes may know of the bytes: a recorded change of a name is run by any of
    /// them. If the ledger does not say, they may.
    async fn may_be_with_others(&self, version: VersionId) -> bool {
        let parts = &self.shared.parts;
        parts.is_shared && !matches!(parts.ledger.version(version).await, Ok(None))
    }

    pub(crate) async fn discard(&self) {
        let Some(token) = self.staged.token() else {
            return;
        };
        if let Err(error) = self.bucket.discard(&token).await {
            tracing::warn!(
                error = error.chain(),
                "Staged bytes of a failed upload stay: the next start removes them, unless nodes share the bucket, or it is watched and an object store"
            );
        }
    }

    /// The first write shows what the client means to do with what is there.
    async fn decide(&mut self, offset: u64) -> Result<()> {
        match self.start {
            Start::Empty | Start::Decided => {}
            Start::Resumed if offset == 0 && !self.options.append => {
                self.staged.set_size(0).await?;
            }
            Start::Existing { .. } if offset > 0 || self.options.append => {
                self.copy_existing(u64::MAX).await?;
            }
            Start::Resumed | Start::Existing { .. } => {}
        }
        self.start = Start::Decided;
        Ok(())
    }

    /// Copies the beginning of the file that is there.
    async fn copy_existing(&mut self, size_bytes: u64) -> Result<()> {
        let content = self.bucket.open(&self.path.key).await?;
        let mut offset = 0;
        while offset < size_bytes {
            let wanted =
                u32::try_from(size_bytes - offset).map_or(COPY_BYTES, |left| left.min(COPY_BYTES));
            let bytes = content.read(offset, wanted).await?;
            if bytes.is_empty() {
                break;
            }
            let length = bytes.len() as u64;
            self.staged.write(vec![Chunk { offset, bytes }]).await?;
            offset += length;
        }
        Ok(())
    }

    async fn write_chunks(&mut self, mut chunks: Vec<Chunk>) -> Result<()> {
        let Some(first) = chunks.first() else {
            return Ok(());
        };
        self.decide(first.offset).await?;
        if self.options.append {
            let mut end = self.staged.size_bytes();
            for chunk in &mut chunks {
                chunk.offset = end;
                end += chunk.bytes.len() as u64;
            }
        }
        if let Some(screening) = &mut self.screening {
            screening.see(&chunks);
        }
        self.staged.write(chunks).await
    }

    /// Checks and seals what was received. Content is looked at where types are limited.
    async fn seal(&mut self, account: &Account) -> Result<Version> {
        let sealed = self.staged.seal().await?;
        if account.types.is_some() {
            self.check_content(sealed.size_bytes).await?;
        }
        // A reader of rows is large, and most uploads have none.
        Box::pin(self.check_rows(account, sealed.size_bytes)).await?;
        // Publishing renames the inode: times the client asked for are set on it before.
        if self.attributes != Attributes::default() {
            self.staged.set_attributes(self.attributes).await?;
        }
        Ok(Version {
            id: self.staged.version(),
            size_bytes: sealed.size_bytes,
            sha256: sealed.sha256,
            identity: sealed.identity,
            staged: self.staged.token().filter(|_| self.bucket.needs_token()),
            received_at: self.shared.now(),
        })
    }

    /// Under a temp name the content is looked at when it gets its final one, unless the bucket
    /// cannot be read before that.
    async fn check_content(&mut self, size_bytes: u64) -> Result<()> {
        let name = match &self.final_name {
            None => self.path.key.file_name(),
            Some(final_name) if self.bucket.needs_token() => final_name,
            Some(_) => return Ok(()),
        };
        let staged = tokio::sync::Mutex::new(&mut self.staged);
        let staged = &staged;
        qm_content::check(name, size_bytes, |offset, length| async move {
            staged.lock().await.read(offset, length).await
        })
        .await
        .map_err(|error| {
            if error.kind() != Kind::Unsupported {
                return error;
            }
            let sentence = "the content of a continued upload cannot be checked here; please send the whole file again";
            Error::new(Kind::Refused, sentence).source(error)
        })
    }

    /// By the final name, also under a temp name: what a client hears at CLOSE counts.
    async fn check_rows(&mut self, account: &Account, size_bytes: u64) -> Result<()> {
        let name = self
            .final_name
            .clone()
            .unwrap_or_else(|| self.path.key.file_name().to_owned());
        let screening = self.screening.take();
        let same = screening.filter(|screening| screening.is_of(account));
        let Some(mut screening) = same.or_else(|| Screening::begin(account, &name, &*self.bucket))
        else {
            return Ok(());
        };
        let report = screening.report(&mut *self.staged, size_bytes).await?;
        // Nobody waits for what is still to be told and stored.
        self.turn = None;
        let Err(error) = screening::verdict(&report) else {
            return Ok(());
        };
        let refused = Refused {
            account,
            holder: &self.holder,
            bucket: &self.bucket,
            path: ObjectPath {
                bucket: self.path.bucket.clone(),
                key: self.path.key.with_file_name(&name)?,
            },
            fate: "nothing of it was stored".to_owned(),
            begun: self.staged.version(),
            act: &self.act,
        };
        self.shared.tell_faults(refused, &report).await;
        Err(error)
    }

    /// The account as it is now: rights may have changed since the handle was opened.
    fn account(&self) -> Result<Arc<Account>> {
        self.holder.account(&*self.shared.parts.rules)
    }

    /// What a publication does to a file that has the name by now.
    fn existing(&self, account: &Account) -> Existing {
        let may_replace = self.final_name.is_some() || account.may.contains(&Verb::Overwrite);
        if self.options.exclusive || !may_replace {
            Existing::Refuse
        } else {
            Existing::Replace
        }
    }

    /// Waits on nobody's thread, and not for a session that goes away meanwhile.
    async fn ended_in_turn(mut self: Box<Self>) -> Result<()> {
        let ended = tokio::spawn(async move {
            self.turn = Some(self.shared.turns.take(self.holder.recorded()).await);
            qm_threads::carry(Box::pin(self.ended())).await
        });
        ended.await.unwrap_or_else(|stopped| {
            let error = Error::new(Kind::Unavailable, "the server is stopping");
            Err(error.during("check a workbook").source(stopped))
        })
    }

    async fn ended(mut self: Box<Self>) -> Result<()> {
        self.check_usable()?;
        match self.start {
            Start::Empty | Start::Decided => {}
            // Half a file is not published because somebody opened and closed it.
            Start::Resumed => return self.park().await,
            Start::Existing { .. } => return self.leave_as_it_is().await,
        }
        let published = self.publish().await;
        let published = self.failed(published).await;
        self.shared.recorded(&self.act, published).await
    }

    async fn publish(&mut self) -> Result<()> {
        let account = self.account()?;
        account.check(Verb::Write)?;
        let name = self
            .final_name
            .as_deref()
            .unwrap_or_else(|| self.path.key.file_name());
        account.check_type(name)?;
        let existing = self.existing(&account);
        let version = self.seal(&account).await?;
        let id = version.id;
        // Parts become an object by a request that has its own look.
        let opened = self.opened.take().filter(|_| version.staged.is_none());
        let wanted = Wanted {
            path: self.path.clone(),
            change: Change::Publish,
            version: Some(version),
            opened,
            existing,
            arrival: self.final_name.is_none().then_some(Cause::Upload),
            departs: false,
            content_of: None,
            rows_of: None,
            account: self.holder.recorded(),
            act: self.act.clone(),
        };
        let identity = wanted
            .version
            .as_ref()
            .map(|version| version.identity.clone());
        if let Err(error) = self.shared.change_name(wanted).await {
            self.is_with_others = self.may_be_with_others(id).await;
            return Err(error);
        }
        if let Some(identity) = identity
            && !self.bucket.keeps_attributes()
        {
            self.keep_attributes(&identity).await;
        }
        if self.final_name.is_none() {
            let (path, act) = (&self.path, &self.act);
            self.shared
                .forget_faults(&account, &self.bucket, path, &self.holder, act)
                .await;
        }
        Ok(())
    }

    /// Opened on a file that is there, and nothing was written.
    async fn leave_as_it_is(&self) -> Result<()> {
        self.discard().await;
        if self.attributes == Attributes::default() {
            return Ok(());
        }
        self.shared
            .set_attributes(&*self.bucket, &self.path, self.attributes)
            .await
    }

    /// The file is published: that its times could not be kept is no reason to call it failed.
    async fn keep_attributes(&self, identity: &str) {
        let kept = self
            .shared
            .parts
            .ledger
            .set_name_attributes(&self.path, identity, self.attributes)
            .await;
        if let Err(error) = kept {
            tracing::warn!(object.key = %self.path.key, error = error.chain(), "Attributes of an upload could not be kept");
        }
    }
}

#[async_trait]
impl Upload for AccountUpload {
    fn stat(&self) -> Entry {
        let size_bytes = match self.start {
            Start::Existing { size_bytes } => size_bytes,
            Start::Empty | Start::Resumed | Start::Decided => self.staged.size_bytes(),
        };
        Entry {
            name: self.path.key.file_name().to_owned(),
            kind: EntryKind::File,
            size_bytes,
            is_sealed: false,
            modified: self
                .attributes
                .modified
                .unwrap_or_else(|| self.shared.now()),
            mode: self.attributes.mode.unwrap_or(0o640),
        }
    }

    async fn write(&mut self, chunks: Vec<Chunk>) -> Result<()> {
        self.check_usable()?;
        let written = self.write_chunks(chunks).await;
        self.open.received(self.staged.size_bytes());
        let written = self.failed(written).await;
        self.shared.recorded(&self.act, written).await
    }

    async fn read(&mut self, offset: u64, length: u32) -> Result<Bytes> {
        self.check_usable()?;
        if !self.options.read {
            return Err(Error::new(
                Kind::Refused,
                "this file was not opened for reading",
            ));
        }
        match self.start {
            Start::Existing { .. } => {
                self.bucket
                    .open(&self.path.key)
                    .await?
                    .read(offset, length)
                    .await
            }
            Start::Empty | Start::Resumed | Start::Decided => {
                self.staged.read(offset, length).await
            }
        }
    }

    async fn set_size(&mut self, size_bytes: u64) -> Result<()> {
        self.check_usable()?;
        let result = match self.start {
            Start::Existing { size_bytes: there } if there == size_bytes => return Ok(()),
            Start::Existing { .. } if size_bytes > 0 => self.copy_existing(size_bytes).await,
            Start::Existing { .. } | Start::Empty | Start::Resumed | Start::Decided => Ok(()),
        };
        self.failed(result).await?;
        self.start = Start::Decided;
        if let Some(screening) = &mut self.screening {
            screening.cut(size_bytes);
        }
        let result = self.staged.set_size(size_bytes).await;
        self.open.received(self.staged.size_bytes());
        self.failed(result).await
    }

    async fn set_attributes(&mut self, attributes: Attributes) -> Result<()> {
        self.check_usable()?;
        self.attributes.modified = attributes.modified.or(self.attributes.modified);
        self.attributes.mode = attributes.mode.or(self.attributes.mode);
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        self.check_usable()?;
        let flushed = self.staged.flush().await;
        self.failed(flushed).await
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        if self
            .screening
            .as_ref()
            .is_some_and(Screening::is_of_workbook)
        {
            return self.ended_in_turn().await;
        }
        // A session that goes away must not stop it between record and action.
        qm_threads::carry(Box::pin(self.ended())).await
    }

    async fn abandon(mut self: Box<Self>) {
        if self.has_failed {
            return;
        }
        if matches!(self.start, Start::Existing { .. }) || self.staged.size_bytes() == 0 {
            self.discard().await;
            return;
        }
        if let Err(error) = self.park().await {
            tracing::error!(
                error = error.chain(),
                "An upload broke off and could not be kept for resuming"
            );
            self.discard().await;
        }
    }
}
