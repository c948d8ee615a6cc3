//! JSON, as an array or as lines.

use qm_core::config::{ColumnType, Declaration, OtherColumns};

use super::{File, declared, plain};

#[track_caller]
fn check(file: &str, rows: &[&str], rejects: &[&str]) {
    let read = plain("a.json", &["id"]).read([file.as_bytes()]);
    assert_eq!(read.error, None, "{file}");
    assert_eq!(
        (read.texts(), read.sentences()),
        (strings(rows), strings(rejects)),
        "{file}"
    );
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[track_caller]
fn check_refused(file: &str, expect: &str) {
    let read = plain("a.json", &[]).read([file.as_bytes()]);
    assert_eq!(read.error.as_deref(), Some(expect), "{file}");
}

#[test]
fn objects_come_in_an_array_or_one_after_another() {
    let rows = ["'1'|'a'", "'2'|null"];
    for file in [
        r#"[{"id":1,"x":"a"},{"id":2}]"#,
        "\u{feff} [ {\"id\" : 1, \"x\" : \"a\"} ,\r\n {\"id\":2, \"x\": null} ]\n",
        "{\"id\":1,\"x\":\"a\"}\n{\"id\":2}\n",
        "{\"id\":1,\"x\":\"a\"}{\"id\":2}",
        "{\n  \"id\": 1,\n  \"x\": \"a\"\n}\n{\n  \"x\": null,\n  \"id\": 2\n}\n",
    ] {
        check(file, &rows, &[]);
    }
    for file in ["", " \n", "[]", "[ ] \n"] {
        check(file, &[], &[]);
    }
}

#[test]
fn values_are_kept_as_they_are_written() {
    check(
        r#"{"id":"\u00e9\ud83d\ude00\n","n":1.10,"e":1E400,"b":true,"o":{"a": [1, "}"]},"l":[],"s":""}"#,
        &[r#"'é😀
'|'1.10'|'1E400'|'true'|'{"a": [1, "}"]}'|'[]'|''"#],
        &[],
    );
}

#[test]
fn a_value_that_is_no_row_takes_no_other_along() {
    check(
        "{\"id\":1}\nnonsense\n{\"id\":2,}\n{\"id\":\"x\n{\"id\":3\n{\"id\":4}\n[1]\n{\"id\":5}",
        &["'1'", "'4'", "'5'"],
        &[
            "line 2: `nonsense` is not an object",
            "line 3: not an object of JSON: trailing comma",
            "line 4: not an object of JSON: EOF while parsing a string",
            "line 5: not an object of JSON: EOF while parsing an object",
            "line 7: `[1]` is not an object",
        ],
    );
    check(
        "[{\"id\":1},2,\n\"x\",{\"id\":3,\"id\":4},{\"id\":5,\"y\":6},{\"id\":\"\\ud800\"},{\"x\":1}]",
        &["'1'"],
        &[
            "line 1: `2` is not an object",
            "line 2: `\"x\"` is not an object",
            "line 2, column id: twice in the object",
            "line 2, column y: not a member of the first object",
            "line 2: not an object of JSON: unexpected end of hex escape",
            "line 2, column x: not a member of the first object",
        ],
    );
    let read = plain("a.ndjson", &[]).read([b"{\"a\":1}\n{\"a\":\"\xff\"}\n".as_slice()]);
    assert_eq!(
        read.sentences(),
        ["line 2: byte 14 of the file is not in the declared encoding"]
    );
}

#[test]
fn an_array_that_is_broken_is_refused() {
    check_refused(
        "[{\"a\":1},",
        "line 1: the file ends in the middle of its array",
    );
    check_refused(
        "[{\"a\":1}\n",
        "line 2: the file ends in the middle of its array",
    );
    check_refused(
        "[{\"a\":\n",
        "line 2: the file ends in the middle of its array",
    );
    check_refused("[{\"a\":1} {}]", "line 1: `{` is where a comma must be");
    check_refused("[{\"a\":1},]", "line 1: `]` is where an object must be");
    check_refused("[,]", "line 1: `,` is where an object must be");
    check_refused("[]\n[]", "line 2: `[` is where the end of the file must be");
    check_refused(
        "\nid,name\n",
        "line 2: this is neither an array of objects nor one object after another",
    );
}

#[test]
fn members_have_the_types_that_are_declared() {
    let declaration = declared(&[
        ("id", ColumnType::Integer),
        ("n", ColumnType::Decimal),
        ("b", ColumnType::Boolean),
        ("at", ColumnType::Timestamp),
        ("t", ColumnType::Text),
    ]);
    let read = |declaration: &Declaration, file: &str| {
        File {
            declaration: declaration.clone(),
            ..plain("a.jsonl", &["id"])
        }
        .read([file.as_bytes()])
    };
    let file = r#"{"t":12.50,"id":1,"n":1.5e2,"b":false,"at":"1970-01-01T00:00:01Z","other":1}
{"id":"2","n":"0.10","b":"yes"}
{"id":1.0}
{"n":1}
"#;
    let rows = read(&declaration, file);
    assert_eq!(
        rows.texts(),
        [
            "1|150e-0|false|at 1000000|'12.50'",
            "2|10e-2|true|null|null"
        ]
    );
    assert_eq!(
        rows.sentences(),
        [
            "line 3, column id: `1.0` is not an integer",
            "line 4, column id: the key is missing"
        ]
    );
    let strict = Declaration {
        others: OtherColumns::Refuse,
        ..declaration
    };
    assert_eq!(
        read(&strict, file).error.as_deref(),
        Some("line 1: the member `other` is not declared, and no others may be there")
    );
}
