//! What the loader that this replaces did, case by case, and what is done instead.

use qm_core::Kind;
use qm_core::config::{ColumnType, Declaration, Encoding, RejectsFormat};
use qm_rows::{Check, RejectsWriter, RowsFile};

use super::{File, declared, plain};

#[track_caller]
fn check(bytes: &[u8], rows: &[&str], rejects: &[&str]) {
    let read = plain("products.csv", &["ID"]).read([bytes]);
    assert_eq!(read.error, None);
    assert_eq!(read.texts(), rows);
    assert_eq!(read.sentences(), rejects);
    assert_eq!(read.read, (rows.len() + rejects.len()) as u64);
    assert_eq!(read.rejected, rejects.len() as u64);
}

/// S3-03.
#[test]
fn cells_are_text_under_their_headers_just_as_written() {
    let file = "ID,Title,Price (USD)\nB085W4DHVN, Ünï ,$12.99 \n";
    check(file.as_bytes(), &["'B085W4DHVN'|' Ünï '|'$12.99 '"], &[]);
    let read = plain("products.csv", &["ID"]).read([file.as_bytes()]);
    let columns = read.columns.unwrap();
    assert_eq!(columns, ["ID", "Title", "Price (USD)"]);
}

/// S3-06, S3-07.
#[test]
fn a_row_without_its_key_is_rejected_as_the_original_writes_it() {
    check(
        b"ID,Title\n1,x\n,y\n 2,z\n \t,blank\n",
        &["'1'|'x'", "' 2'|'z'"],
        &[
            "line 3, column ID: the key is empty",
            "line 5, column ID: the key is empty",
        ],
    );
    let read = plain("products.csv", &["ID"]).read([b"ID,Title\n,y\n".as_slice()]);
    let mut written = Vec::new();
    let mut writer = RejectsWriter::new(RejectsFormat::Json);
    writer.write(&read.rejects, &mut written);
    writer.finish(&mut written);
    assert_eq!(
        String::from_utf8(written).unwrap(),
        "[{\"ID\": {\"S\": \"\"}, \"Title\": {\"S\": \"y\"}, \
         \"_reason\": {\"S\": \"line 2, column ID: the key is empty\"}}]"
    );
}

/// S3-07.
#[test]
fn a_file_of_another_header_is_rejected_row_by_row() {
    let reason = "column ID: the file has no column `ID`";
    check(
        b"ProductID,Title\n1,x\n2,y\n",
        &[],
        &[&format!("line 2, {reason}"), &format!("line 3, {reason}")],
    );
    check(
        b"id ,Title\n1,x\n",
        &[],
        &[&format!("line 2, {reason}; the file has `id `")],
    );
}

#[test]
fn text_that_is_no_csv_is_refused_as_a_whole() {
    let yaml = "AWSTemplateFormatVersion: 2010-09-09\nParameters:\n  Name:\n    Type: String\n";
    let read = plain("products.csv", &["ID"]).read([yaml.as_bytes()]);
    assert_eq!(
        read.error.as_deref(),
        Some("this is not CSV with a header row: line 1 is `AWSTemplateFormatVersion: 2010-09-09`")
    );
    assert_eq!(read.read, 0);
    // As an upload is refused when it ends.
    let file = RowsFile {
        name: "products.csv",
        facts: None,
    };
    let mut check = Check::new(&declared(&[("ID", ColumnType::Text)]), &[], &file).unwrap();
    check.push(yaml.as_bytes()).unwrap();
    let refused = check.finish().unwrap().verdict().unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused);
    let said = refused.public_message();
    assert!(
        said.starts_with("this is not CSV with a header row: "),
        "{said}"
    );
}

/// S3-10.
#[test]
fn a_file_without_rows_has_none() {
    for file in [
        "",
        "\n\r\n",
        "ID,Title\n",
        "ID,Title",
        "\u{feff}ID,Title\r\n\r\n",
    ] {
        check(file.as_bytes(), &[], &[]);
    }
}

/// S3-25.
#[test]
fn ragged_rows_are_rejected_or_filled_with_nothing_and_the_file_goes_on() {
    check(
        b"ID,A,B\n1,a,b,c\n2,a\n3,a,b\n4\n",
        &["'2'|'a'|null", "'3'|'a'|'b'", "'4'|null|null"],
        &["line 2: 4 cells, where the header has 3"],
    );
    let read = plain("products.csv", &["ID"]).read([b"ID,A\n1,a,,c\n,".as_slice()]);
    let cell = |name: &str, text: &str| (name.to_owned(), Some(text.to_owned()));
    assert_eq!(
        read.rejects[0].cells,
        [
            cell("ID", "1"),
            cell("A", "a"),
            cell("column 3", ""),
            cell("column 4", "c")
        ]
    );
}

/// S3-23.
#[test]
fn a_byte_order_mark_is_no_part_of_the_first_header() {
    check("\u{feff}ID,A\n1,a\n".as_bytes(), &["'1'|'a'"], &[]);
    check("\u{feff}\"ID\",A\n1,a\n".as_bytes(), &["'1'|'a'"], &[]);
}

/// S3-24.
#[test]
fn bytes_of_another_encoding_are_rejected_by_their_place_or_read_if_it_is_declared() {
    check(
        b"ID,A\n1,caf\xe9\n2,b\n3,\"\xc3\",\"\xa9\"\n",
        &["'2'|'b'"],
        &[
            "line 2: byte 10 of the file is not in the declared encoding",
            "line 4: byte 19 of the file is not in the declared encoding",
        ],
    );
    let with = |encoding, bytes: &[u8]| {
        let file = File {
            declaration: Declaration {
                encoding,
                ..Declaration::default()
            },
            ..plain("products.csv", &["ID"])
        };
        file.read([bytes]).texts()
    };
    assert_eq!(
        with(Encoding::Latin1, b"ID,A\n1,caf\xe9 \x80\n"),
        ["'1'|'café €'"]
    );
    let utf16 = |text: &str, from: fn(u16) -> [u8; 2]| -> Vec<u8> {
        text.encode_utf16().flat_map(from).collect()
    };
    let text = "ID,A\n1,é😀\n";
    let little = utf16(text, u16::to_le_bytes);
    assert_eq!(with(Encoding::Utf16, &little), ["'1'|'é😀'"]);
    let marked = utf16(&format!("\u{feff}{text}"), u16::to_be_bytes);
    assert_eq!(with(Encoding::Utf8, &marked), ["'1'|'é😀'"]);
    let mut broken = utf16("ID,A\n1,", u16::to_le_bytes);
    broken.extend_from_slice(b"\x00\xd8\n\x00");
    assert_eq!(with(Encoding::Utf16, &broken), [""; 0]);
}

/// S3-26.
#[test]
fn quotes_keep_line_breaks_and_commas_and_only_line_breaks_end_rows() {
    check(
        "ID,A\r\n1,\"a,\r\nb\"\"c\"\n2,a\u{2028}b\u{85}c\u{b}d\re,f\r\n\n4,\"\"\n".as_bytes(),
        &[
            "'1'|'a,\r\nb\"c'",
            "'2'|'a\u{2028}b\u{85}c\u{b}d'",
            "'e'|'f'",
            "'4'|''",
        ],
        &[],
    );
    check(
        b"ID,A\n1,\"x\ny\"\n,bad\n5\" pipe,\"a\"b\n",
        &["'1'|'x\ny'", "'5\" pipe'|'ab'"],
        &["line 4, column ID: the key is empty"],
    );
}
