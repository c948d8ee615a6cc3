//! Files of rows: CSV, JSON and Excel read as a declaration says, row by row, in bounded memory.
//! A row is what the declaration promises, or a reject with a reason, line and column.

mod batch;

pub use batch::{Batch, Cell, Decimal, Row};
