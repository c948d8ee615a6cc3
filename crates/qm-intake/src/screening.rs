//! Uploads whose rows are declared: read while they come in order, else when they are closed, and
//! refused if their rows are not what the declaration says. The sender finds the faults in a file
//! beside the name.

use std::sync::Arc;

use bytes::Bytes;
use qm_core::account::{Account, Verb};
use qm_core::config::Declaration;
use qm_core::name::ObjectPath;
use qm_core::operation::{Change, Version};
use qm_core::ports::bucket::{Bucket, Chunk, Content, DigestBy, Staged, Staging};
use qm_core::ports::mailbox::Existing;
use qm_core::{Error, Kind, Result};
use qm_rows::{Check, Report, RowsFile};

use crate::Shared;
use crate::holder::Holder;
use crate::names::Wanted;
use crate::refusal::Act;

/// Reads of a file that did not come in order.
const READ_BYTES: u32 = 1024 * 1024;
/// What the file is called that tells the faults of another.
const SUFFIX: &str = ".rejected.txt";

/// An upload's rows being read.
pub(crate) struct Screening {
    name: String,
    declaration: Declaration,
    /// While all bytes came in order: what was read, and where the next byte is.
    stream: Option<(Box<Check>, u64)>,
}

impl Screening {
    /// `None` if the account may send any rows under this name.
    pub(crate) fn begin(account: &Account, name: &str) -> Option<Self> {
        let declaration = account.declared(name)?.clone();
        let stream = check(&declaration, name).ok();
        Some(Self {
            name: name.to_owned(),
            declaration,
            stream: stream.map(|check| (Box::new(check), 0)),
        })
    }

    /// True if it reads as the account's rules have it now.
    pub(crate) fn is_of(&self, account: &Account) -> bool {
        account.declared(&self.name) == Some(&self.declaration)
    }

    /// Bytes come.
    pub(crate) fn see(&mut self, chunks: &[Chunk]) {
        for chunk in chunks {
            let Some((check, next)) = &mut self.stream else {
                return;
            };
            if chunk.offset != *next || check.push(&chunk.bytes).is_err() {
                self.stream = None;
                return;
            }
            *next += chunk.bytes.len() as u64;
        }
    }

    /// What was received is cut, or extended.
    pub(crate) fn cut(&mut self, size_bytes: u64) {
        if matches!(self.stream, Some((_, next)) if next != size_bytes) {
            self.stream = None;
        }
    }

    /// What the whole upload is worth.
    pub(crate) async fn report(
        &mut self,
        staged: &mut dyn Staged,
        size_bytes: u64,
    ) -> Result<Report> {
        if let Some((check, next)) = self.stream.take()
            && next == size_bytes
        {
            return check.finish();
        }
        let mut check = check(&self.declaration, &self.name)?;
        let mut offset = 0;
        while offset < size_bytes {
            let bytes = staged.read(offset, READ_BYTES).await.map_err(unreadable)?;
            if bytes.is_empty() {
                break;
            }
            offset += bytes.len() as u64;
            check.push(&bytes)?;
        }
        check.finish()
    }
}

/// The same of a file that is stored already.
pub(crate) async fn check_content(
    content: &dyn Content,
    name: &str,
    declaration: &Declaration,
) -> Result<()> {
    let mut check = check(declaration, name)?;
    let mut offset = 0;
    loop {
        let bytes = content.read(offset, READ_BYTES).await?;
        if bytes.is_empty() {
            break;
        }
        offset += bytes.len() as u64;
        check.push(&bytes)?;
    }
    verdict(&check.finish()?)
}

/// Refuses what is not as declared.
pub(crate) fn verdict(report: &Report) -> Result<()> {
    report
        .verdict()
        .map_err(|error| refused(error.public_message().to_owned()))
}

fn check(declaration: &Declaration, name: &str) -> Result<Check> {
    let file = RowsFile { name, facts: None };
    Check::new(declaration, &[], &file).map_err(|error| {
        let sentence = error.public_message().to_owned();
        refused(sentence).source(error)
    })
}

fn refused(sentence: String) -> Error {
    Error::new(Kind::Refused, sentence).with("rule", "rows")
}

fn unreadable(error: Error) -> Error {
    if error.kind() != Kind::Unsupported {
        return error;
    }
    let sentence = "the rows of a file that did not come from beginning to end cannot be checked here; please send \
                    the whole file again";
    refused(sentence.to_owned()).source(error)
}

/// Whose upload was refused, and where.
pub(crate) struct Refused<'a> {
    pub(crate) account: &'a Account,
    pub(crate) holder: &'a Holder,
    pub(crate) bucket: &'a Arc<dyn Bucket>,
    /// By its final name.
    pub(crate) path: ObjectPath,
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
        let name = format!("{}{SUFFIX}", refused.path.key.file_name());
        let path = ObjectPath {
            bucket: refused.path.bucket.clone(),
            key: refused.path.key.with_file_name(&name)?,
        };
        let now = self.now();
        let text = format!("Refused at {now:.0}, nothing of it was stored.\n\n{report}");
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
            bytes: Bytes::from(text),
        };
        staged.write(vec![chunk]).await?;
        let sealed = staged.seal().await?;
        let version = Version {
            id: staged.version(),
            size_bytes: sealed.size_bytes,
            sha256: sealed.sha256,
            identity: sealed.identity,
            staged: staged.token().filter(|_| refused.bucket.needs_token()),
            received_at: now,
        };
        let may_replace = refused.account.may.contains(&Verb::Overwrite);
        let wanted = Wanted {
            change: Change::Publish,
            version: Some(version),
            existing: if may_replace {
                Existing::Replace
            } else {
                Existing::Refuse
            },
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
}
