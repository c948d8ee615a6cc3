//! Rows on their way from a reader into the output: counted, and rejected if they are none.

use qm_core::config::{Declaration, MaxRejected};
use qm_core::template::Facts;
use qm_core::{Error, Result};

use crate::limits::{COLUMNS, EXTRA_CELLS};
use crate::rows::Part;
use crate::shape::{Fault, Plan, Shape, refused};
use crate::value::Raw;
use crate::{Output, Reject};

/// What all readers do with rows.
#[derive(Debug)]
pub(crate) struct Collector {
    plan: Plan,
    shape: Option<Shape>,
    /// Those of the declaration, while there is no shape.
    names: Option<Vec<String>>,
    read: u64,
    rejected: u64,
    max_rejected: Option<MaxRejected>,
}

impl Collector {
    pub(crate) fn new(
        declaration: &Declaration,
        key: &[String],
        facts: Option<&Facts<'_>>,
    ) -> Result<Self> {
        let plan = Plan::new(declaration, key, facts)?;
        Ok(Self {
            names: plan.names(),
            plan,
            shape: None,
            read: 0,
            rejected: 0,
            max_rejected: declaration.max_rejected,
        })
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    pub(crate) fn rejected(&self) -> u64 {
        self.rejected
    }

    pub(crate) fn columns(&self) -> Option<&[String]> {
        match &self.shape {
            Some(shape) => Some(shape.names()),
            None => self.names.as_deref(),
        }
    }

    /// The file's; empty before they are known.
    pub(crate) fn headers(&self) -> &[String] {
        self.shape.as_ref().map_or(&[], Shape::headers)
    }

    /// The names of the file's columns, once.
    pub(crate) fn header(&mut self, headers: Vec<String>) -> Result<()> {
        if headers.len() > COLUMNS {
            return Err(too_many_columns());
        }
        self.shape = Some(self.plan.bind(headers)?);
        Ok(())
    }

    /// A row of `count` cells.
    pub(crate) fn row<'a>(
        &mut self,
        line: u64,
        count: usize,
        cell: impl Fn(usize) -> Raw<'a>,
        output: &mut Output,
    ) {
        let shape = self.shape.as_ref().expect("rows follow their header");
        let number = self.read + 1;
        match shape.read(&mut output.batch, (number, line), count, &cell) {
            Ok(()) => self.read = number,
            Err(fault) => {
                let cells = self.shown(count, cell);
                self.reject(line, fault, cells, output);
            }
        }
    }

    /// A row that is none.
    pub(crate) fn reject(
        &mut self,
        line: u64,
        fault: Fault,
        cells: Vec<(String, Option<String>)>,
        output: &mut Output,
    ) {
        self.read += 1;
        self.rejected += 1;
        output.reject(Reject {
            row: self.read,
            line,
            column: fault.column,
            reason: fault.reason,
            cells,
        });
    }

    /// The cells of a row by header, some of those beyond it too.
    pub(crate) fn shown<'a>(
        &self,
        count: usize,
        cell: impl Fn(usize) -> Raw<'a>,
    ) -> Vec<(String, Option<String>)> {
        let headers = self.headers();
        let shown = headers.len().max(count.min(headers.len() + EXTRA_CELLS));
        (0..shown)
            .map(|place| {
                let named = headers.get(place).filter(|header| !header.is_empty());
                let name = named.map_or_else(|| self.nameless(place), Clone::clone);
                let raw = if place < count {
                    cell(place)
                } else {
                    Raw::Missing
                };
                (name, raw.text().map(str::to_owned))
            })
            .collect()
    }

    fn nameless(&self, place: usize) -> String {
        let mut name = format!("column {}", place + 1);
        while self.headers().contains(&name) {
            name.push('_');
        }
        name
    }

    /// `Refused` if more rows are rejected than may be. A part of a hundred is known at the end only.
    pub(crate) fn check_rejected(&self, part: Part) -> Result<()> {
        let (read, rejected) = (self.read, self.rejected);
        match self.max_rejected {
            Some(MaxRejected::Rows(max)) if rejected > max => Err(refused(format!(
                "more than {max} rows are not what the declaration says"
            ))),
            Some(MaxRejected::Percent(max))
                if part == Part::Whole
                    && u128::from(rejected) * 100 > u128::from(read) * u128::from(max) =>
            {
                Err(refused(format!(
                    "{rejected} of {read} rows are not what the declaration says, more than {max} %"
                )))
            }
            Some(MaxRejected::Rows(_) | MaxRejected::Percent(_)) | None => Ok(()),
        }
    }
}

pub(crate) fn too_many_columns() -> Error {
    refused(format!(
        "the header has more than {COLUMNS} columns, the most that a file may have"
    ))
}
