//! Rows on their way, a bounded number at a time, without an allocation a row.

/// A value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// As written in the file.
    Text(&'a str),
    /// 64 bits with sign.
    Integer(i64),
    /// Exact.
    Decimal(Decimal),
    /// True or false.
    Boolean(bool),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

/// A decimal number of up to 38 digits: `mantissa / 10^scale`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Decimal {
    /// Its digits.
    pub mantissa: i128,
    /// How many of them are behind the point: at most 38.
    pub scale: u8,
}

/// The same without a lifetime; text lies in the batch's one string.
#[derive(Clone, Copy, Debug)]
enum Stored {
    Null,
    Text {
        start: u32,
        end: u32,
    },
    Integer(i64),
    /// Which of the batch's decimals: 16 bytes more a cell would halve what a cache holds.
    Decimal(u32),
    Boolean(bool),
    Date(i32),
    Timestamp(i64),
}

/// Text beyond this makes a batch full.
const TEXT_BYTES: usize = 1024 * 1024;
/// Rows beyond this make a batch full.
const ROWS: usize = 8 * 1024;
/// Cells beyond this make a batch full: rows of many columns take no more memory than others.
const CELLS: usize = 64 * 1024;

/// Some rows of a file, in its order, each with the same number of cells.
#[derive(Debug, Default)]
pub struct Batch {
    columns: usize,
    text: String,
    cells: Vec<Stored>,
    decimals: Vec<Decimal>,
    numbers: Vec<u64>,
    lines: Vec<u64>,
}

/// Where a row began, for when it proves to be none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    text: usize,
    cells: usize,
    decimals: usize,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Which row of the file, from 1, rejected ones counted; what an interrupted load goes on by.
    pub number: u64,
    /// The line it begins on, as in [`crate::Reject`].
    pub line: u64,
    batch: &'a Batch,
    start: usize,
}

impl Batch {
    /// None yet, of so many cells each.
    pub fn new(columns: usize) -> Self {
        Self {
            columns,
            ..Self::default()
        }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// True if it should be written before more is read.
    pub fn is_full(&self) -> bool {
        self.len() >= ROWS || self.text.len() >= TEXT_BYTES || self.cells.len() >= CELLS
    }

    /// The rows, in the file's order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let places = self.numbers.iter().zip(&self.lines).enumerate();
        places.map(|(i, (number, line))| Row {
            number: *number,
            line: *line,
            batch: self,
            start: i * self.columns,
        })
    }

    /// True if any text of any row has the character.
    pub fn has_text_with(&self, character: char) -> bool {
        self.text.contains(character)
    }

    /// Forgets the rows for which `keep` says no; the others stay in their order.
    pub fn retain(&mut self, mut keep: impl FnMut(usize, &Row<'_>) -> bool) {
        let kept: Vec<bool> = self
            .rows()
            .enumerate()
            .map(|(index, row)| keep(index, &row))
            .collect();
        let columns = self.columns;
        let mut to = 0;
        for (from, _) in kept.iter().enumerate().filter(|(_, kept)| **kept) {
            self.numbers[to] = self.numbers[from];
            self.lines[to] = self.lines[from];
            self.cells
                .copy_within(from * columns..(from + 1) * columns, to * columns);
            to += 1;
        }
        self.numbers.truncate(to);
        self.lines.truncate(to);
        self.cells.truncate(to * columns);
    }

    /// Forgets the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
        self.decimals.clear();
        self.numbers.clear();
        self.lines.clear();
    }

    /// Begins a row of so many cells.
    pub(crate) fn begin(&mut self, columns: usize) -> Mark {
        debug_assert!(self.is_empty() || self.columns == columns);
        self.columns = columns;
        Mark {
            text: self.text.len(),
            cells: self.cells.len(),
            decimals: self.decimals.len(),
        }
    }

    /// The row's next cell. Rows are far below 4 GiB (`limits::ROW_BYTES`), and so is a batch.
    pub(crate) fn push(&mut self, cell: Cell<'_>) {
        let stored = match cell {
            Cell::Null => Stored::Null,
            Cell::Text(text) => {
                let start = offset(self.text.len());
                self.text.push_str(text);
                Stored::Text {
                    start,
                    end: offset(self.text.len()),
                }
            }
            Cell::Integer(value) => Stored::Integer(value),
            Cell::Decimal(value) => {
                let at = offset(self.decimals.len());
                self.decimals.push(value);
                Stored::Decimal(at)
            }
            Cell::Boolean(value) => Stored::Boolean(value),
            Cell::Date(value) => Stored::Date(value),
            Cell::Timestamp(value) => Stored::Timestamp(value),
        };
        self.cells.push(stored);
    }

    /// The row is one.
    pub(crate) fn commit(&mut self, number: u64, line: u64) {
        self.numbers.push(number);
        self.lines.push(line);
    }

    /// The row is none.
    pub(crate) fn rollback(&mut self, mark: Mark) {
        self.text.truncate(mark.text);
        self.cells.truncate(mark.cells);
        self.decimals.truncate(mark.decimals);
    }
}

fn offset(length: usize) -> u32 {
    u32::try_from(length).expect("a batch is full long before")
}

impl<'a> Row<'a> {
    /// The cell of column `index`, in the order of the declaration.
    pub fn cell(&self, index: usize) -> Cell<'a> {
        match self.batch.cells[self.start + index] {
            Stored::Null => Cell::Null,
            Stored::Text { start, end } => {
                let text = self.batch.text.get(start as usize..end as usize);
                Cell::Text(text.unwrap_or_default())
            }
            Stored::Integer(value) => Cell::Integer(value),
            Stored::Decimal(at) => Cell::Decimal(self.batch.decimals[at as usize]),
            Stored::Boolean(value) => Cell::Boolean(value),
            Stored::Date(value) => Cell::Date(value),
            Stored::Timestamp(value) => Cell::Timestamp(value),
        }
    }

    /// All cells, in the order of the declaration.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'a>> {
        (0..self.batch.columns).map(|index| self.cell(index))
    }
}
