//! SQL is written in qm-ledger, and for the tables of others in qm-tables: whoever wants a fact asks a
//! port.

use super::Complaint;
use super::rust_source::RustSource;
use super::tree::TextFile;

/// The rooms of SQL; the measuring program, which sets tables up for what it measures beside; and the
/// checker itself, which has to name what it looks for.
const EXEMPT: &[&str] = &["qm-bench", "qm-ledger", "qm-tables", "xtask"];
/// Tests with tables of others: somebody has to make them.
const OF_OTHERS: &str = "crates/qm-e2e/tests/it/tables.rs";

pub(crate) fn check(tree: &[TextFile]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let outside = tree
        .iter()
        .filter(|file| !file.crate_name().is_some_and(|name| EXEMPT.contains(&name)))
        .filter(|file| file.path != OF_OTHERS);
    for file in outside {
        if file.has_extension("sql") {
            complaints.push(Complaint::new(&file.path, "SQL files belong in qm-ledger"));
        }
        if file.is_rust() {
            for (line, literal) in RustSource::parse(&file.text).strings {
                if is_sql(&literal) {
                    complaints.push(Complaint::at_line(
                        &file.path,
                        line,
                        "SQL only in qm-ledger; add a method to a port of the ledger",
                    ));
                }
            }
        }
    }
    complaints
}

/// True if the literal begins as a statement does. The second keyword keeps English out.
fn is_sql(literal: &str) -> bool {
    let words: Vec<String> = literal
        .replace("\\n", " ")
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_uppercase)
        .collect();
    let word = |i: usize| words.get(i).map_or("", String::as_str);
    let has = |keyword: &str| words.iter().any(|w| w == keyword);
    match word(0) {
        "SELECT" => has("FROM") && !ends_like_a_sentence(literal) || has("EXISTS"),
        "INSERT" | "REPLACE" => matches!(word(1), "INTO" | "OR"),
        "UPDATE" => has("SET") && word(1) != "THE",
        "DELETE" => word(1) == "FROM",
        "CREATE" => matches!(
            word(1),
            "TABLE" | "INDEX" | "UNIQUE" | "TRIGGER" | "VIEW" | "TEMP" | "VIRTUAL"
        ),
        "ALTER" => word(1) == "TABLE",
        "DROP" => matches!(word(1), "TABLE" | "INDEX" | "TRIGGER" | "VIEW"),
        "PRAGMA" => words.len() > 1,
        "BEGIN" => matches!(word(1), "IMMEDIATE" | "EXCLUSIVE" | "DEFERRED"),
        "WITH" => has("AS") && has("SELECT"),
        "SAVEPOINT" => words.len() == 2,
        _ => false,
    }
}

fn ends_like_a_sentence(literal: &str) -> bool {
    literal.trim_end().ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, places};
    use super::*;

    #[test]
    fn statements_and_sentences() {
        for (literal, expect) in [
            ("SELECT id FROM arrivals WHERE seq = ?1", true),
            ("\\n   select seq\\n from arrivals", true),
            ("SELECT EXISTS (VALUES (1))", true),
            ("INSERT INTO arrivals VALUES (?1)", true),
            ("insert or ignore into t values (1)", true),
            ("UPDATE deliveries SET state = ?1", true),
            ("DELETE FROM alerts", true),
            ("CREATE UNIQUE INDEX i ON t (a)", true),
            ("PRAGMA journal_mode = WAL", true),
            ("BEGIN IMMEDIATE", true),
            ("WITH old AS (SELECT 1) DELETE FROM t", true),
            ("select a file from the list.", false),
            ("update the set of keys", false),
            ("delete a file", false),
            ("create a folder", false),
            ("with as much care", false),
            ("begin", false),
            ("selected", false),
        ] {
            assert_eq!(is_sql(literal), expect, "{literal}");
        }
    }

    #[test]
    fn only_outside_the_ledger_and_only_in_literals() {
        let statement = "fn f() {\n    q(\"DELETE FROM alerts\");\n}\n";
        assert_eq!(
            places(&check(&[
                file("crates/qm-engine/src/alert.rs", statement),
                file("crates/qm-ledger/src/alerts.rs", statement),
                file(
                    "crates/qm-store/src/lib.rs",
                    "// DELETE FROM alerts\nfn f() {}\n"
                ),
                file("crates/qm-store/schema.sql", "-- nothing"),
                file(
                    "crates/qm-ledger/migrations/0001_first.sql",
                    "CREATE TABLE t (a)"
                ),
            ])),
            [
                "crates/qm-engine/src/alert.rs:2",
                "crates/qm-store/schema.sql"
            ]
        );
    }
}
