//! What people write and call CSV.

use qm_core::config::{ColumnSource, ColumnType, Declaration, MaxRejected, OtherColumns};
use qm_core::template::Template;

use super::{File, column, declared, plain};

#[track_caller]
fn check(declaration: Declaration, file: &str, expect: &[&str]) {
    let read = File {
        declaration,
        ..plain("a.csv", &[])
    }
    .read([file.as_bytes()]);
    assert_eq!(
        (read.error.as_deref(), read.sentences()),
        (None, Vec::new())
    );
    assert_eq!(read.texts(), expect, "{file:?}");
}

#[track_caller]
fn check_refused(declaration: Declaration, file: &[u8], expect: &str) {
    let read = File {
        declaration,
        ..plain("a.csv", &[])
    }
    .read([file]);
    assert_eq!(read.error.as_deref(), Some(expect));
}

#[test]
fn what_is_between_cells_is_seen_in_the_header() {
    for (file, expect) in [
        ("a,b\n1,2\n", "'1'|'2'"),
        ("a;b\n1,5;2\n", "'1,5'|'2'"),
        ("a\tb\n1,2\t3;4\n", "'1,2'|'3;4'"),
        ("a|b\n1|2\n", "'1'|'2'"),
        ("\"a,x\";b\n1;2\n", "'1'|'2'"),
        ("\"a\"\",x\";b\n1;2\n", "'1'|'2'"),
        ("a\n1;2\n", "'1;2'"),
        ("\n\na,b\n1,2", "'1'|'2'"),
        ("a,5\" b\n1,2\n", "'1'|'2'"),
        ("a,b|\"c\n1,2\n", "'1'|'2'"),
    ] {
        check(Declaration::default(), file, &[expect]);
    }
    let declaration = Declaration {
        delimiter: Some(';'),
        quote: Some('\''),
        ..Declaration::default()
    };
    check(declaration, "a,b;c\n'1;2';\"3\n", &["'1;2'|'\"3'"]);
}

#[test]
fn lines_are_counted_as_an_editor_shows_them() {
    let file = "ID,\"a\nb\"\r\n\r\n1,x\r,2\n\"3\n3\",\"y\r\n\r\ny\"\r\n,z\n\n\n,9";
    let read = plain("a.csv", &["ID"]).read([file.as_bytes()]);
    let lines: Vec<u64> = read.rejects.iter().map(|reject| reject.line).collect();
    assert_eq!(lines, [5, 10, 13]);
    let rows: Vec<u64> = read.rows.iter().map(|(number, _)| *number).collect();
    assert_eq!(rows, [1, 3]);
}

#[test]
fn a_declaration_takes_the_columns_it_names() {
    let mut declaration = declared(&[
        ("id", ColumnType::Integer),
        ("name", ColumnType::Text),
        ("source", ColumnType::Text),
        ("count", ColumnType::Integer),
        ("note", ColumnType::Text),
    ]);
    declaration.columns[0].source = ColumnSource::Header("ID".to_owned());
    declaration.columns[2].source = ColumnSource::Fixed(Template::parse("agency").unwrap());
    declaration.columns[3].default = Some("7".to_owned());
    check(
        declaration.clone(),
        "x,name,ID,count\n?,Ann, 1 ,\n?,,2,8\n",
        &["1|'Ann'|null|7|null", "2|null|null|8|null"],
    );
    declaration.others = OtherColumns::Refuse;
    check_refused(
        declaration.clone(),
        b"x,name,ID\n",
        "the column `x` is not declared, and no others may be there",
    );
    declaration.columns[1].required = true;
    let file = File {
        declaration,
        ..plain("a.csv", &[])
    };
    let read = file.read([b"name,ID\nAnn,1\n,2\n".as_slice()]);
    assert_eq!(
        read.sentences(),
        ["line 3, column name: a value is required, and it is empty"]
    );
}

#[test]
fn a_header_that_means_two_things_is_refused() {
    check_refused(
        Declaration::default(),
        b"a,b,a\n1,2,3\n",
        "two columns, 1 and 3, have the same header `a`",
    );
    check(Declaration::default(), "a,,b,\n1,,2,\n", &["'1'|'2'"]);
    let read = plain("a.csv", &[]).read([b"a,,b\n1,x,2\n".as_slice()]);
    assert_eq!(
        read.sentences(),
        ["line 2, column number 2: a value in a column without a header"]
    );
}

#[test]
fn too_many_rejects_refuse_the_file() {
    let with = |max_rejected, file: &str| {
        let declaration = Declaration {
            max_rejected: Some(max_rejected),
            ..declared(&[("a", ColumnType::Integer)])
        };
        let read = File {
            declaration,
            ..plain("a.csv", &[])
        }
        .read([file.as_bytes()]);
        (read.error, read.rows.len(), read.rejects.len())
    };
    let file = "a\n1\nx\n2\ny\n";
    assert_eq!(with(MaxRejected::Rows(2), file), (None, 2, 2));
    assert_eq!(with(MaxRejected::Percent(50), file), (None, 2, 2));
    let (error, _, rejects) = with(MaxRejected::Rows(1), file);
    assert_eq!(
        (error.as_deref(), rejects),
        (
            Some("more than 1 rows are not what the declaration says"),
            2
        )
    );
    let (error, rows, rejects) = with(MaxRejected::Percent(49), file);
    assert_eq!(
        (error.as_deref(), rows, rejects),
        (
            Some("2 of 4 rows are not what the declaration says, more than 49 %"),
            2,
            2
        )
    );
}

#[test]
fn a_declaration_that_cannot_be_meant_is_refused_before_anything_is_read() {
    #[track_caller]
    fn check(file: &File<'_>, expect: &str) {
        let read = file.read([b"".as_slice()]);
        assert_eq!(read.error.as_deref(), Some(expect));
    }
    check(
        &plain("products", &[]),
        "how the rows of `products` are written is not known by its name",
    );
    let mut declaration = declared(&[("a", ColumnType::Timestamp)]);
    let file = |declaration: &Declaration, key: &'static [&'static str]| File {
        declaration: declaration.clone(),
        ..plain("a.csv", key)
    };
    check(
        &file(&declaration, &["b"]),
        "the key column b is not declared",
    );
    declaration.columns[0].zone = Some("Europe/Nowhere".to_owned());
    check(
        &file(&declaration, &[]),
        "column a: there is no time zone Europe/Nowhere",
    );
    declaration.columns[0] = column("a", ColumnType::Date);
    declaration.columns[0].format = Some("%Q%".to_owned());
    check(
        &file(&declaration, &[]),
        "column a: `%Q%` is not a format of dates",
    );
    declaration.columns[0] = column("a", ColumnType::Integer);
    declaration.columns[0].default = Some("many".to_owned());
    check(
        &file(&declaration, &[]),
        "column a: `many` is not an integer",
    );
}
