use super::*;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::Write as _;

#[track_caller]
fn drafted(name: &str, bytes: &[u8]) -> Suggestion {
    suggest(name, bytes, Sample::Whole, Naming::Sql, None).unwrap()
}

fn described(suggestion: &Suggestion) -> Vec<String> {
    suggestion
        .declaration
        .columns
        .iter()
        .map(|column| {
            let ColumnSource::Header(header) = &column.source else {
                panic!("a fixed column");
            };
            let format = column
                .format
                .as_deref()
                .map_or(String::new(), |f| format!(" {f}"));
            format!(
                "{header} -> {} {}{format}",
                column.name,
                column.kind.as_str()
            )
        })
        .collect()
}

const SHOP: &str = "ID,Title,Price (USD),SellerID,In stock,Since,Seen at,Code,3rd\n\
                    1,Tea,12.99,7,yes,2026-01-31,2026-01-31T08:00:00Z,007,a\n\
                    2,\"Cup, large\",5,7,no,2026-02-01,2026-02-01 09:30:00,008,\n";

#[test]
fn every_kind_of_column() {
    let found = drafted("shop.csv", SHOP.as_bytes());
    assert_eq!(
        described(&found),
        [
            "ID -> id integer",
            "Title -> title text",
            "Price (USD) -> price_usd decimal",
            "SellerID -> seller_id integer",
            "In stock -> in_stock boolean",
            "Since -> since date",
            "Seen at -> seen_at timestamp",
            "Code -> code text",
            "3rd -> column_3rd text",
        ]
    );
    assert_eq!((found.key.as_deref(), found.rows), (Some("id"), 2));
    assert_eq!((found.rejected, found.sample), (0, Sample::Whole));
    assert!(found.declaration.columns[0].required);
    let bytes = SHOP.as_bytes();
    let verbatim = suggest("a.csv", bytes, Sample::Whole, Naming::Verbatim, None).unwrap();
    assert_eq!(verbatim.declaration.columns[2].name, "Price (USD)");
}

/// A draft is what the file then passes.
#[test]
fn the_file_passes_its_draft() {
    let found = drafted("shop.csv", SHOP.as_bytes());
    let about = RowsFile {
        name: "shop.csv",
        facts: None,
    };
    let mut rows = Rows::new(&found.declaration, &["id".to_owned()], &about).unwrap();
    let mut output = Output::default();
    assert_eq!(rows.push(SHOP.as_bytes(), &mut output).unwrap(), SHOP.len());
    while rows.finish(&mut output).unwrap() == Finish::More {}
    assert_eq!(output.rejects, []);
    assert_eq!(rows.read(), 2);
}

#[track_caller]
fn check_kind(values: &[&str], expect: &str) {
    let file = format!(
        "v;w\n{}\n",
        values
            .iter()
            .map(|v| format!("{v};x"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    let found = drafted("a.csv", file.as_bytes());
    let column = &found.declaration.columns[0];
    let mark = match found.declaration.decimal_mark {
        DecimalMark::Point => "",
        DecimalMark::Comma => " with a comma",
    };
    let format = column
        .format
        .as_deref()
        .map_or(String::new(), |f| format!(" {f}"));
    let doubt = found
        .doubts
        .first()
        .map_or(String::new(), |(_, d)| format!("; {d}"));
    let said = format!("{}{mark}{format}{doubt}", column.kind.as_str());
    assert_eq!(said, expect, "{values:?}");
}

#[test]
fn what_values_are() {
    check_kind(&["1", "-20"], "integer");
    check_kind(&["0", "10"], "integer");
    check_kind(&["1", ""], "integer");
    check_kind(&["01", "20"], "text");
    check_kind(&["1", "2.5"], "decimal");
    check_kind(&["0.5", "2"], "decimal");
    check_kind(&["1,5", "2"], "decimal with a comma");
    check_kind(&["1", "x"], "text");
    check_kind(&["$12.99 ", "$5"], "text");
    check_kind(&["true", "FALSE"], "boolean");
    check_kind(&["31.01.2026", "01.02.2026"], "date %d.%m.%Y");
    check_kind(&["31/01/2026", "01/02/2026"], "date %d/%m/%Y");
    check_kind(&["01/31/2026", "01/02/2026"], "date %m/%d/%Y");
    check_kind(&["01/02/2026"], "date %d/%m/%Y; `%m/%d/%Y` fits as well");
    check_kind(&["2026-02-30"], "text");
    check_kind(&["31.01.2026 08:00"], "timestamp %d.%m.%Y %H:%M");
    check_kind(&["", ""], "text");
}

#[test]
fn how_text_is_encoded() {
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let text = "name,town\nJosé,Köln\n";
    let latin: Vec<u8> = text
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    let marked = [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat();
    for (bytes, expect) in [
        (text.as_bytes().to_vec(), Encoding::Utf8),
        (marked, Encoding::Utf8),
        (latin, Encoding::Latin1),
        (utf16(text), Encoding::Utf16),
    ] {
        let found = drafted("a.csv", &bytes);
        assert_eq!(found.declaration.encoding, expect);
        assert_eq!(
            described(&found),
            ["name -> name text", "town -> town text"]
        );
    }
}

#[test]
fn compressed_and_cut_files() {
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(SHOP.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let found = drafted("shop.csv.gz", &packed);
    assert_eq!((found.rows, found.sample), (2, Sample::Whole));
    assert_eq!(found.key.as_deref(), Some("id"));
    // Within the last row, which would else be one with too few cells.
    let cut = SHOP.rfind("large").unwrap();
    let bytes = &SHOP.as_bytes()[..cut];
    let found = suggest("shop.csv", bytes, Sample::Beginning, Naming::Sql, None).unwrap();
    assert_eq!((found.rows, found.rejected), (1, 0));
}

#[test]
fn only_so_many_rows_are_looked_at() {
    let mut file = "id,price\n".to_owned();
    for number in 0..ROWS_MAX * 3 {
        writeln!(file, "{number},1.5").unwrap();
    }
    let found = drafted("a.csv", file.as_bytes());
    assert_eq!(found.sample, Sample::Beginning);
    assert!(found.rows < 60_000, "{}", found.rows);
    assert_eq!(
        described(&found),
        ["id -> id integer", "price -> price decimal"]
    );
}

#[test]
fn names_that_become_the_same() {
    let found = drafted("a.csv", b"Price $,price,!,?\n1,2,3,4\n");
    let names: Vec<&str> = found
        .declaration
        .columns
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(names, ["price", "price_2", "column", "column_2"]);
}

#[test]
fn no_header_no_draft() {
    let found = drafted("a.csv", b"");
    assert_eq!(found.declaration.columns, []);
    assert_eq!((found.key, found.rows), (None, 0));
}

/// Workbooks as `crates/qm-rows/tests/it/excel.rs` reads them.
#[test]
fn a_sheet_by_its_name() {
    // In the second, the only row whose ID is no number has an error.
    const BOOKS: [(&str, &[u8], &str, &str); 2] = [
        (
            "a.xls",
            include_bytes!("../../tests/it/data/products.xls"),
            "`Notes`, `Data`, `Many`",
            "ID -> id text",
        ),
        (
            "a.xlsx",
            include_bytes!("../../tests/it/data/products.xlsx"),
            "`Notes`, `Data`",
            "ID -> id integer",
        ),
    ];
    let of = |name: &str, bytes: &[u8], sheet: Option<&str>| {
        suggest(name, bytes, Sample::Whole, Naming::Sql, sheet)
    };
    for (name, bytes, sheets, id) in BOOKS {
        let first = of(name, bytes, None).unwrap();
        assert_eq!(first.declaration.sheet, None);
        assert_eq!(described(&first), ["nothing here -> nothing_here text"]);
        let found = of(name, bytes, Some("Data")).unwrap();
        assert_eq!(found.declaration.sheet.as_deref(), Some("Data"));
        assert_eq!(described(&found)[..2], [id, "Name -> name text"]);
        let other = of(name, bytes, Some("Date")).unwrap_err();
        assert_eq!(
            other.public_message(),
            format!("the workbook has no sheet `Date`; it has {sheets}")
        );
    }
    let other = of("a.csv", b"ID,A\n1,x\n", Some("Data")).unwrap_err();
    assert_eq!(
        other.public_message(),
        "a sheet is named, and only Excel has one"
    );
}
