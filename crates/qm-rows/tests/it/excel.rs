//! Workbooks, as xlwt (`.xls`) and `XlsxWriter` (`.xlsx`) write them, and as nobody should.

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use qm_core::config::{ColumnType, Declaration};
use std::io::Write;

use super::formulas::{compound, record};
use super::{File, Outcome, declared, plain};

const XLS: &[u8] = include_bytes!("data/products.xls");
const XLSX: &[u8] = include_bytes!("data/products.xlsx");
const MIB: usize = 1024 * 1024;

fn sheet(name: &str) -> Declaration {
    Declaration {
        sheet: Some(name.to_owned()),
        ..Declaration::default()
    }
}

fn read(declaration: Declaration, name: &str, bytes: &[u8]) -> Outcome {
    File {
        declaration,
        ..plain(name, &[])
    }
    .read(bytes.chunks(1000))
}

#[test]
fn a_sheet_is_read_by_its_name_and_cells_as_they_are_meant() {
    let columns = "ID,Name,Price,Day,At,Ok,Sum,Blank";
    let names: Vec<_> = columns
        .split(',')
        .map(|name| (name, ColumnType::Text))
        .collect();
    for (name, bytes, formulas) in [
        ("a.xls", XLS, ["null", "null"]),
        ("a.xlsx", XLSX, ["'3'", "'ab'"]),
    ] {
        let declaration = Declaration {
            sheet: Some("Data".to_owned()),
            ..declared(&names)
        };
        let read = read(declaration, name, bytes);
        assert_eq!(
            (read.error.as_deref(), read.sentences()),
            (None, Vec::new())
        );
        assert_eq!(read.columns.unwrap().join(","), columns);
        let rows = read.rows.iter().map(|(_, cells)| cells.join("|"));
        let long = "x".repeat(300);
        let [sum, join] = formulas;
        assert_eq!(
            rows.collect::<Vec<_>>(),
            [
                format!(
                    "'B085W4DHVN'|' Ünï 😀 '|'12.99'|'2026-11-30'|'2026-11-30T17:30:00'|'true'|{sum}|null"
                ),
                format!("'7'|'{long}'|'-5'|'1999-12-31'|'2026-01-01T00:00:01'|'false'|{join}|null"),
                "'1234567890123'|null|'0.1'|null|null|null|null|null".to_owned(),
            ],
            "{name}"
        );
    }
}

#[test]
fn cells_have_the_types_that_are_declared_and_rows_the_sheets_numbers() {
    for (name, bytes) in [("a.xls", XLS), ("a.xlsx", XLSX)] {
        let declaration = Declaration {
            sheet: Some("Data".to_owned()),
            ..declared(&[
                ("ID", ColumnType::Integer),
                ("Price", ColumnType::Decimal),
                ("Day", ColumnType::Date),
                ("At", ColumnType::Timestamp),
                ("Ok", ColumnType::Boolean),
            ])
        };
        let read = read(declaration, name, bytes);
        assert_eq!(
            read.texts(),
            [
                "7|-5e-0|day 10956|at 1767225601000000|false",
                "1234567890123|1e-1|null|null|null"
            ]
        );
        assert_eq!(
            read.sentences(),
            ["line 4, column ID: `B085W4DHVN` is not an integer"]
        );
    }
}

#[test]
fn a_text_that_goes_over_the_end_of_a_record_is_whole() {
    let read = read(sheet("Many"), "a.xls", XLS);
    let expect = (0..700).map(|at| {
        let letter = if at % 2 == 1 { "é" } else { "x" };
        format!("'{}{}{at}'", letter.repeat(at % 50), "ж".repeat(at % 7))
    });
    assert_eq!(read.texts(), expect.collect::<Vec<_>>());
}

#[test]
fn the_first_sheet_is_read_if_none_is_named_and_one_that_is_not_there_is_refused() {
    for (name, bytes, sheets) in [
        ("a.xls", XLS, "`Notes`, `Data`, `Many`"),
        ("a.xlsx", XLSX, "`Notes`, `Data`"),
    ] {
        let first = read(Declaration::default(), name, bytes);
        assert_eq!(first.columns.unwrap(), ["nothing here"]);
        let other = read(sheet("data"), name, bytes);
        assert_eq!(
            other.error.unwrap(),
            format!("the workbook has no sheet `data`; it has {sheets}")
        );
    }
    // What a workbook is, its bytes say.
    assert_eq!(read(sheet("Data"), "a.xlsx", XLS).rows.len(), 3);
    assert_eq!(read(Declaration::default(), "a.xls", b"").read, 0);
}

#[test]
fn a_workbook_in_gzip_is_unpacked_first() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(XLSX).unwrap();
    let bytes = encoder.finish().unwrap();
    assert_eq!(read(sheet("Data"), "a.xlsx.gz", &bytes).read, 3);
}

#[track_caller]
fn check_refused(name: &str, bytes: &[u8], expect: &str) {
    let read = read(Declaration::default(), name, bytes);
    assert_eq!(read.error.as_deref(), Some(expect));
}

#[test]
fn what_is_no_workbook_is_refused() {
    check_refused("a.xlsx", b"ID,A\n", "this is no workbook of Excel");
    check_refused(
        "a.xlsx",
        b"PK\x03\x04 and no more",
        "the workbook is damaged: it is not a zip that can be read",
    );
    check_refused(
        "a.xls",
        &vec![0; 32 * MIB + 1],
        "the workbook is larger than 32 MiB; send rows as CSV",
    );
}

/// Nothing that is cut or changed anywhere ends anything but its own reading.
#[test]
fn damaged_workbooks_are_refused_or_read_and_nothing_else() {
    for (name, whole) in [("a.xls", XLS), ("a.xlsx", XLSX)] {
        for at in (0..whole.len()).step_by(whole.len() / 150) {
            read(sheet("Data"), name, &whole[..at]);
            for value in [0, 0x7f, 0xff] {
                let mut changed = whole.to_vec();
                changed[at] = value;
                read(sheet("Data"), name, &changed);
            }
        }
    }
}

/// A workbook of one sheet, other parts as given.
pub(super) fn workbook(sheet: &str, parts: &[(&str, &str)]) -> Vec<u8> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let workbook = format!(
        "<workbook xmlns=\"{main}\" xmlns:r=\"{relations}\"><sheets>\
         <sheet name=\"S\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>"
    );
    let links = format!(
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
         <Relationship Id=\"rId1\" Type=\"{relations}/worksheet\" Target=\"worksheets/s.xml\"/>\
         </Relationships>"
    );
    let sheet = format!("<worksheet xmlns=\"{main}\"><sheetData>{sheet}</sheetData></worksheet>");
    let package = format!(
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
         <Relationship Id=\"rId1\" Type=\"{relations}/officeDocument\" Target=\"xl/workbook.xml\"/>\
         </Relationships>"
    );
    let all = [
        ("_rels/.rels", package.as_str()),
        ("xl/workbook.xml", &workbook),
        ("xl/_rels/workbook.xml.rels", &links),
        ("xl/worksheets/s.xml", &sheet),
    ];
    let mut bytes = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, text) in all.iter().chain(parts) {
        let (mut entry, config) = archive
            .new_file(name)
            .compression_method(rawzip::CompressionMethod::Deflate)
            .start()
            .unwrap();
        let encoder = DeflateEncoder::new(&mut entry, Compression::fast());
        let mut writer = config.wrap(encoder);
        writer.write_all(text.as_bytes()).unwrap();
        let (_, descriptor) = writer.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    bytes
}

#[test]
fn a_cell_in_the_farthest_corner_costs_a_cell() {
    let sheet = "<row r=\"1\"><c r=\"A1\"><v>1</v></c></row>\
                 <row r=\"1048576\"><c r=\"XFD1048576\"><v>2</v></c></row>";
    let read = read(Declaration::default(), "a.xlsx", &workbook(sheet, &[]));
    assert_eq!(
        (read.error.as_deref(), read.sentences()),
        (
            None,
            vec!["line 1048576: 16384 cells, where the header has 1".to_owned()]
        )
    );
}

#[test]
fn workbooks_that_grow_are_refused_before_they_do() {
    let large = "the workbook becomes too large when it is unpacked; send rows as CSV";
    let strange = "the workbook has markup that no workbook has";
    let spaces = format!("<t>{}</t>", " ".repeat(1000)).repeat(70_000);
    let run = " ".repeat(2 * MIB);
    let texts = "<si/>".repeat(4_000_001);
    let formats = "<xf/>".repeat(300_000);
    let names = "<definedName>x</definedName>".repeat(150_000);
    let promise = "<sst uniqueCount=\"999999999999\"/>";
    // One format or one path, copied for each that refers to it.
    let formats_of_one = format!(
        "<numFmts><numFmt numFmtId=\"200\" formatCode=\"{}\"/></numFmts><cellXfs>{}</cellXfs>",
        "0".repeat(12_000),
        "<xf numFmtId=\"200\"/>".repeat(100_000)
    );
    let sheets = "<sheet name=\"\" r:id=\"rId1\"/>".repeat(5_000);
    // A value that goes on and on, elements that never end, and what hides in an attribute.
    let value = format!("<is><t>{}", "xxxxxxxxxx<a/>".repeat(500_000));
    let depth = "<a>".repeat(1_000);
    let hidden = format!("<a b=\"><!--\">{promise}");
    for (parts, expect) in [
        ([("xl/sharedStrings.xml", spaces.as_str())], large),
        ([("XL\\SharedStrings.xml", &texts)], large),
        ([("xl/styles.xml", &formats)], large),
        ([("other/styles.xml", &formats)], large),
        ([("xl/worksheets/x.xml", &names)], large),
        ([("xl/sharedStrings.xml", promise)], strange),
        ([("xl/styles.xml", &formats_of_one)], large),
        ([("xl/workbook2.xml", &sheets)], large),
        ([("xl/worksheets/x.xml", &value)], strange),
        ([("xl/worksheets/x.xml", &depth)], strange),
        ([("xl/sharedStrings.xml", &hidden)], strange),
        ([("xl/x.png", &spaces)], large),
        ([("xl/other.xml", &run)], strange),
        (
            [("xl/other.xml", "<!DOCTYPE a [<!ENTITY b \"c\">]>")],
            strange,
        ),
    ] {
        let bytes = workbook("", &parts);
        assert!(bytes.len() < 2 * MIB);
        check_refused("a.xlsx", &bytes, expect);
    }
    let paths: Vec<String> = (0..10_001).map(|at| format!("xl/{at}")).collect();
    let parts: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
    check_refused(
        "a.xlsx",
        &workbook("", &parts),
        "the workbook has more than 10000 parts",
    );
}

#[test]
fn a_workbook_of_excel_97_has_no_more_sheets_than_can_be_remembered() {
    let begin = record(0x0809, &[&[0, 6, 5, 0][..], &[0; 12]].concat());
    let sheet = record(0x0085, &[&[0; 6][..], &[1, 0], b"S"].concat());
    let many = |count: usize| compound([&begin[..], &sheet.repeat(count)].concat());
    let nothing = read(Declaration::default(), "a.xls", &many(4_000));
    assert_eq!((nothing.error, nothing.read), (None, 0));
    check_refused(
        "a.xls",
        &many(4_001),
        "the workbook becomes too large when it is unpacked; send rows as CSV",
    );
}

#[test]
fn a_text_that_many_cells_share_is_counted_for_each() {
    let text = "x".repeat(900 * 1024);
    let shared = format!("<sst><si><t>{text}</t></si></sst>");
    let cell = "<c t=\"s\"><v>0</v></c>".repeat(10);
    let sheet = format!("<row>{cell}</row>").repeat(200);
    let bytes = workbook(&sheet, &[("xl/sharedStrings.xml", &shared)]);
    check_refused(
        "a.xlsx",
        &bytes,
        "the sheet has more than 1024 MiB of text; send rows as CSV",
    );
    let sheet = format!("<row><c><v>1</v></c></row><row>{cell}</row>");
    let bytes = workbook(&sheet, &[("xl/sharedStrings.xml", &shared)]);
    let read = read(Declaration::default(), "a.xlsx", &bytes);
    assert_eq!(
        read.sentences(),
        ["line 2: longer than 8 MiB, the most that a row may have"]
    );
}
