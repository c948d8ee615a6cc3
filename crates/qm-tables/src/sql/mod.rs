//! What the two databases of SQL have in common: which columns a load writes, how staged rows are
//! merged into a table, and the rows that say what was loaded. Both read the texts made here.

pub(crate) mod differences;
pub(crate) mod layout;
pub(crate) mod loads;
pub(crate) mod merge;
pub(crate) mod text;
pub(crate) mod undo;

/// A name as both databases read it, whatever is in it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as both databases read it.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
