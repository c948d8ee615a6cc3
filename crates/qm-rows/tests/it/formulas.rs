//! Cells with formulas: what they came to when the workbook was saved is what is loaded, and where one
//! failed is no value.

use qm_core::config::ColumnType;
use std::fmt::Write as _;

use super::excel::workbook;
use super::{File, Outcome, declared, plain};

const HEADERS: [&str; 5] = ["ID", "text", "number", "truth", "note"];

/// What a formula came to.
#[derive(Clone, Copy, Debug)]
enum Came {
    Nothing,
    Text(&'static str),
    Number(f64),
    Truth(bool),
    /// By its number in Excel 97 as well.
    Failed(&'static str, u8),
}

const FAILURES: [(&str, u8); 7] = [
    ("#NULL!", 0x00),
    ("#DIV/0!", 0x07),
    ("#VALUE!", 0x0f),
    ("#REF!", 0x17),
    ("#NAME?", 0x1d),
    ("#NUM!", 0x24),
    ("#N/A", 0x2a),
];

/// `note` is not declared.
fn read(name: &str, bytes: &[u8]) -> Outcome {
    let declaration = declared(&[
        ("ID", ColumnType::Text),
        ("text", ColumnType::Text),
        ("number", ColumnType::Decimal),
        ("truth", ColumnType::Boolean),
    ]);
    let file = File {
        declaration,
        ..plain(name, &["ID"])
    };
    file.read([bytes])
}

/// As both formats have it: a header row, then rows.
fn books(rows: &[[Came; 5]]) -> [(&'static str, Vec<u8>); 2] {
    [("a.xlsx", xlsx(rows)), ("a.xls", xls(rows))]
}

fn xlsx(rows: &[[Came; 5]]) -> Vec<u8> {
    let mut sheet = "<row>".to_owned();
    for header in HEADERS {
        write!(sheet, "<c t=\"str\"><v>{header}</v></c>").unwrap();
    }
    sheet.push_str("</row>");
    for row in rows {
        sheet.push_str("<row>");
        for came in row {
            let (kind, value) = match came {
                Came::Nothing => ("str", String::new()),
                Came::Text(text) => ("str", (*text).to_owned()),
                Came::Number(number) => ("n", number.to_string()),
                Came::Truth(truth) => ("b", u8::from(*truth).to_string()),
                Came::Failed(text, _) => ("e", (*text).to_owned()),
            };
            write!(sheet, "<c t=\"{kind}\"><f>A1&amp;B1</f><v>{value}</v></c>").unwrap();
        }
        sheet.push_str("</row>");
    }
    workbook(&sheet, &[])
}

/// A record of Excel 97.
pub(super) fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [&kind.to_le_bytes()[..], &length.to_le_bytes(), data].concat()
}

/// A text after its length in 16 bits, in 8 bits a character.
fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    [&length.to_le_bytes()[..], &[0], text.as_bytes()].concat()
}

/// Row, column and format of a cell.
fn place(row: usize, column: usize) -> Vec<u8> {
    let numbers = [row, column, 0].map(|number| u16::try_from(number).unwrap().to_le_bytes());
    numbers.concat()
}

fn formula(place: &[u8], came: Came) -> Vec<u8> {
    let result = match came {
        Came::Text(_) => [0, 0, 0, 0, 0, 0, 0xff, 0xff],
        Came::Truth(truth) => [1, 0, u8::from(truth), 0, 0, 0, 0xff, 0xff],
        Came::Failed(_, number) => [2, 0, number, 0, 0, 0, 0xff, 0xff],
        Came::Nothing => [3, 0, 0, 0, 0, 0, 0xff, 0xff],
        Came::Number(number) => number.to_le_bytes(),
    };
    let mut records = record(0x0006, &[place, &result, &[0; 8]].concat());
    if let Came::Text(said) = came {
        records.extend(record(0x0207, &text(said)));
    }
    records
}

fn xls(rows: &[[Came; 5]]) -> Vec<u8> {
    let begin = |kind: u8| record(0x0809, &[&[0, 6, kind, 0][..], &[0; 12]].concat());
    let end = record(0x000a, &[]);
    let mut stream = begin(5);
    // Where the sheet begins: this record has 4 + 9 bytes.
    let start = u32::try_from(stream.len() + 13 + end.len()).unwrap();
    stream.extend(record(
        0x0085,
        &[&start.to_le_bytes()[..], &[0, 0, 1, 0], b"S"].concat(),
    ));
    stream.extend(&end);
    stream.extend(begin(0x10));
    for (column, header) in HEADERS.iter().enumerate() {
        let label = [place(0, column), text(header)].concat();
        stream.extend(record(0x0204, &label));
    }
    for (row, cells) in rows.iter().enumerate() {
        for (column, came) in cells.iter().enumerate() {
            stream.extend(formula(&place(row + 1, column), *came));
        }
    }
    stream.extend(&end);
    compound(stream)
}

/// A compound file of one stream: its header, where its sectors are, what is in it, the stream.
pub(super) fn compound(mut stream: Vec<u8>) -> Vec<u8> {
    const SECTOR: usize = 512;
    const LAST: u32 = 0xffff_fffe;
    fn put(to: &mut [u8], at: usize, number: u32) {
        to[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
    // Shorter streams would be kept in another way.
    stream.resize(stream.len().max(4096).next_multiple_of(SECTOR), 0);
    let sectors = stream.len() / SECTOR;
    let mut header = vec![0xff; SECTOR];
    header[..76].fill(0);
    header[..8].copy_from_slice(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
    header[30] = 9;
    put(&mut header, 48, 1);
    put(&mut header, 60, LAST);
    put(&mut header, 68, LAST);
    put(&mut header, 76, 0);
    let mut chains = vec![0xff; SECTOR];
    put(&mut chains, 0, 0xffff_fffd);
    put(&mut chains, 4, LAST);
    for at in 2..sectors + 2 {
        let next = u32::try_from(at + 1).unwrap();
        let is_last = at == sectors + 1;
        put(&mut chains, 4 * at, if is_last { LAST } else { next });
    }
    let mut directory = vec![0; SECTOR];
    let length = u32::try_from(stream.len()).unwrap();
    for (at, name, start, length) in [(0, "Root Entry", LAST, 0), (128, "Workbook", 2, length)] {
        for (index, unit) in name.encode_utf16().enumerate() {
            directory[at + 2 * index..][..2].copy_from_slice(&unit.to_le_bytes());
        }
        directory[at + 64] = u8::try_from(2 * (name.len() + 1)).unwrap();
        put(&mut directory, at + 116, start);
        put(&mut directory, at + 120, length);
    }
    [header, chains, directory, stream].concat()
}

#[test]
fn what_formulas_came_to_is_loaded() {
    let rows = [
        [
            Came::Text("a"),
            Came::Text("1 and 2"),
            Came::Number(3.25),
            Came::Truth(true),
            Came::Nothing,
        ],
        [
            Came::Number(7.0),
            Came::Number(-0.5),
            Came::Text("12.5"),
            Came::Truth(false),
            Came::Failed("#N/A", 0x2a),
        ],
        [
            Came::Text("c"),
            Came::Truth(true),
            Came::Nothing,
            Came::Nothing,
            Came::Nothing,
        ],
    ];
    for (name, bytes) in books(&rows) {
        let read = read(name, &bytes);
        assert_eq!(
            (read.error.as_deref(), read.sentences()),
            (None, Vec::new()),
            "{name}"
        );
        assert_eq!(
            read.texts(),
            [
                "'a'|'1 and 2'|325e-2|true",
                "'7'|'-0.5'|125e-1|false",
                "'c'|'true'|null|null"
            ],
            "{name}"
        );
    }
}

/// Neither as text nor as nothing: both would look right in the table.
#[test]
fn a_formula_that_failed_rejects_its_row() {
    let good = Came::Text("x");
    for (failure, number) in FAILURES {
        let failed = Came::Failed(failure, number);
        let rows = [
            [Came::Text("a"), failed, Came::Nothing, Came::Nothing, good],
            [Came::Text("b"), good, failed, Came::Nothing, good],
            [Came::Text("c"), good, Came::Nothing, failed, good],
            [failed, good, Came::Nothing, Came::Nothing, good],
            [Came::Text("e"), good, Came::Nothing, Came::Nothing, failed],
        ];
        for (name, bytes) in books(&rows) {
            let read = read(name, &bytes);
            assert_eq!((read.error.as_deref(), read.read), (None, 5), "{name}");
            assert_eq!(read.texts(), ["'e'|'x'|null|null"], "{name} {failure}");
            let reason = format!("`{failure}` is an error in the sheet");
            assert_eq!(
                read.sentences(),
                [
                    format!("line 2, column text: {reason}"),
                    format!("line 3, column number: {reason}"),
                    format!("line 4, column truth: {reason}"),
                    format!("line 5, column ID: {reason}"),
                ],
                "{name}"
            );
            let shown = ("text".to_owned(), Some(failure.to_owned()));
            assert_eq!(read.rejects[0].cells[1], shown);
        }
    }
}
