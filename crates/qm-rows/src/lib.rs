//! Files of rows: CSV, JSON and Excel read as a declaration says, row by row, in bounded memory.
//! A row is what the declaration promises, or a reject with a reason, line and column.
//!
//! ```text
//! let mut rows = Rows::new(&declaration, &key, &RowsFile { name, facts: Some(facts) })?;
//! let mut output = Output::default();
//! for each piece of the file:
//!     while !piece.is_empty():
//!         let taken = rows.push(piece, &mut output)?;      // stops early when the output is full
//!         piece = &piece[taken..];
//!         if output.is_full() { write output.batch and output.rejects; output.clear() }
//! loop:
//!     let finish = rows.finish(&mut output)?;
//!     write output.batch and output.rejects; output.clear();
//!     if finish == Finish::Done { break }
//! ```
//!
//! A row is wrong: a [`Reject`]. A file is wrong (an open quote, two columns of one header, a bomb, too
//! many rejects): an error of kind `Refused` with a sentence for its sender, from `push` or `finish`;
//! what is in the output then is still true. A declaration is wrong: `Invalid`, from `new`.

mod batch;
mod check;
mod collect;
mod csv;
mod decode;
mod excel;
mod json;
mod limits;
mod output;
mod rejects;
mod room;
mod rows;
mod shape;
mod suggest;
mod value;

pub use batch::{Batch, Cell, Decimal, Row};
pub use check::{Check, Report};
pub use output::{Finish, Output, Reject};
pub use rejects::RejectsWriter;
pub use rows::{Rows, RowsFile, is_workbook};
pub use suggest::{Naming, Sample, Suggestion, suggest};
pub use value::check_constant;
