//! Bytes in, rows out.

use qm_core::config::{Declaration, RowFormat};
use qm_core::template::Facts;
use qm_core::{Error, Kind, Result};
use std::fmt;

use crate::collect::Collector;
use crate::csv::Csv;
use crate::decode::Decode;
use crate::excel::Excel;
use crate::json::Json;
use crate::{Finish, Output};

/// What is known of a file before it is read.
#[derive(Clone, Copy, Debug)]
pub struct RowsFile<'a> {
    /// Its name: the extension says how its rows are written, if the declaration does not.
    pub name: &'a str,
    /// What placeholders of fixed columns stand for; `None` where nothing is loaded: fixed columns
    /// are null then.
    pub facts: Option<Facts<'a>>,
}

/// A file being read.
pub struct Rows {
    decode: Decode,
    reader: Reader,
    collector: Collector,
}

enum Reader {
    Csv(Csv),
    Json(Box<Json>),
    Excel(Box<Excel>),
}

impl Rows {
    /// Nothing read yet. `key` are the names of columns (headers, if none is declared) that are
    /// never empty.
    pub fn new(declaration: &Declaration, key: &[String], file: &RowsFile<'_>) -> Result<Self> {
        let format = match declaration.format {
            Some(format) => format,
            None => format_of(file.name)?,
        };
        let mut collector = Collector::new(declaration, key, file.facts.as_ref())?;
        let reader = match format {
            RowFormat::Csv => Reader::Csv(Csv::new(declaration)?),
            RowFormat::Json => Reader::Json(Box::new(Json::new(&mut collector)?)),
            RowFormat::Xlsx | RowFormat::Xls => {
                Reader::Excel(Box::new(Excel::new(declaration.sheet.clone())))
            }
        };
        let is_text = match format {
            RowFormat::Csv | RowFormat::Json => true,
            RowFormat::Xlsx | RowFormat::Xls => false,
        };
        Ok(Self {
            decode: Decode::new(declaration.encoding, is_text),
            reader,
            collector,
        })
    }

    /// Says that it is one of many that are read at once, none of which can wait: a workbook's bytes are
    /// held within the memory that they share, or `push` fails with `Limit`.
    pub(crate) fn share_room(&mut self) {
        match &mut self.reader {
            Reader::Excel(excel) => excel.share_room(),
            Reader::Csv(_) | Reader::Json(_) => {}
        }
    }

    /// Reads on. Says how many of the bytes it took: fewer than there are only if the output is full.
    /// Of a workbook nothing comes out before [`Rows::finish`].
    pub fn push(&mut self, bytes: &[u8], output: &mut Output) -> Result<usize> {
        let mut taken = 0;
        loop {
            if !self.drain(output)? {
                return Ok(taken);
            }
            let rest = &bytes[taken..];
            if rest.is_empty() {
                return Ok(taken);
            }
            if self.decode.is_idle() {
                taken += self.reader.push(rest, &mut self.collector, output)?;
                self.collector.check_rejected(Part::Some)?;
                if output.is_full() {
                    return Ok(taken);
                }
            } else {
                taken += self.decode.feed(rest);
            }
        }
    }

    /// Reads what is left after the last byte. To be called until it is done.
    pub fn finish(&mut self, output: &mut Output) -> Result<Finish> {
        loop {
            if !self.drain(output)? {
                return Ok(Finish::More);
            }
            if !self.decode.end()? {
                break;
            }
        }
        let finish = self.reader.finish(&mut self.collector, output)?;
        self.collector.check_rejected(match finish {
            Finish::More => Part::Some,
            Finish::Done => Part::Whole,
        })?;
        Ok(finish)
    }

    /// The names of the cells of every row, in their order, once they are known: those declared at
    /// once, those of a header with it. An empty file never has any.
    pub fn columns(&self) -> Option<&[String]> {
        self.collector.columns()
    }

    /// The headers of the file, in its order; none before they are known.
    pub fn headers(&self) -> &[String] {
        self.collector.headers()
    }

    /// CSV: what is between cells, once the header row is read.
    pub fn delimiter(&self) -> Option<char> {
        match &self.reader {
            Reader::Csv(csv) => csv.delimiter().map(char::from),
            Reader::Json(_) | Reader::Excel(_) => None,
        }
    }

    /// Rows so far, rejected ones counted.
    pub fn read(&self) -> u64 {
        self.collector.read()
    }

    /// Rejected rows so far.
    pub fn rejected(&self) -> u64 {
        self.collector.rejected()
    }

    /// Reads all that is decoded. False if the output is full first.
    fn drain(&mut self, output: &mut Output) -> Result<bool> {
        while self.decode.unpack()? {
            if output.is_full() {
                return Ok(false);
            }
            let waiting = self.decode.waiting();
            let taken = self.reader.push(waiting, &mut self.collector, output)?;
            self.decode.take(taken);
            self.collector.check_rejected(Part::Some)?;
        }
        Ok(!output.is_full())
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("read", &self.read())
            .field("rejected", &self.rejected())
            .finish_non_exhaustive()
    }
}

/// How much of a file is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    Some,
    Whole,
}

impl Reader {
    fn push(
        &mut self,
        bytes: &[u8],
        collector: &mut Collector,
        output: &mut Output,
    ) -> Result<usize> {
        match self {
            Self::Csv(csv) => csv.push(bytes, collector, output),
            Self::Json(json) => json.push(bytes, collector, output),
            Self::Excel(excel) => excel.push(bytes),
        }
    }

    fn finish(&mut self, collector: &mut Collector, output: &mut Output) -> Result<Finish> {
        match self {
            Self::Csv(csv) => csv.finish(collector, output),
            Self::Json(json) => json.finish(collector, output).map(|()| Finish::Done),
            Self::Excel(excel) => excel.finish(collector, output),
        }
    }
}

/// True for a file that is held in memory while it is read: whoever reads many of them says how many at
/// a time.
pub fn is_workbook(declaration: &Declaration, name: &str) -> bool {
    let format = declaration.format.or_else(|| format_of(name).ok());
    matches!(format, Some(RowFormat::Xlsx | RowFormat::Xls))
}

/// How the rows of a file are written, by its name; `.gz` after it does not count.
pub(crate) fn format_of(name: &str) -> Result<RowFormat> {
    const EXTENSIONS: [(&str, RowFormat); 9] = [
        ("csv", RowFormat::Csv),
        ("tsv", RowFormat::Csv),
        ("tab", RowFormat::Csv),
        ("txt", RowFormat::Csv),
        ("json", RowFormat::Json),
        ("ndjson", RowFormat::Json),
        ("jsonl", RowFormat::Json),
        ("xlsx", RowFormat::Xlsx),
        ("xls", RowFormat::Xls),
    ];
    let lower = name.to_ascii_lowercase();
    let plain = lower.strip_suffix(".gz").unwrap_or(&lower);
    let extension = plain
        .rsplit_once('.')
        .map_or("", |(_, extension)| extension);
    EXTENSIONS
        .iter()
        .find(|(own, _)| *own == extension)
        .map(|(_, format)| *format)
        .ok_or_else(|| {
            let found = crate::value::quoted(name);
            let sentence = format!("how the rows of {found} are written is not known by its name");
            Error::new(Kind::Invalid, sentence).help("declare `format`: csv, json, xlsx or xls")
        })
}
