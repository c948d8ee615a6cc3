//! A file held against a declaration, with nothing loaded: what `quaymaster table check` tells, and
//! what an upload is screened by.

use qm_core::config::Declaration;
use qm_core::{Error, Kind, Result};
use std::fmt;

use crate::shape::refused;
use crate::{Finish, Output, Reject, Rows, RowsFile};

/// As many faults are told one by one: who mends a file mends these first.
const FAULTS: usize = 20;

/// A file being checked.
#[derive(Debug)]
pub struct Check {
    rows: Rows,
    output: Output,
    name: String,
    faults: Vec<Reject>,
    refused: Option<Error>,
    tolerates_rejects: bool,
}

/// What a file is worth.
#[derive(Debug)]
pub struct Report {
    /// The file's name.
    pub name: String,
    /// The names of its rows' cells, if it has a header.
    pub columns: Vec<String>,
    /// Rows read.
    pub read: u64,
    /// Rows that are not what the declaration says.
    pub rejected: u64,
    /// The first of them.
    pub faults: Vec<Reject>,
    /// Why the file as a whole is refused.
    refused: Option<Error>,
    tolerates_rejects: bool,
}

impl Check {
    /// Nothing read yet; parameters are those of [`Rows::new`].
    pub fn new(declaration: &Declaration, key: &[String], file: &RowsFile<'_>) -> Result<Self> {
        Ok(Self {
            rows: Rows::new(declaration, key, file)?,
            output: Output::default(),
            name: file.name.to_owned(),
            faults: Vec::new(),
            refused: None,
            tolerates_rejects: declaration.max_rejected.is_some(),
        })
    }

    /// For a file that comes as slowly as its sender likes, beside any number of others: a workbook's
    /// bytes are held within memory that all such share.
    pub fn share_memory(&mut self) {
        self.rows.share_room();
    }

    /// Reads on. Once the file is refused, nothing more is looked at. `Limit` if the memory that is
    /// shared does not suffice: this file, from its first byte, later.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() && self.refused.is_none() {
            let pushed = self.rows.push(rest, &mut self.output);
            match self.note(pushed)? {
                Some(taken) => rest = &rest[taken..],
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// The file is at its end.
    pub fn finish(mut self) -> Result<Report> {
        while self.refused.is_none() {
            let finished = self.rows.finish(&mut self.output);
            if self.note(finished)? == Some(Finish::Done) {
                break;
            }
        }
        Ok(Report {
            name: self.name,
            columns: self.rows.columns().unwrap_or_default().to_vec(),
            read: self.rows.read(),
            rejected: self.rows.rejected(),
            faults: self.faults,
            refused: self.refused,
            tolerates_rejects: self.tolerates_rejects,
        })
    }

    /// Keeps the first faults, and what refuses the file.
    fn note<T>(&mut self, step: Result<T>) -> Result<Option<T>> {
        let room = FAULTS - self.faults.len();
        self.faults.extend(self.output.rejects.drain(..).take(room));
        self.output.clear();
        match step {
            Ok(value) => Ok(Some(value)),
            Err(error) if matches!(error.kind(), Kind::Refused | Kind::Invalid) => {
                self.refused = Some(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Report {
    /// Whether the file is as declared: without `max_rejected`, in every row. The sentence names the
    /// first fault.
    pub fn verdict(&self) -> Result<()> {
        let first = self.faults.first().map(Reject::sentence);
        let first = first.map_or_else(String::new, |first| format!("; {first}"));
        if let Some(error) = &self.refused {
            let kind = error.kind();
            return Err(Error::new(
                kind,
                format!("{}{first}", error.public_message()),
            ));
        }
        if self.rejected > 0 && !self.tolerates_rejects {
            return Err(refused(format!("{}{first}", self.count())));
        }
        Ok(())
    }

    fn count(&self) -> String {
        let rows = |count: u64| {
            if count == 1 {
                "1 row".to_owned()
            } else {
                format!("{count} rows")
            }
        };
        match (self.read, self.rejected) {
            (0, _) => "no rows".to_owned(),
            (read, 0) => format!("{}, all as declared", rows(read)),
            (read, 1) => format!("{}, 1 of them not as declared", rows(read)),
            (read, rejected) => format!("{}, {rejected} of them not as declared", rows(read)),
        }
    }
}

impl fmt::Display for Report {
    /// A line for the file, one for what refuses it, one for each of the first faults.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.count())?;
        if let Some(error) = &self.refused {
            writeln!(f, "  the file is refused: {error}")?;
        }
        for fault in &self.faults {
            writeln!(f, "  {}", fault.sentence())?;
        }
        let told = self.faults.len() as u64;
        if self.rejected > told {
            writeln!(f, "  and {} more", self.rejected - told)?;
        }
        Ok(())
    }
}
