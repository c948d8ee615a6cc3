//! Cells by their column's type.

use qm_core::config::{ColumnType, DecimalMark, Declaration};

use std::fmt::Write as _;

use super::{File, column, declared, plain};

fn read(declaration: Declaration, cell: &str) -> Result<String, String> {
    let file = format!("a\tb\n{cell}\t\n");
    let declaration = Declaration {
        delimiter: Some('\t'),
        ..declaration
    };
    let read = File {
        declaration,
        ..plain("a.csv", &[])
    }
    .read([file.as_bytes()]);
    assert_eq!(read.error, None);
    match read.rejects.first() {
        None => Ok(read.texts()[0].clone()),
        Some(reject) => Err(reject.reason.clone()),
    }
}

#[track_caller]
fn check(kind: ColumnType, cell: &str, expect: Result<&str, &str>) {
    let read = read(declared(&[("a", kind)]), cell);
    assert_eq!(read.as_deref().map_err(String::as_str), expect, "{cell}");
}

#[test]
fn integers_have_64_bits() {
    for (cell, expect) in [
        ("0", "0"),
        ("-1", "-1"),
        ("+7", "7"),
        (" 42 ", "42"),
        ("007", "7"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("0000000000000000000000005", "5"),
        ("", "null"),
        ("  ", "null"),
    ] {
        check(ColumnType::Integer, cell, Ok(expect));
    }
    for cell in [
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999999",
    ] {
        let reason = format!("`{cell}` is too large for an integer, which has 64 bits");
        check(ColumnType::Integer, cell, Err(&reason));
    }
    for cell in ["-", "1.0", "1e3", "0x1f", "１", "1 000", "--1", "a"] {
        let reason = format!("`{cell}` is not an integer");
        check(ColumnType::Integer, cell, Err(&reason));
    }
}

#[test]
fn decimals_are_kept_exactly() {
    for (cell, expect) in [
        ("0", "0e-0"),
        ("-1234.50", "-123450e-2"),
        (".5", "5e-1"),
        ("5.", "5e-0"),
        ("1.5e3", "1500e-0"),
        ("1.5E-3", "15e-4"),
        ("0.000", "0e-3"),
        ("0e-99", "0e-38"),
        ("1234567890123456789.01", "123456789012345678901e-2"),
        (
            "99999999999999999999999999999999999999",
            "99999999999999999999999999999999999999e-0",
        ),
        ("0.00000000000000000000000000000000000001", "1e-38"),
        (
            "1.000000000000000000000000000000000000000000",
            "10000000000000000000000000000000000000e-37",
        ),
    ] {
        check(ColumnType::Decimal, cell, Ok(expect));
    }
    for cell in [
        "999999999999999999999999999999999999999",
        "1e38",
        "1e-39",
        "1e99999999999",
        "1.00000000000000000000000000000000000000000001",
    ] {
        let reason =
            format!("`{cell}` has more than 38 digits, the most that a decimal number may have");
        check(ColumnType::Decimal, cell, Err(&reason));
    }
    for cell in ["1.2.3", "-", ".", "e5", "1e", "NaN", "inf", "$1"] {
        let reason = format!("`{cell}` is not a decimal number");
        check(ColumnType::Decimal, cell, Err(&reason));
    }
    let comma = Declaration {
        decimal_mark: DecimalMark::Comma,
        ..declared(&[("a", ColumnType::Decimal)])
    };
    assert_eq!(read(comma.clone(), "-1234,5"), Ok("-12345e-1".to_owned()));
    assert_eq!(
        read(comma, "1.234,5").unwrap_err(),
        "`1.234,5` is not a decimal number; its decimal mark would be a comma"
    );
    check(
        ColumnType::Decimal,
        "1234,5",
        Err("`1234,5` is not a decimal number; its decimal mark would be a point"),
    );
}

#[test]
fn booleans_are_the_words_people_write() {
    for cell in ["true", "TRUE", "Yes", "y", "1", " y "] {
        check(ColumnType::Boolean, cell, Ok("true"));
    }
    for cell in ["false", "No", "N", "0"] {
        check(ColumnType::Boolean, cell, Ok("false"));
    }
    check(
        ColumnType::Boolean,
        "2",
        Err("`2` is neither true nor false"),
    );
}

#[test]
fn dates_are_days_that_exist() {
    for (cell, days) in [
        ("1970-01-01", 0),
        ("1969-12-31", -1),
        ("2000-02-29", 11_016),
        ("2026-11-30", 20_787),
        ("0001-01-01", -719_162),
        ("9999-12-31", 2_932_896),
    ] {
        check(ColumnType::Date, cell, Ok(&format!("day {days}")));
    }
    for cell in [
        "2026-02-29",
        "2026-13-01",
        "2026-04-31",
        "1900-02-29",
        "2026-00-10",
        "0000-01-01",
    ] {
        let reason = format!("`{cell}` is a day that does not exist");
        check(ColumnType::Date, cell, Err(&reason));
    }
    for cell in ["30/11/2026", "2026-1-1", "20261130"] {
        let reason = format!("`{cell}` is not a date as in ISO 8601, such as 2026-11-30");
        check(ColumnType::Date, cell, Err(&reason));
    }
    let mut declaration = declared(&[("a", ColumnType::Date)]);
    declaration.columns[0].format = Some("%d/%m/%Y".to_owned());
    assert_eq!(
        read(declaration.clone(), "30/11/2026"),
        Ok("day 20787".to_owned())
    );
    for cell in ["31/11/2026", "2026-11-30"] {
        assert_eq!(
            read(declaration.clone(), cell).unwrap_err(),
            format!("`{cell}` is not a date written as %d/%m/%Y")
        );
    }
}

#[test]
fn every_day_of_four_centuries_is_the_calendars() {
    let first = jiff::civil::date(1800, 1, 1);
    let epoch = jiff::civil::date(1970, 1, 1);
    let mut file = "a\n".to_owned();
    let mut expect = Vec::new();
    let mut day = first;
    for _ in 0..146_097 {
        let _ = writeln!(file, "{day}");
        expect.push(format!("day {}", (day - epoch).get_days()));
        day = day.tomorrow().unwrap();
    }
    let file = file.into_bytes();
    let read = File {
        declaration: declared(&[("a", ColumnType::Date)]),
        ..plain("a.csv", &[])
    }
    .read([file.as_slice()]);
    assert_eq!(read.texts(), expect);
}

#[test]
fn moments_are_kept_to_the_microsecond() {
    for (cell, micros) in [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01 00:00", 0),
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01.5Z", 1_500_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01t01:00:00 +0100", 0),
        ("1969-12-31T23:59:59,000001Z", -999_999),
        ("1970-01-01T00:00:00-00:30", 1_800_000_000),
    ] {
        check(ColumnType::Timestamp, cell, Ok(&format!("at {micros}")));
    }
    for cell in [
        "1970-01-01T24:00",
        "1970-01-01T00:60",
        "1970-01-01T00:00:61",
        "1970-01-01T",
        "1970-01-01T00:00:00.",
        "1970-01-01T00:00X",
        "1970-01-01T00:00+25:00",
    ] {
        let reason = format!("`{cell}` is not a time as in ISO 8601, such as 2026-11-30T17:00:00Z");
        check(ColumnType::Timestamp, cell, Err(&reason));
    }
    check(
        ColumnType::Timestamp,
        "2026-02-30T00:00",
        Err("`2026-02-30T00:00` is a day that does not exist"),
    );
    let mut declaration = declared(&[("a", ColumnType::Timestamp)]);
    declaration.columns[0].zone = Some("Europe/Dublin".to_owned());
    let dublin = declaration.clone();
    let at = |text: &str| {
        let at: jiff::Timestamp = text.parse().unwrap();
        Ok(format!("at {}", at.as_microsecond()))
    };
    assert_eq!(
        read(dublin.clone(), "2026-07-01T12:00:00.25"),
        at("2026-07-01T11:00:00.25Z")
    );
    assert_eq!(
        read(dublin.clone(), "2026-07-01T12:00Z"),
        at("2026-07-01T12:00:00Z")
    );
    assert_eq!(
        read(dublin.clone(), "2026-10-25T01:30"),
        at("2026-10-25T00:30:00Z")
    );
    assert_eq!(
        read(dublin, "2026-03-29T01:30").unwrap_err(),
        "`2026-03-29T01:30` did not exist in Europe/Dublin: clocks were put forward then"
    );
    declaration.columns[0].format = Some("%d.%m.%Y %H:%M".to_owned());
    assert_eq!(
        read(declaration.clone(), "01.07.2026 12:00"),
        at("2026-07-01T11:00:00Z")
    );
    declaration.columns[0].format = Some("%d.%m.%Y".to_owned());
    assert_eq!(
        read(declaration.clone(), "01.07.2026"),
        at("2026-06-30T23:00:00Z")
    );
    declaration.columns[0].format = Some("%Y-%m-%d %H:%M:%S %z".to_owned());
    assert_eq!(
        read(declaration, "2026-07-01 12:00:00 +0200"),
        at("2026-07-01T10:00:00Z")
    );
}

#[test]
fn text_has_no_nul_and_is_no_book() {
    check(ColumnType::Text, " a ", Ok("' a '"));
    check(
        ColumnType::Text,
        "a\0b",
        Err("has a NUL character, which text cannot have"),
    );
    let book = "x".repeat(1024 * 1024);
    check(ColumnType::Text, &book, Ok(&format!("'{book}'")));
    check(
        ColumnType::Text,
        &format!("{book}x"),
        Err("longer than 1 MiB, the most that a cell may have"),
    );
    let declaration = Declaration {
        columns: vec![column("b", ColumnType::Text)],
        ..Declaration::default()
    };
    assert_eq!(read(declaration, "a\0b"), Ok("null".to_owned()));
}
