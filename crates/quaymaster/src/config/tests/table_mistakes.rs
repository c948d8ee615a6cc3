//! Tables and declarations that are wrong: what is said about them.

use super::{messages, read};

const BASE: &str = r#"
node.data = "/data"
bucket.landing = { url = "file:///srv/landing", watch = {} }
bucket.flat = { url = "file:///srv/flat" }
[declaration.d]
column.id.type = "integer"
column.title = {}
[declaration.none]
encoding = "utf-8"
[route.r]
when = { arrives = "landing/in/**" }
deliver = ["t"]
"#;
const SQLITE: &str = "kind = \"sqlite\"\npath = \"/srv/t.sqlite\"\n";
const POSTGRES: &str = "kind = \"postgres\"\nurl = \"secret:db\"\n";
const DYNAMODB: &str = "kind = \"dynamodb\"\n";
const D: &str = "table = \"t\"\ndeclaration = \"d\"\n";
const T: &str = "table = \"t\"\n";
const ID: &str = "key = [\"id\"]\n";

/// What is said behind file and place, all of it.
#[track_caller]
fn check_text(text: &str, expect: &[&str]) {
    let found: Vec<String> = messages(text)
        .iter()
        .map(|m| {
            let (_, said) = m.split_once(": ").unwrap_or_default();
            said.to_owned()
        })
        .collect();
    assert_eq!(found, expect, "{text}");
}

#[track_caller]
fn check(lines: &[&str], expect: Option<&str>) {
    let text = format!("{BASE}[destination.t]\n{}\n", lines.concat());
    check_text(&text, &expect.into_iter().collect::<Vec<_>>());
}

#[test]
fn what_is_in_a_table_follows_no_departure() {
    let lines = [SQLITE, D, ID].concat();
    let deliver = "deliver = [\"t\"]";
    let base = BASE.replace(deliver, &format!("{deliver}\npropagate = [\"delete\"]"));
    check_text(
        &format!("{base}[destination.t]\n{lines}\n"),
        &[
            "propagate: `t` is a table, which rows of a file are not taken out of again\n  help: leave `propagate` out, or give the table a route of its own",
        ],
    );
}

#[test]
fn what_a_table_needs() {
    check(&[SQLITE, D, ID], None);
    check(&[POSTGRES, D, ID], None);
    check(&[DYNAMODB, T, ID], None);
    check(&[DYNAMODB, D, ID], None);
    check(
        &[SQLITE, "declaration = \"d\"\n", ID],
        Some("[destination.t] needs `table`\n  help: for example table = \"products\""),
    );
    check(
        &["kind = \"sqlite\"\n", D, ID],
        Some("[destination.t] needs `path`\n  help: for example path = \"/mnt/share\""),
    );
    check(
        &["kind = \"postgres\"\n", D, ID],
        Some(
            "[destination.t] needs `url`\n  help: for example url = \"secret:warehouse\", the secret being the \
             connection string (postgres://…)",
        ),
    );
    check(
        &[POSTGRES, T, ID],
        Some(
            "[destination.t] needs `declaration`\n  help: say what the rows are in a table [declaration.NAME], a draft \
             of which `quaymaster table suggest FILE` writes, and name it: declaration = \"NAME\"",
        ),
    );
    check(
        &[SQLITE, T, ID, "declaration = \"none\"\n"],
        Some(
            "declaration: no column is declared, and a table of SQL has some\n  help: declare the columns, as in \
             [declaration.NAME.column.id]; `quaymaster table suggest FILE` writes a draft",
        ),
    );
    check(&[DYNAMODB, T, ID, "declaration = \"none\"\n"], None);
    check(
        &[SQLITE, T, ID, "declaration = \"e\"\n"],
        Some("declaration: there is no declaration `e`\n  help: did you mean `d`?"),
    );
    check(
        &[SQLITE, D, ID, "control = \"c\"\n"],
        Some(
            "unknown key `control` in [destination.t]\n  help: known here: kind, path, table, declaration, key, mode, \
             create, sequence, undo, rejects, rejects_format, report and 10 more",
        ),
    );
}

#[test]
fn keys_of_tables() {
    check(
        &[SQLITE, D],
        Some(
            "without `key` nobody can tell which row a row replaces\n  help: name the columns that make a row the same \
             row, as in key = [\"id\"], or add mode = \"append\"",
        ),
    );
    check(&[SQLITE, D, "mode = \"append\"\n"], None);
    check(&[SQLITE, D, "mode = \"replace\"\n"], None);
    check(
        &[DYNAMODB, T],
        Some(
            "without `key` nobody can tell which row a row replaces\n  help: write the table's partition key, and its \
             sort key if it has one, as in key = [\"ID\"]",
        ),
    );
    check(
        &[DYNAMODB, T, "key = [\"a\", \"b\", \"c\"]\n"],
        Some(
            "key: a table of DynamoDB has a partition key and at most a sort key\n  help: name these two",
        ),
    );
    check(
        &[SQLITE, D, "key = [\"idd\"]\n"],
        Some("key: no column `idd` is declared\n  help: did you mean `id`?"),
    );
    check(
        &[DYNAMODB, D, "key = [\"id\", \"x\"]\n"],
        Some("key: no column `x` is declared\n  help: columns are: id, title"),
    );
}

#[test]
fn what_has_no_sense_on_a_table() {
    let no_name = "rows of a table have no file's name\n  help: leave it out; a column with value = \"{name}\" keeps the \
                   name of the file";
    check(
        &[SQLITE, D, ID, "strip = \"in\"\n"],
        Some(&format!("strip: {no_name}")),
    );
    check(
        &[DYNAMODB, T, ID, "name = \"{name}\"\n"],
        Some(&format!("name: {no_name}")),
    );
    check(&[SQLITE, D, ID, "concurrency = 1\n"], None);
    check(
        &[SQLITE, D, ID, "concurrency = 2\n"],
        Some(
            "concurrency: loads of one table take turns, in the order in which their files arrived\n  help: leave it \
             out; files for other tables do not wait",
        ),
    );
    for mode in ["append", "replace"] {
        check(
            &[DYNAMODB, T, ID, &format!("mode = \"{mode}\"\n")],
            Some(
                "mode: items of DynamoDB are put by their key and never all at once\n  help: leave it out: rows are \
                 upserted",
            ),
        );
        check(
            &[SQLITE, D, &format!("mode = \"{mode}\"\nundo = true\n")],
            None,
        );
        check(
            &[
                SQLITE,
                D,
                &format!("mode = \"{mode}\"\nsequence = \"seq\"\n"),
            ],
            Some(
                "sequence: only rows that replace others need to know which is newer\n  help: leave it out; a column \
                 with value = \"{arrived:%Y-%m-%d %H:%M:%S}\" keeps the time of arrival",
            ),
        );
    }
    check(
        &[SQLITE, D, ID, "undo = true\n"],
        Some(
            "undo: rows that replaced others are not kept apart, so an upsert cannot be taken back\n  help: use mode = \
             \"append\" or \"replace\", or leave `undo` out",
        ),
    );
    check(
        &[DYNAMODB, T, ID, "undo = true\n"],
        Some(
            "undo: DynamoDB has no transaction in which a load could be taken back\n  help: leave it out; point-in-time \
             recovery of the table is Amazon's way",
        ),
    );
    check(
        &[SQLITE, D, ID, "sequence = \"Title\"\n"],
        Some(
            "sequence: column `title` is also declared as one of the file's\n  help: give the declared one another name",
        ),
    );
    check(&[POSTGRES, D, ID, "sequence = \"Title\"\n"], None);
}

#[test]
fn rejected_rows_need_a_place() {
    check(&[SQLITE, D, ID, "rejects = \"landing/bad\"\n"], None);
    check(
        &[SQLITE, D, ID, "rejects = \"lading/bad\"\n"],
        Some("rejects: there is no bucket `lading`\n  help: did you mean `landing`?"),
    );
    check(
        &[SQLITE, D, ID, "rejects = \"landing\"\n"],
        Some(
            "rejects: rejected rows need a folder of their own\n  help: as in rejects = \"landing/invalid-records\"",
        ),
    );
    check(
        &[SQLITE, D, ID, "rejects_format = \"csv\"\n"],
        Some(
            "rejects_format: rejected rows are written nowhere\n  help: add rejects = \"BUCKET/FOLDER\", or leave the \
             format out",
        ),
    );
    check(
        &[SQLITE, D, ID, "rejects = \"landing/in/bad\"\n"],
        Some(
            "rejects: rejected rows would be written to \
             `landing/in/bad/0123456789abcdef0123456789abcdef/invalid_items.json`, which starts route `r` again\n  \
             help: write them where `landing/in/**` does not match",
        ),
    );
}

#[test]
fn databases_in_the_wrong_place() {
    check(
        &[
            "kind = \"sqlite\"\npath = \"/srv/landing/t.sqlite\"\n",
            D,
            ID,
        ],
        Some(
            "the folder of destination `t` lies in the folder of bucket `landing` (/srv/landing)\n  help: deliveries \
             would land among the uploads; use folders beside each other",
        ),
    );
    check(
        &["kind = \"sqlite\"\npath = \"/data/ledger.sqlite\"\n", D, ID],
        Some(
            "path: that is the node's ledger\n  help: give the table a file of its own, as in path = \
             \"/data/tables.sqlite\"",
        ),
    );
    let shared = format!(
        "node.data = \"/data\"\nnode.ledger = \"secret:ledger\"\nlisten.sftp.host_key = \"secret:key\"\n\
         declaration.d.column.id = {{}}\n[destination.t]\n{SQLITE}{D}{ID}"
    );
    check_text(
        &shared,
        &[
            "the ledger is shared, but the table of destination `t` would be another on each node\n  help: use kind = \
             \"postgres\" or \"dynamodb\"",
        ],
    );
}

#[track_caller]
fn check_declaration(lines: &str, expect: Option<&str>) {
    let text = format!("node.data = \"/data\"\n[declaration.d]\n{lines}\n");
    check_text(&text, &expect.into_iter().collect::<Vec<_>>());
}

#[test]
fn declarations() {
    for (lines, expect) in [
        ("delimiter = \"|\"", None),
        ("delimiter = \"\\t\"", None),
        (
            "delimiter = \"||\"",
            Some(
                "delimiter: `||` cannot stand between cells\n  help: write one character, as in `;`, `|`, or \"\\t\" for a tab",
            ),
        ),
        (
            "quote = \"a\"",
            Some(
                "quote: `a` cannot stand between cells\n  help: write one character, as in `;`, `|`, or \"\\t\" for a tab",
            ),
        ),
        (
            "quote = \";\"\ndelimiter = \";\"",
            Some("quote: the same is between cells\n  help: let `delimiter` and `quote` differ"),
        ),
        (
            "format = \"csv\"\nsheet = \"a\"",
            Some("sheet: only Excel has one\n  help: leave the key out, or write another `format`"),
        ),
        (
            "format = \"xls\"\ndelimiter = \";\"",
            Some(
                "delimiter: only text has one\n  help: leave the key out, or write another `format`",
            ),
        ),
        (
            "format = \"parquet\"",
            Some("format: `parquet` is not known here\n  help: known are: csv, json, xlsx, xls"),
        ),
        (
            "encoding = \"utf8\"",
            Some("encoding: `utf8` is not known here\n  help: did you mean `utf-8`?"),
        ),
        (
            "max_rejected = \"101%\"",
            Some(
                "max_rejected: `101%` is not a part of the rows\n  help: write a number of rows, or a part of them in quotes, as in \"5%\"",
            ),
        ),
        (
            "max_rejected = -1",
            Some(
                "max_rejected: -1 is out of range\n  help: write a number of rows, or a part of them in quotes, as in \"5%\"",
            ),
        ),
        (
            "others = \"refuse\"",
            Some(
                "others: no column is declared, so every file would be refused\n  help: declare the columns, as in [declaration.NAME.column.id], or leave `others` out",
            ),
        ),
        (
            "colums.id = {}",
            Some("unknown table `colums` in [declaration.d]\n  help: did you mean `column`?"),
        ),
        (
            "column.id = \"integer\"",
            Some(
                "`id` is a text, but [declaration.d.column] holds only tables\n  help: give it a name: [declaration.d.column.NAME]",
            ),
        ),
    ] {
        check_declaration(lines, expect);
    }
}

#[test]
fn columns() {
    let long = "n".repeat(64);
    let long = format!("column.{long} = {{}}");
    for (lines, expect) in [
        (
            "column.c.type = \"number\"",
            Some(
                "type: `number` is not known here\n  help: known are: text, integer, decimal, boolean, date, timestamp",
            ),
        ),
        (
            "column.c = { format = \"%d.%m.%Y\" }",
            Some(
                "format: values of type text have none\n  help: add type = \"date\" or \"timestamp\", or leave the format out",
            ),
        ),
        (
            "column.c = { type = \"date\", zone = \"Europe/Dublin\" }",
            Some(
                "zone: values of type date have none\n  help: add type = \"timestamp\", or leave the zone out",
            ),
        ),
        (
            "column.c = { value = \"{name}\", header = \"C\" }",
            Some(
                "header: the column has a `value`, so nothing of the file gets into it\n  help: leave one of the two out",
            ),
        ),
        (
            "column.c = { required = true, default = \"\" }",
            Some(
                "required: no cell is missing where a `default` stands in for it\n  help: leave one of the two out",
            ),
        ),
        (
            "column.c.default = 1.5",
            Some(
                "default: a text in quotes is needed, not a fraction\n  help: write it as the file would, in quotes: \"0.00\" or \"2026-01-31\"",
            ),
        ),
        (
            "column.\"\" = {}",
            Some(
                "a column needs a name without control characters\n  help: write the column's name in the table, as in [declaration.products.column.price]",
            ),
        ),
        (
            &long,
            Some(
                "the name is longer than 63 bytes\n  help: shorten it; what the file calls the column is its `header`",
            ),
        ),
        (
            "column.c.lenght = 5",
            Some(
                "unknown key `lenght` in [declaration.d.column.c]\n  help: known here: type, header, value, required, default, format, zone",
            ),
        ),
    ] {
        check_declaration(lines, expect);
    }
}

#[test]
fn constants_are_values_of_their_column() {
    for (lines, expect) in [
        (
            "column.c = { type = \"integer\", value = \"abc\" }",
            Some(
                "value: `abc` is not an integer\n  help: write it as a file would write a value of type integer, or give the column another `type`",
            ),
        ),
        (
            "column.c = { type = \"integer\", default = \"x\" }",
            Some(
                "default: `x` is not an integer\n  help: write it as a file would write a value of type integer, or give the column another `type`",
            ),
        ),
        ("column.c = { type = \"integer\", value = \"7\" }", None),
        (
            "column.c = { type = \"integer\", value = \"{path.1}\" }",
            None,
        ),
        (
            "decimal_mark = \",\"\ncolumn.c = { type = \"decimal\", default = \"0,5\" }",
            None,
        ),
    ] {
        check_declaration(lines, expect);
    }
}

/// A connection string that was pasted where its name belongs, and one in another's line.
#[test]
fn no_problem_of_a_table_shows_a_connection_string() {
    for line in [
        "url = \"postgres://me:hunter2@db.example/shop?sslmode=require\"",
        "url = \"host=db user=me password=hunter2\"",
        "url = \"hunter2\"",
        "url = [\"hunter2\"]",
        "ulr = \"postgresql://me:hunter2@db.example/shop?a=b\"",
    ] {
        let text = format!("node.data = \"/d\"\n[destination.x]\nkind = \"postgres\"\n{line}\n");
        let problems = read(&[("quaymaster.toml", &text)]).unwrap_err().join("\n");
        assert!(
            problems.contains("quaymaster.toml:4:"),
            "{line}: {problems}"
        );
        assert!(!problems.contains("hunter2"), "{line}: {problems}");
    }
    let inline = "node.data = \"/d\"\ndestination.x = { kind = \"postgres\", url = \"postgres://u:hunter2@h/d?x=y\", \
                  concurrency = 0 }\n";
    let problems = read(&[("quaymaster.toml", inline)]).unwrap_err().join("\n");
    assert!(
        problems.contains("concurrency: 0 is out of range"),
        "{problems}"
    );
    assert!(!problems.contains("hunter2"), "{problems}");
}
