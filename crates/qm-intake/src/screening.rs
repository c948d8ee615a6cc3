//! Uploads whose rows are declared: read while they come in order, else when they are closed, and
//! refused if their rows are not what the declaration says.

use std::sync::{Arc, OnceLock};

use qm_core::account::Account;
use qm_core::config::Declaration;
use qm_core::ports::bucket::{Bucket, Chunk, Content, Staged};
use qm_core::{Error, Kind, Result};
use qm_rows::{Check, Report, RowsFile, is_workbook};

/// Reads of a file that did not come in order.
const READ_BYTES: u32 = 1024 * 1024;

/// An upload's rows being read.
pub(crate) struct Screening {
    name: String,
    declaration: Declaration,
    /// While all bytes came in order: what was read, and where the next byte is.
    stream: Option<(Box<Check>, u64)>,
    /// Why it was not read while it came, though all came in order.
    crowded: Option<Error>,
}

impl Screening {
    /// `None` if the account may send any rows under this name. A workbook is held in memory: where
    /// what was received can be read again, only when it is its turn.
    pub(crate) fn begin(account: &Account, name: &str, bucket: &dyn Bucket) -> Option<Self> {
        let declaration = account.declared(name)?.clone();
        let is_read_later = is_workbook(&declaration, name) && !bucket.needs_token();
        let stream = (!is_read_later).then(|| check(&declaration, name).ok());
        Some(Self {
            name: name.to_owned(),
            declaration,
            stream: stream.flatten().map(|mut check| {
                check.share_memory();
                (Box::new(check), 0)
            }),
            crowded: None,
        })
    }

    /// True if it takes much memory.
    pub(crate) fn is_of_workbook(&self) -> bool {
        is_workbook(&self.declaration, &self.name)
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
            let pushed = if chunk.offset == *next {
                check.push(&chunk.bytes)
            } else {
                self.stream = None;
                return;
            };
            if let Err(error) = pushed {
                self.stream = None;
                self.crowded = (error.kind() == Kind::Limit).then_some(error);
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
            return finished(*check).await;
        }
        let mut check = check(&self.declaration, &self.name)?;
        let mut offset = 0;
        while offset < size_bytes {
            let read = staged.read(offset, READ_BYTES).await;
            let bytes = read.map_err(|error| self.unreadable(error))?;
            if bytes.is_empty() {
                break;
            }
            offset += bytes.len() as u64;
            check.push(&bytes)?;
        }
        finished(check).await
    }

    fn unreadable(&mut self, error: Error) -> Error {
        if error.kind() != Kind::Unsupported {
            return error;
        }
        if let Some(crowded) = self.crowded.take() {
            return crowded;
        }
        let sentence = "the rows of a file that did not come from beginning to end cannot be checked here; please send \
                        the whole file again";
        refused(sentence.to_owned()).source(error)
    }
}

/// What the rows of a file must be that gets another name.
pub(crate) struct RowsOf {
    pub(crate) name: String,
    pub(crate) declaration: Declaration,
    /// What is wrong with them, once they were refused.
    pub(crate) faults: Arc<OnceLock<Report>>,
}

impl RowsOf {
    /// True if looking at them takes much memory.
    pub(crate) fn is_of_workbook(&self) -> bool {
        is_workbook(&self.declaration, &self.name)
    }
}

/// The same of a file that is stored already.
pub(crate) async fn check_content(content: &dyn Content, rows: &RowsOf) -> Result<()> {
    let mut check = check(&rows.declaration, &rows.name)?;
    let mut offset = 0;
    loop {
        let bytes = content.read(offset, READ_BYTES).await?;
        if bytes.is_empty() {
            break;
        }
        offset += bytes.len() as u64;
        check.push(&bytes)?;
    }
    let report = finished(check).await?;
    verdict(&report).inspect_err(|_| {
        rows.faults.get_or_init(|| report);
    })
}

/// A workbook is read only now, which may take seconds.
async fn finished(check: Check) -> Result<Report> {
    qm_threads::run(move || check.finish()).await
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
