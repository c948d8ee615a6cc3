//! However a file is cut into pieces, its rows are the same.

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use qm_core::config::{ColumnType, Encoding};
use std::io::Write;

use super::{File, declared, plain};

fn cut<'a>(bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for length in lengths.iter().cycle() {
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        pieces.push(piece);
        rest = after;
        if rest.is_empty() {
            return pieces;
        }
    }
    pieces
}

fn files() -> Vec<(File<'static>, bool)> {
    let typed = declared(&[
        ("a", ColumnType::Integer),
        ("b", ColumnType::Decimal),
        ("c", ColumnType::Text),
    ]);
    let mut utf16 = plain("a.csv", &["a"]);
    utf16.declaration.encoding = Encoding::Utf16;
    vec![
        (plain("a.csv", &["a"]), false),
        (plain("a.json", &["a"]), false),
        (
            File {
                declaration: typed,
                ..plain("a.csv", &["a"])
            },
            false,
        ),
        (plain("a.csv.gz", &["a"]), true),
        (utf16, false),
    ]
}

#[track_caller]
fn same_however_it_is_cut(text: &[u8], lengths: &[usize]) {
    for (file, is_packed) in files() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        let bytes = if is_packed {
            encoder.finish().unwrap()
        } else {
            text.to_vec()
        };
        let whole = file.read([bytes.as_slice()]);
        let pieces = file.read(cut(&bytes, lengths));
        assert_eq!(whole, pieces);
    }
}

/// Text that is nearly CSV or JSON.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just("a,b,c\n"),
        Just("\""),
        Just("\"\""),
        Just(","),
        Just("\n"),
        Just("\r\n"),
        Just("\r"),
        Just(";"),
        Just("1"),
        Just("-2.5"),
        Just("é"),
        Just("\u{2028}"),
        Just("{\"a\":1,\"b\":\"x\"}"),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just("\\"),
        Just("\u{feff}"),
        Just("\0"),
        Just(" "),
        Just("text"),
    ];
    let bad = prop_oneof![9 => Just(b"".as_slice()), 1 => Just(b"\xff".as_slice())];
    prop::collection::vec((part, bad), 0..60).prop_map(|parts| {
        parts
            .into_iter()
            .flat_map(|(part, bad)| [part.as_bytes(), bad].concat())
            .collect()
    })
}

fn quote(cell: &str, always: bool) -> String {
    if always || cell.contains(['"', ',', '\n', '\r']) || cell.is_empty() {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(text in nearly(), lengths in prop::collection::vec(1_usize..9, 1..8)) {
        same_however_it_is_cut(&text, &lengths);
    }

    #[test]
    fn pieces_of_rows_do_not_matter(
        rows in nearly(),
        lengths in prop::collection::vec(1_usize..40, 1..8),
    ) {
        for head in ["a,b,c\n", "\u{feff}a,b,c\r\n", "[", "{\"a\":1}\n"] {
            let text = [head.as_bytes(), &rows].concat();
            same_however_it_is_cut(&text, &lengths);
        }
    }

    #[test]
    fn what_is_written_with_quotes_is_read_back(
        rows in prop::collection::vec(prop::collection::vec("[a-z\",;\\n\\r é'=]{0,8}", 3), 0..20),
        always in any::<bool>(),
        lengths in prop::collection::vec(1_usize..50, 1..8),
        line_break in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
    ) {
        let mut text = format!("a,b,c{line_break}");
        for row in &rows {
            let cells: Vec<String> = row.iter().map(|cell| quote(cell, always)).collect();
            text.push_str(&cells.join(","));
            text.push_str(line_break);
        }
        let read = plain("a.csv", &[]).read(cut(text.as_bytes(), &lengths));
        prop_assert_eq!(&read.error, &None);
        let expect: Vec<String> = rows
            .iter()
            .map(|row| row.iter().map(|cell| format!("'{cell}'")).collect::<Vec<_>>().join("|"))
            .collect();
        prop_assert_eq!(read.texts(), expect);
    }
}
