//! The file that is loaded: every kind of column, all cells filled, the same bytes on every machine.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// A file of rows.
pub(super) struct Rows {
    pub(super) path: PathBuf,
    pub(super) count: u64,
    pub(super) bytes: u64,
}

/// The declaration of its rows, as the configuration has it.
pub(super) const DECLARATION: &str = r#"
[declaration.rows]
format = "csv"
delimiter = ","
column.id.type = "integer"
column.name.type = "text"
column.price.type = "decimal"
column.in_stock.type = "boolean"
column.since.type = "date"
column.seen_at.type = "timestamp"
column.note.type = "text"
"#;

/// The names of its columns.
pub(super) const HEADER: &str = "id,name,price,in_stock,since,seen_at,note";

impl Rows {
    pub(super) fn write(path: &Path, count: u64) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
        let mut text = BufWriter::with_capacity(1 << 20, file);
        writeln!(text, "{HEADER}")?;
        for number in 0..count {
            write_row(&mut text, number)?;
        }
        let file = text.into_inner()?;
        file.sync_all()?;
        Ok(Self {
            path: path.to_owned(),
            count,
            bytes: file.metadata()?.len(),
        })
    }
}

/// About 100 bytes; one in eight has a quoted cell.
fn write_row(text: &mut impl std::io::Write, number: u64) -> std::io::Result<()> {
    // Mixed, so that nothing compresses or sorts by itself.
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let price = mixed >> 44;
    let note = if number.is_multiple_of(8) {
        "\"quoted, with a comma and \"\"quotes\"\"\""
    } else {
        "plain words that need no quotes"
    };
    writeln!(
        text,
        "{number},Product {:08x} Größe {},{}.{:02},{},20{:02}-{:02}-{:02},2026-{:02}-{:02}T{:02}:{:02}:{:02}Z,{note}",
        mixed >> 32,
        mixed % 50,
        price / 100,
        price % 100,
        if mixed.is_multiple_of(2) {
            "true"
        } else {
            "false"
        },
        mixed % 30,
        mixed % 12 + 1,
        mixed % 28 + 1,
        mixed % 11 + 1,
        mixed % 27 + 1,
        mixed % 24,
        mixed % 60,
        mixed % 59,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_about_a_hundred_bytes_and_always_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let one = Rows::write(&folder.path().join("a"), 1_000).unwrap();
        let other = Rows::write(&folder.path().join("b"), 1_000).unwrap();
        assert_eq!(
            std::fs::read(&one.path).unwrap(),
            std::fs::read(&other.path).unwrap()
        );
        assert!(
            (90..130).contains(&(one.bytes / one.count)),
            "{}",
            one.bytes / one.count
        );
    }
}
