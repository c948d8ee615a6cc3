//! Files that want more than they should have.

use flate2::Compression;
use flate2::write::GzEncoder;
use qm_core::config::Declaration;
use std::io::Write;

use super::{File, plain};

const MIB: usize = 1024 * 1024;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// As many pieces of a file, each the same.
fn times(piece: &[u8], count: usize) -> impl Iterator<Item = &[u8]> {
    std::iter::repeat_n(piece, count)
}

#[test]
fn a_line_of_a_gigabyte_is_one_reject() {
    let piece = vec![b'x'; MIB];
    let pieces = std::iter::once(b"a,b\n1,2\n".as_slice())
        .chain(times(&piece, 1024))
        .chain([b",y\n3,4\n".as_slice()]);
    let read = plain("a.csv", &[]).read(pieces);
    assert_eq!(read.error, None);
    assert_eq!(read.texts(), ["'1'|'2'", "'3'|'4'"]);
    assert_eq!(
        read.sentences(),
        ["line 3: longer than 8 MiB, the most that a row may have"]
    );
    assert!(read.rejects[0].cells.is_empty());
}

#[test]
fn a_value_of_a_gigabyte_is_one_reject() {
    let piece = vec![b'x'; MIB];
    let pieces = std::iter::once(b"[{\"a\":1},{\"a\":\"".as_slice())
        .chain(times(&piece, 1024))
        .chain([b"\"},\n{\"a\":2}]".as_slice()]);
    let read = plain("a.json", &[]).read(pieces);
    assert_eq!(read.error, None);
    assert_eq!(read.texts(), ["'1'", "'2'"]);
    assert_eq!(
        read.sentences(),
        ["line 1: longer than 8 MiB, the most that a row may have"]
    );
}

#[test]
fn a_quote_that_is_never_closed_refuses_the_file_where_it_opens() {
    let read = plain("a.csv", &[]).read([b"a,b\n1,2\n3,\"4\n5,6\n".as_slice()]);
    assert_eq!(
        read.error.as_deref(),
        Some("line 3: a quote is opened in this row and never closed")
    );
    assert_eq!(read.texts(), ["'1'|'2'"]);
    let piece = "5,6\n".repeat(MIB / 4);
    let pieces =
        std::iter::once(b"a,b\n1,2\n3,\"4\n".as_slice()).chain(times(piece.as_bytes(), 100));
    let read = plain("a.csv", &[]).read(pieces);
    assert_eq!(
        read.error.as_deref(),
        Some("line 3: a quote is opened in this row and not closed within 8 MiB")
    );
    let read = plain("a.csv", &[]).read([b"\"a,b\n1,2\n".as_slice()]);
    assert_eq!(
        read.error.as_deref(),
        Some("line 1: a quote is opened in this row and never closed")
    );
    let pieces = std::iter::once(b"\"a,b\n".as_slice()).chain(times(piece.as_bytes(), 100));
    let read = plain("a.csv", &[]).read(pieces);
    assert_eq!(
        read.error.as_deref(),
        Some("the header row is longer than 8 MiB, or a quote in it is never closed")
    );
}

#[test]
fn more_columns_than_a_table_can_have_are_refused() {
    let header = |count: usize| {
        let names: Vec<String> = (0..count).map(|at| format!("c{at}")).collect();
        names.join(",")
    };
    let read = plain("a.csv", &[]).read([header(100_000).as_bytes()]);
    assert_eq!(
        read.error.as_deref(),
        Some("the header has more than 4096 columns, the most that a file may have")
    );
    let read = plain("a.csv", &[]).read([header(4096).as_bytes()]);
    assert_eq!(
        (read.error, read.columns.map(|c| c.len())),
        (None, Some(4096))
    );
    let members: Vec<String> = (0..100_000).map(|at| format!("\"c{at}\":1")).collect();
    let object = format!("{{{}}}", members.join(","));
    let read = plain("a.json", &[]).read([object.as_bytes()]);
    assert_eq!(
        read.sentences(),
        ["line 1: not an object of JSON: more than 4096 members"]
    );
}

#[test]
fn a_row_of_a_million_cells_shows_a_few_of_them() {
    let row = format!("a,b\n{}\n1,2\n\"\"{}\n", ",".repeat(MIB), ",".repeat(MIB));
    let read = plain("a.csv", &[]).read([row.as_bytes()]);
    assert_eq!(read.texts(), ["'1'|'2'"]);
    assert_eq!(
        read.sentences(),
        [
            "line 2: 1048577 cells, where the header has 2",
            "line 4: 1048577 cells, where the header has 2"
        ]
    );
    assert_eq!(read.rejects[0].cells, read.rejects[1].cells);
    assert_eq!(read.rejects[0].cells.len(), 18);
}

#[test]
fn depth_costs_nothing() {
    let deep = format!(
        "{{\"a\":{}{}}}\n{{\"a\":1}}",
        "[".repeat(MIB),
        "]".repeat(MIB)
    );
    let read = plain("a.json", &[]).read([deep.as_bytes()]);
    assert_eq!(read.error, None);
    assert_eq!(read.read, 2);
    assert_eq!(
        read.sentences(),
        ["line 1, column a: longer than 1 MiB, the most that a cell may have"]
    );
}

#[test]
fn nul_bytes_are_no_text() {
    let read = plain("a.csv", &[]).read([b"a,b\n1,\0\n2,3\n".as_slice()]);
    assert_eq!(read.texts(), ["'2'|'3'"]);
    assert_eq!(
        read.sentences(),
        ["line 2, column b: has a NUL character, which text cannot have"]
    );
    let zeros = vec![0; MIB];
    let read = plain("a.csv", &["ID"]).read(times(&zeros, 20));
    assert!(read.error.is_some());
}

#[test]
fn gzip_is_unpacked_whatever_the_file_is() {
    let mut csv = gzip(b"a,b\n1,");
    csv.extend(gzip(b"2\n3,4\n"));
    let json = gzip(b"[{\"a\":1,\"b\":2},{\"a\":3,\"b\":4}]");
    for (name, bytes) in [
        ("a.csv.gz", csv),
        ("a.json.GZ", json.clone()),
        ("a.json", json),
    ] {
        let read = plain(name, &[]).read([bytes.as_slice()]);
        assert_eq!(
            (read.error.as_deref(), read.texts()),
            (None, vec!["'1'|'2'".to_owned(), "'3'|'4'".to_owned()])
        );
    }
    let empty = plain("a.csv.gz", &[]).read([gzip(b"").as_slice()]);
    assert_eq!((empty.error, empty.read), (None, 0));
}

#[test]
fn a_gzip_that_is_cut_or_damaged_is_refused() {
    let whole = gzip("a,b\n1,2\n".repeat(10_000).as_bytes());
    for length in [3, 12, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        let read = plain("a.csv.gz", &[]).read([&whole[..length]]);
        assert_eq!(
            read.error.as_deref(),
            Some("the gzip file ends in its middle"),
            "{length}"
        );
    }
    let mut damaged = whole;
    let last = damaged.len() - 6;
    damaged[last] ^= 1;
    let read = plain("a.csv.gz", &[]).read([damaged.as_slice()]);
    assert_eq!(read.error.as_deref(), Some("the gzip file is damaged"));
}

#[test]
fn a_gzip_bomb_is_refused_before_it_is_unpacked() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"a,b\n").unwrap();
    let zeros = vec![b'0'; MIB];
    for _ in 0..70 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let read = plain("a.csv.gz", &[]).read([bomb.as_slice()]);
    assert_eq!(
        read.error.as_deref(),
        Some("the gzip file becomes more than 200 times its size")
    );
}

#[test]
fn rejects_do_not_heap_up() {
    let rows = "a,b\n".to_owned() + &"1,2,3\n".repeat(100_000);
    let file = File {
        declaration: Declaration::default(),
        ..plain("a.csv", &[])
    };
    let mut reader = qm_rows::Rows::new(
        &file.declaration,
        &[],
        &qm_rows::RowsFile {
            name: file.name,
            facts: None,
        },
    )
    .unwrap();
    let mut output = qm_rows::Output::default();
    let mut rest = rows.as_bytes();
    while !rest.is_empty() {
        let taken = reader.push(rest, &mut output).unwrap();
        assert!(output.rejects.len() <= 1024);
        rest = &rest[taken..];
        output.clear();
    }
    assert_eq!(reader.rejected(), 100_000);
}
