//! Bytes in, rows out.

use qm_core::Result;
use qm_core::config::Declaration;
use qm_core::template::Facts;

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
pub struct Rows {}

impl Rows {
    /// Nothing read yet. `key` are the names of columns (headers, if none is declared) that are
    /// never empty.
    pub fn new(declaration: &Declaration, key: &[String], file: &RowsFile<'_>) -> Result<Self>;

    /// Reads on. Says how many of the bytes it took: fewer than there are only if the output is full.
    /// Of a workbook nothing comes out before [`Rows::finish`].
    pub fn push(&mut self, bytes: &[u8], output: &mut Output) -> Result<usize>;

    /// Reads what is left after the last byte. To be called until it is done.
    pub fn finish(&mut self, output: &mut Output) -> Result<Finish>;

    /// The names of the cells of every row, in their order, once they are known: those declared at
    /// once, those of a header with it. An empty file never has any.
    pub fn columns(&self) -> Option<&[String]>;

    /// Rows so far, rejected ones counted.
    pub fn read(&self) -> u64;

    /// Rejected rows so far.
    pub fn rejected(&self) -> u64;
}
