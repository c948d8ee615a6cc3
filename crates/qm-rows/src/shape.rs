//! How the cells of a file become the cells of a table: the declaration, bound to a header.

use qm_core::config::{Column, ColumnSource, Declaration, OtherColumns};
use qm_core::template::Facts;
use qm_core::{Error, Kind, Result};
use std::collections::{HashMap, HashSet};

use crate::Batch;
use crate::value::{Raw, Value, ValueReader, quoted};

/// What is known before a header is: the declaration, read once.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    columns: Vec<Planned>,
    others: OtherColumns,
    key: Vec<String>,
}

#[derive(Clone, Debug)]
struct Planned {
    name: String,
    source: PlannedSource,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum PlannedSource {
    Header(String),
    Fixed(Value),
}

/// How a column's cells are read.
#[derive(Clone, Debug)]
struct Rule {
    reader: ValueReader,
    /// Of cells that are empty; `None`: what is empty is kept as it is.
    empty: Option<Value>,
    is_key: bool,
    is_required: bool,
}

/// The plan bound to a header.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// The file's, in its order.
    headers: Vec<String>,
    names: Vec<String>,
    columns: Vec<Bound>,
    /// Cells under no name.
    unnamed: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Bound {
    source: Source,
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Source {
    /// The cell at a place of the row.
    Cell(usize),
    /// The file has no such column: this is what it would be called, and what is close to it.
    Absent {
        header: String,
        hint: String,
    },
    Fixed(Value),
}

/// Why a row is none.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) column: Option<String>,
    pub(crate) reason: String,
}

impl Plan {
    pub(crate) fn new(
        declaration: &Declaration,
        key: &[String],
        facts: Option<&Facts<'_>>,
    ) -> Result<Self> {
        let columns = declaration
            .columns
            .iter()
            .map(|column| planned(column, declaration, key, facts))
            .collect::<Result<Vec<_>>>()?;
        let unknown = key
            .iter()
            .find(|key| !columns.is_empty() && columns.iter().all(|c| c.name != **key));
        if let Some(unknown) = unknown {
            return Err(Error::new(
                Kind::Invalid,
                format!("the key column {unknown} is not declared"),
            ));
        }
        Ok(Self {
            columns,
            others: declaration.others,
            key: key.to_vec(),
        })
    }

    /// What rows will be called, if that does not depend on the file.
    pub(crate) fn names(&self) -> Option<Vec<String>> {
        let names = self.columns.iter().map(|column| column.name.clone());
        (!self.columns.is_empty()).then(|| names.collect())
    }

    /// The headers that the declaration reads, in its order.
    pub(crate) fn headers(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        self.columns
            .iter()
            .filter_map(|column| match &column.source {
                PlannedSource::Header(header) => Some(header),
                PlannedSource::Fixed(_) => None,
            })
            .filter(|header| seen.insert(header.as_str()))
            .cloned()
            .collect()
    }

    /// True if files without a header row are none of ours: it has one column, and not one that is
    /// wanted.
    pub(crate) fn is_foreign(&self, headers: &[String]) -> bool {
        let wanted = if self.columns.is_empty() {
            self.key.clone()
        } else {
            self.headers()
        };
        headers.len() == 1 && !wanted.is_empty() && !wanted.contains(&headers[0])
    }

    pub(crate) fn is_other(&self, header: &str) -> bool {
        !self.columns.is_empty()
            && !self
                .columns
                .iter()
                .any(|column| matches!(&column.source, PlannedSource::Header(own) if own == header))
    }

    pub(crate) fn refuses_others(&self) -> bool {
        match self.others {
            OtherColumns::Ignore => false,
            OtherColumns::Refuse => !self.columns.is_empty(),
        }
    }

    /// Binds it to the header of a file. `Refused` if two columns have one name, or some are not
    /// declared and must be.
    pub(crate) fn bind(&self, headers: Vec<String>) -> Result<Shape> {
        let mut places = HashMap::new();
        for (place, header) in headers.iter().enumerate() {
            if header.is_empty() {
                continue;
            }
            if let Some(first) = places.insert(header.as_str(), place) {
                return Err(refused(format!(
                    "two columns, {} and {}, have the same header {}",
                    first + 1,
                    place + 1,
                    quoted(header)
                )));
            }
            if self.refuses_others() && self.is_other(header) {
                return Err(refused(format!(
                    "the column {} is not declared, and no others may be there",
                    quoted(header)
                )));
            }
        }
        let unnamed = (0..headers.len()).filter(|place| headers[*place].is_empty());
        let unnamed: Vec<usize> = unnamed.collect();
        let (names, columns) = if self.columns.is_empty() {
            self.verbatim(&headers, &places)
        } else {
            self.columns
                .iter()
                .map(|column| (column.name.clone(), column.bound(&headers, &places)))
                .unzip()
        };
        Ok(Shape {
            headers,
            names,
            columns,
            unnamed,
        })
    }

    /// Every cell as text under its header; keys that the file does not have come last.
    fn verbatim(
        &self,
        headers: &[String],
        places: &HashMap<&str, usize>,
    ) -> (Vec<String>, Vec<Bound>) {
        let named = headers.iter().filter(|header| !header.is_empty());
        let absent = self
            .key
            .iter()
            .filter(|key| !places.contains_key(key.as_str()));
        named
            .chain(absent)
            .map(|header| {
                let rule = Rule {
                    reader: ValueReader::Text,
                    empty: None,
                    is_key: self.key.contains(header),
                    is_required: false,
                };
                let source = source(header, headers, places);
                (header.clone(), Bound { source, rule })
            })
            .unzip()
    }
}

fn planned(
    column: &Column,
    declaration: &Declaration,
    key: &[String],
    facts: Option<&Facts<'_>>,
) -> Result<Planned> {
    let reader = ValueReader::new(column, declaration.decimal_mark)?;
    let value = |text: &str| {
        reader.value(text).map_err(|reason| {
            Error::new(Kind::Invalid, format!("column {}: {reason}", column.name))
        })
    };
    let empty = match &column.default {
        Some(text) => value(text)?,
        None => Value::Other(crate::Cell::Null),
    };
    let source = match (&column.source, facts) {
        (ColumnSource::Header(header), _) => PlannedSource::Header(header.clone()),
        (ColumnSource::Fixed(template), Some(facts)) => {
            PlannedSource::Fixed(value(&template.render(facts)?)?)
        }
        (ColumnSource::Fixed(_), None) => PlannedSource::Fixed(Value::Other(crate::Cell::Null)),
    };
    Ok(Planned {
        name: column.name.clone(),
        source,
        rule: Rule {
            reader,
            empty: Some(empty),
            is_key: key.contains(&column.name),
            is_required: column.required,
        },
    })
}

impl Planned {
    fn bound(&self, headers: &[String], places: &HashMap<&str, usize>) -> Bound {
        let source = match &self.source {
            PlannedSource::Header(header) => source(header, headers, places),
            PlannedSource::Fixed(value) => Source::Fixed(value.clone()),
        };
        Bound {
            source,
            rule: self.rule.clone(),
        }
    }
}

fn source(header: &str, headers: &[String], places: &HashMap<&str, usize>) -> Source {
    if let Some(place) = places.get(header) {
        return Source::Cell(*place);
    }
    let plain = |header: &str| header.trim().to_lowercase();
    let close = headers.iter().find(|own| plain(own) == plain(header));
    Source::Absent {
        header: header.to_owned(),
        hint: close.map_or_else(String::new, |own| format!("; the file has {}", quoted(own))),
    }
}

impl Shape {
    pub(crate) fn headers(&self) -> &[String] {
        &self.headers
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Adds a row of `count` cells to the batch, or nothing.
    pub(crate) fn read<'a>(
        &self,
        batch: &mut Batch,
        (number, line): (u64, u64),
        count: usize,
        cell: impl Fn(usize) -> Raw<'a>,
    ) -> Result<(), Fault> {
        if count > self.headers.len() {
            return Err(Fault {
                column: None,
                reason: format!("{count} cells, where the header has {}", self.headers.len()),
            });
        }
        for place in &self.unnamed {
            if cell(*place).text().is_some_and(|text| !text.is_empty()) {
                return Err(Fault {
                    column: Some(format!("number {}", place + 1)),
                    reason: "a value in a column without a header".to_owned(),
                });
            }
        }
        let mark = batch.begin(self.columns.len());
        for column in &self.columns {
            if let Err(fault) = column.read(batch, &self.headers, &cell) {
                batch.rollback(mark);
                return Err(fault);
            }
        }
        batch.commit(number, line);
        Ok(())
    }
}

impl Bound {
    fn read<'a>(
        &self,
        batch: &mut Batch,
        headers: &[String],
        cell: impl Fn(usize) -> Raw<'a>,
    ) -> Result<(), Fault> {
        let rule = &self.rule;
        let (raw, header) = match &self.source {
            Source::Cell(place) => (cell(*place), headers[*place].as_str()),
            Source::Absent { header, .. } => (Raw::Missing, header.as_str()),
            Source::Fixed(value) => {
                batch.push(value.cell());
                return Ok(());
            }
        };
        // Blanks are a text, but no key.
        let is_empty = raw.text().is_none_or(|text| {
            rule.reader.is_empty(text) || (rule.is_key && text.trim_ascii().is_empty())
        });
        if !is_empty {
            let value = rule.reader.read(raw).map_err(|reason| Fault {
                column: Some(header.to_owned()),
                reason,
            })?;
            batch.push(value);
            return Ok(());
        }
        let stands_for = match &rule.empty {
            Some(value) => value.cell(),
            None if raw == Raw::Missing => crate::Cell::Null,
            None => crate::Cell::Text(""),
        };
        let is_null = stands_for == crate::Cell::Null;
        let is_lacking = if rule.is_key {
            is_null || stands_for == crate::Cell::Text("")
        } else {
            is_null && rule.is_required
        };
        if is_lacking {
            return Err(Fault {
                column: Some(header.to_owned()),
                reason: self.lacks(raw == Raw::Missing),
            });
        }
        batch.push(stands_for);
        Ok(())
    }

    fn lacks(&self, is_missing: bool) -> String {
        let what = if self.rule.is_key {
            "the key is"
        } else {
            "a value is required, and it is"
        };
        match &self.source {
            Source::Absent { header, hint } => {
                format!("the file has no column {}{hint}", quoted(header))
            }
            Source::Cell(_) if is_missing => format!("{what} missing"),
            Source::Cell(_) | Source::Fixed(_) => format!("{what} empty"),
        }
    }
}

pub(crate) fn refused(sentence: impl Into<String>) -> Error {
    Error::new(Kind::Refused, sentence)
}
