//! `docs/loading.md` lists what is said of rows and files: all of it, in the program's own words.

use flate2::Compression;
use flate2::write::GzEncoder;
use qm_core::config::{ColumnType, Declaration, MaxRejected, OtherColumns};
use std::collections::BTreeSet;
use std::io::Write as _;

use super::excel::workbook;
use super::formulas::{compound, record};
use super::{File, declared, plain};

const DOCUMENT: &str = include_str!("../../../../docs/loading.md");
const MIB: usize = 1024 * 1024;

/// What takes long to come to, and the test that does.
const ELSEWHERE: [(&str, &str); 7] = [
    (
        "the gzip file becomes more than 200 times its size",
        include_str!("hostile.rs"),
    ),
    (
        "the workbook has more than 10000 parts",
        include_str!("excel.rs"),
    ),
    (
        "the workbook becomes too large when it is unpacked; send rows as CSV",
        include_str!("excel.rs"),
    ),
    (
        "the sheet has more than 1024 MiB of text; send rows as CSV",
        include_str!("excel.rs"),
    ),
    (
        "the sheet has more than 50000000 cells; send rows as CSV",
        include_str!("../../src/excel/sheet.rs"),
    ),
    (
        // No workbook is known of which it does; should one be, it is told and ends nothing.
        "the workbook is damaged: its reader gave up",
        include_str!("../../src/excel/sheet.rs"),
    ),
    (
        "too many workbooks are being checked at once; send it again later",
        include_str!("room.rs"),
    ),
];

/// The messages of the table behind a sentence.
fn documented(sentence: &str) -> BTreeSet<String> {
    let (_, rest) = DOCUMENT.split_once(sentence).unwrap();
    rest.lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.split('|').nth(1).unwrap().trim().to_owned())
        .collect()
}

/// Why rows are rejected, each once.
fn reasons(file: &File<'_>, bytes: &[u8]) -> Vec<String> {
    let read = file.read([bytes]);
    assert_eq!(read.error, None);
    read.rejects
        .into_iter()
        .map(|reject| reject.reason)
        .collect()
}

/// Every type of column, and rows with a fault each.
fn reasons_of_types() -> Vec<String> {
    let mut declaration = declared(&[
        ("ID", ColumnType::Text),
        ("must", ColumnType::Text),
        ("price", ColumnType::Decimal),
        ("count", ColumnType::Integer),
        ("on", ColumnType::Boolean),
        ("day", ColumnType::Date),
        ("written", ColumnType::Date),
        ("at", ColumnType::Timestamp),
        ("seen", ColumnType::Timestamp),
    ]);
    declaration.columns[1].required = true;
    declaration.columns[6].format = Some("%d.%m.%Y".to_owned());
    declaration.columns[7].zone = Some("Europe/Dublin".to_owned());
    declaration.columns[8].format = Some("%d.%m.%Y %H:%M".to_owned());
    // The last column has no name.
    let mut text = "ID,must,price,count,on,day,written,at,seen,\n1\n".to_owned();
    for (place, cell) in [
        (0, ""),
        (1, ""),
        (1, "a\0b"),
        (2, "cheap"),
        (2, "\"12,99\""),
        (2, "1e99"),
        (3, "x"),
        (3, "99999999999999999999"),
        (4, "x"),
        (5, "31.01.2026"),
        (5, "2026-02-30"),
        (6, "31/01/26"),
        (7, "2026-11-30 noon"),
        (7, "2026-03-29T01:30:00"),
        (7, "9999-12-31T23:59:59"),
        (8, "noon"),
        (9, "x"),
    ] {
        let mut cells = ["1", "x", "", "", "", "", "", "", "", ""];
        cells[place] = cell;
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    let file = File {
        declaration,
        ..plain("a.csv", &["ID"])
    };
    reasons(&file, text.as_bytes())
}

#[test]
fn what_is_said_of_rows_is_documented() {
    let csv = |text: &[u8]| reasons(&plain("a.csv", &["ID"]), text);
    let mut said = reasons_of_types();
    said.extend(csv(b"A,ID\nxx,\xff\nx\n1,2,3\n"));
    said.extend(csv(b"A,B\n1,2\n"));
    said.extend(csv(b"id ,B\n1,2\n"));
    let long = |mib: usize| format!("A,ID\n{},1\n", "x".repeat(mib * MIB + 1));
    said.extend(csv(long(1).as_bytes()));
    said.extend(csv(long(8).as_bytes()));
    let json = "{\"a\":1}\nnonsense\n{\"a\":2,}\n{\"a\":1,\"a\":2}\n{\"b\":1}\n";
    said.extend(reasons(&plain("a.json", &[]), json.as_bytes()));
    let sheet = "<row><c t=\"str\"><v>a</v></c></row><row><c t=\"e\"><v>#DIV/0!</v></c></row>";
    said.extend(reasons(&plain("a.xlsx", &[]), &workbook(sheet, &[])));
    let said: BTreeSet<String> = said.into_iter().collect();
    assert_eq!(said, documented("Of a row, behind line and column"));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Why a file is refused that is nothing but itself.
fn refusals() -> Vec<String> {
    let whole = gzip(b"a,b\n1,2\n");
    let mut damaged = whole.clone();
    let checksum = damaged.len() - 6;
    damaged[checksum] ^= 1;
    let rows = "5,6\n".repeat(9 * MIB / 4);
    let many: Vec<String> = (0..=4096).map(|at| format!("c{at}")).collect();
    let begin = |version: u8| record(0x0809, &[&[0, version, 5, 0][..], &[0; 12]].concat());
    let end = record(0x000a, &[]);
    let locked = record(0x002f, &[0; 6]);
    let ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
    let promise = "<sst uniqueCount=\"999999999999\"/>";
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("products", b"ID,A\n".into()),
        ("a.csv", b"name: products\n  x: y\n".into()),
        ("a.csv", b"A,\xff\n1,2\n".into()),
        ("a.csv", b"a,b\n1,2\n3,\"4\n5,6\n".into()),
        ("a.csv", format!("a,b\n1,2\n3,\"4\n{rows}").into()),
        ("a.csv", format!("\"a,b\n{rows}").into()),
        ("a.csv", b"a,b,a\n".into()),
        ("a.csv", many.join(",").into()),
        ("a.json", b"nonsense".into()),
        ("a.json", b"[{\"a\":1},".into()),
        ("a.json", b"[{\"a\":1},]".into()),
        ("a.json", b"[{\"a\":1} {}]".into()),
        ("a.json", b"[]{}".into()),
        ("a.csv.gz", whole[..whole.len() - 1].to_vec()),
        ("a.csv.gz", damaged),
        ("a.xlsx", b"ID,A\n".into()),
        ("a.xlsx", b"PK\x03\x04 and no more".into()),
        ("a.xlsx", vec![0; 32 * MIB + 1]),
        ("a.xlsx", workbook("", &[("xl/sharedStrings.xml", promise)])),
        ("a.xls", [&ole[..], &[0; 600]].concat()),
        ("a.xls", compound([begin(6), locked, end.clone()].concat())),
        ("a.xls", compound([begin(5), end.clone()].concat())),
        ("a.xls", compound([begin(6), end].concat())),
    ];
    let refusal = |(name, bytes): (&str, Vec<u8>)| {
        let read = plain(name, &["ID"]).read(bytes.chunks(MIB));
        read.error.unwrap()
    };
    files.into_iter().map(refusal).collect()
}

/// Why a file is refused that another declaration would take.
fn refusals_of_declarations() -> Vec<String> {
    let strict = Declaration {
        others: OtherColumns::Refuse,
        ..declared(&[("a", ColumnType::Text)])
    };
    let few = Declaration {
        max_rejected: Some(MaxRejected::Rows(1)),
        ..Declaration::default()
    };
    let tenth = Declaration {
        max_rejected: Some(MaxRejected::Percent(10)),
        ..Declaration::default()
    };
    let named = Declaration {
        sheet: Some("data".to_owned()),
        ..Declaration::default()
    };
    let rows = b"a,b\n1,2\n1,2,3\n1,2,3\n".to_vec();
    let files: Vec<(Declaration, &str, Vec<u8>)> = vec![
        (strict.clone(), "a.csv", b"x,a\n".into()),
        (strict, "a.json", b"{\"a\":1,\"x\":2}".into()),
        (few, "a.csv", rows.clone()),
        (tenth, "a.csv", rows),
        (named, "a.xlsx", workbook("", &[])),
    ];
    let refusal = |(declaration, name, bytes): (Declaration, &str, Vec<u8>)| {
        let file = File {
            declaration,
            ..plain(name, &[])
        };
        file.read(bytes.chunks(MIB)).error.unwrap()
    };
    files.into_iter().map(refusal).collect()
}

#[test]
fn what_is_said_of_files_is_documented() {
    let mut said: BTreeSet<String> = refusals().into_iter().collect();
    said.extend(refusals_of_declarations());
    for (message, test) in ELSEWHERE {
        assert!(test.contains(message), "{message}");
        said.insert(message.to_owned());
    }
    assert_eq!(said, documented("Of a file as a whole"));
}
