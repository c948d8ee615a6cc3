//! What is wrong with a refused upload, told in a file beside its name, until a good one has it.

use std::sync::Arc;

use bytes::Bytes;
use qm_core::account::{Account, Verb};
use qm_core::audit::Activity;
use qm_core::id::VersionId;
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::{Change, Version};
use qm_core::ports::bucket::{Bucket, Chunk, DigestBy, Staging};
use qm_core::ports::mailbox::Existing;
use qm_core::{Error, Kind, Result};
use qm_rows::Report;

use crate::Shared;
use crate::holder::Holder;
use crate::names::{LOCK_WAIT, Wanted, busy};
use crate::refusal::Act;

/// As many uploads of one name that are refused at the same time are told of.
const REPORTS: u32 = 9;
/// What it begins with, which no file of rows does.
const BEGINNING: &str = "Refused at ";

/// Whose upload was refused, and where.
pub(crate) struct Refused<'a> {
    pub(crate) account: &'a Account,
    pub(crate) holder: &'a Holder,
    pub(crate) bucket: &'a Arc<dyn Bucket>,
    /// By its final name.
    pub(crate) path: ObjectPath,
    /// What became of it, as the end of a sentence.
    pub(crate) fate: String,
    /// Given when it began: reports that came later are of others that went on at the same time.
    pub(crate) begun: VersionId,
    pub(crate) act: &'a Act,
}

impl Shared {
    /// Writes the faults beside the name, for an account that can see them. It is no arrival: it
    /// fires no trigger. That it cannot be written changes nothing of the refusal.
    pub(crate) async fn tell_faults(self: &Arc<Self>, refused: Refused<'_>, report: &Report) {
        let may = &refused.account.may;
        if !may.contains(&Verb::List) || !may.contains(&Verb::Read) {
            return;
        }
        let key = refused.path.key.to_string();
        if let Err(error) = self.write_faults(refused, report).await {
            tracing::warn!(
                object.key = key,
                error = error.chain(),
                "What is wrong with a refused upload could not be written beside it"
            );
        }
    }

    async fn write_faults(self: &Arc<Self>, refused: Refused<'_>, report: &Report) -> Result<()> {
        // An earlier report goes, whatever the account may. A file of the sender's own stays, and
        // nothing is told.
        let until = Some(refused.begun);
        self.remove_faults(
            refused.bucket,
            &refused.path,
            refused.holder,
            refused.act,
            until,
        )
        .await?;
        let now = self.now();
        let text = format!("{BEGINNING}{now:.0}, {}.\n\n{report}", refused.fate);
        let text = Bytes::from(text);
        for path in reports(&refused.path) {
            let key = path.key.clone();
            let written = self.write_report(&refused, path, text.clone()).await;
            let is_taken = matches!(&written, Err(error) if error.kind() == Kind::AlreadyExists);
            // By another's, who sends under the same name and must find it.
            if !is_taken || !tells_faults(&**refused.bucket, &key).await? {
                return written;
            }
        }
        Err(Error::new(
            Kind::AlreadyExists,
            "no name is left for what is wrong with this file",
        ))
    }

    async fn write_report(
        self: &Arc<Self>,
        refused: &Refused<'_>,
        path: ObjectPath,
        text: Bytes,
    ) -> Result<()> {
        let now = self.now();
        let staging = Staging {
            version: self.parts.identifiers.version(now),
            key: path.key.clone(),
            final_key: path.key.clone(),
            size_hint: Some(text.len() as u64),
            envelope: None,
            digest: DigestBy::Bucket,
            deposit: None,
        };
        let mut staged = refused.bucket.stage(staging).await?;
        let chunk = Chunk {
            offset: 0,
            bytes: text,
        };
        staged.write(vec![chunk]).await?;
        let sealed = staged.seal().await?;
        let version = Version {
            id: staged.version(),
            size_bytes: sealed.size_bytes,
            sha256: sealed.sha256,
            identity: sealed.identity,
            staged: staged.token().filter(|_| refused.bucket.needs_token()),
            // Not before its last byte: it would look as if somebody had written to it.
            received_at: self.now(),
        };
        let wanted = Wanted {
            change: Change::Publish,
            version: Some(version),
            opened: None,
            existing: Existing::Refuse,
            arrival: None,
            departs: false,
            content_of: None,
            rows_of: None,
            account: refused.holder.recorded(),
            act: Act {
                subject: path.to_string(),
                ..refused.act.clone()
            },
            path,
        };
        let written = self.change_name(wanted).await;
        if written.is_err()
            && let Some(token) = staged.token()
        {
            refused.bucket.discard(&token).await?;
        }
        written
    }

    /// A good file has the name: what was wrong with an earlier one is no longer told. A file of the
    /// sender's own that is called so stays, and that it cannot be removed changes nothing.
    pub(crate) async fn forget_faults(
        self: &Arc<Self>,
        account: &Account,
        bucket: &Arc<dyn Bucket>,
        path: &ObjectPath,
        holder: &Holder,
        act: &Act,
    ) {
        if account.declared(path.key.file_name()).is_none() {
            return;
        }
        let removed = self.remove_faults(bucket, path, holder, act, None).await;
        if let Err(error) = removed {
            tracing::warn!(
                object.key = %path.key,
                error = error.chain(),
                "What was wrong with an earlier upload could not be removed from beside it"
            );
        }
    }

    /// All reports of the name, or those that are not later than `until`.
    async fn remove_faults(
        self: &Arc<Self>,
        bucket: &Arc<dyn Bucket>,
        path: &ObjectPath,
        holder: &Holder,
        act: &Act,
        until: Option<VersionId>,
    ) -> Result<()> {
        // Whoever has read one may have removed it: others come behind it.
        for path in reports(path) {
            self.remove_report(bucket, path, holder, act, until).await?;
        }
        Ok(())
    }

    async fn remove_report(
        self: &Arc<Self>,
        bucket: &Arc<dyn Bucket>,
        path: ObjectPath,
        holder: &Holder,
        act: &Act,
        until: Option<VersionId>,
    ) -> Result<()> {
        // One that was written a moment ago may not be recorded yet.
        let settled = self.locks.names(vec![path.clone()]);
        let held = tokio::time::timeout(LOCK_WAIT, settled).await;
        drop(held.map_err(|_| busy())?);
        // Only what the ledger knows is ours; mostly there is nothing, and no bucket is asked.
        let Some(version) = self.parts.ledger.current(&path).await? else {
            return Ok(());
        };
        let is_later = until.is_some_and(|until| version.id > until);
        if is_later || !tells_faults(&**bucket, &path.key).await? {
            return Ok(());
        }
        let wanted = Wanted {
            change: Change::Remove,
            version: None,
            opened: None,
            existing: Existing::Replace,
            arrival: None,
            departs: false,
            content_of: None,
            rows_of: None,
            account: holder.recorded(),
            act: Act {
                activity: Activity::Delete,
                subject: path.to_string(),
                ..act.clone()
            },
            path,
        };
        self.change_name_of(wanted, Some(version.id))
            .await
            .map(|_| ())
    }
}

/// What the files may be called that tell the faults of another; names that are too long are left out.
fn reports(path: &ObjectPath) -> impl Iterator<Item = ObjectPath> {
    (1..=REPORTS).map_while(move |number| beside(path, number).ok())
}

fn beside(path: &ObjectPath, number: u32) -> Result<ObjectPath> {
    let file = path.key.file_name();
    let name = match number {
        1 => format!("{file}.rejected.txt"),
        number => format!("{file}.rejected.{number}.txt"),
    };
    Ok(ObjectPath {
        bucket: path.bucket.clone(),
        key: path.key.with_file_name(&name)?,
    })
}

async fn tells_faults(bucket: &dyn Bucket, key: &ObjectKey) -> Result<bool> {
    let content = match bucket.open(key).await {
        Err(error) if error.kind() == Kind::NotFound => return Ok(false),
        content => content?,
    };
    let length = u32::try_from(BEGINNING.len()).unwrap_or(u32::MAX);
    Ok(content.read(0, length).await? == BEGINNING.as_bytes())
}
