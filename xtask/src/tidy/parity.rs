//! PARITY.md says which behaviours of the five original systems work here. A row that says
//! "works" names what proves it, and the proof must exist.

use std::collections::{BTreeMap, BTreeSet};

use super::Complaint;
use super::rust_source::RustSource;
use super::tree::TextFile;

const PAPER: &str = "PARITY.md";
const SHAPE: &str = "is not `| id | works, partly or not yet | test | remark |`";

/// What can hold a row.
#[derive(Debug, Default)]
struct Proofs {
    /// Tests of the crates.
    tests: BTreeSet<String>,
    /// Text of each recipe's check, by `recipes/NAME`.
    recipes: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    NotYet,
    Partly,
    Works,
}

pub(crate) fn check(tree: &[TextFile]) -> Vec<Complaint> {
    let Some(paper) = tree.iter().find(|file| file.path == PAPER) else {
        return vec![Complaint::new(PAPER, "is missing")];
    };
    check_rows(paper, &proofs(tree))
}

fn check_rows(paper: &TextFile, proofs: &Proofs) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut seen = BTreeSet::new();
    let mut is_in_table = false;
    for (number, line) in paper.lines() {
        let Some(cells) = cells(line) else {
            is_in_table = false;
            continue;
        };
        let is_head = cells.first() == Some(&"id");
        let is_rule = cells
            .iter()
            .all(|cell| cell.trim_matches(['-', ':']).is_empty());
        if is_head {
            is_in_table = true;
        }
        if is_head || is_rule || !is_in_table {
            continue;
        }
        let found = check_row(&cells, proofs);
        complaints.extend(
            found
                .into_iter()
                .map(|text| Complaint::at_line(PAPER, number, text)),
        );
        if let Some(id) = cells.first()
            && !seen.insert((*id).to_owned())
        {
            complaints.push(Complaint::at_line(
                PAPER,
                number,
                format!("`{id}` has a row already"),
            ));
        }
    }
    if seen.is_empty() {
        complaints.push(Complaint::new(
            PAPER,
            "has no row; its tables begin with `| id | …`",
        ));
    }
    complaints
}

fn check_row(cells: &[&str], proofs: &Proofs) -> Vec<String> {
    let [id, state, tests, _remark] = cells else {
        return vec![SHAPE.to_owned()];
    };
    let state = match *state {
        "works" => State::Works,
        "partly" => State::Partly,
        "not yet" => State::NotYet,
        _ => return vec![SHAPE.to_owned()],
    };
    if !is_row_id(id) {
        return vec![format!("`{id}` is not the id of a row, such as `S1-01`")];
    }
    let named = named_proofs(tests);
    let mut texts: Vec<String> = named
        .iter()
        .filter_map(|name| missing(id, name, proofs))
        .collect();
    match state {
        State::Works | State::Partly if named.is_empty() => {
            texts.push(format!("`{id}` names no test"));
        }
        State::Works | State::Partly | State::NotYet => {}
    }
    texts
}

fn missing(id: &str, name: &str, proofs: &Proofs) -> Option<String> {
    if name.starts_with("recipes/") {
        let recipe = name.strip_suffix("/check").unwrap_or(name);
        return match proofs.recipes.get(recipe) {
            None => Some(format!("there is no {recipe}/check")),
            Some(check) if !names_row(check, id) => {
                Some(format!("{recipe}/check has no line that proves {id}"))
            }
            Some(_) => None,
        };
    }
    let test = name.rsplit("::").next().unwrap_or(name);
    (!proofs.tests.contains(test)).then(|| format!("there is no test `{test}` in crates/"))
}

/// The check names the row outside of a comment.
fn names_row(check: &str, id: &str) -> bool {
    check
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '-'))
        .any(|word| word == id)
}

fn proofs(tree: &[TextFile]) -> Proofs {
    let mut proofs = Proofs::default();
    for file in tree {
        if file.path.starts_with("crates/") && file.is_rust() {
            let source = RustSource::parse(&file.text);
            proofs.tests.extend(source.test_names().map(str::to_owned));
        }
        if let Some(recipe) = file.path.strip_suffix("/check")
            && recipe.starts_with("recipes/")
        {
            proofs.recipes.insert(recipe.to_owned(), file.text.clone());
        }
    }
    proofs
}

/// Names apart by commas or spaces, with or without backticks; `-` says none.
fn named_proofs(cell: &str) -> Vec<&str> {
    cell.split(|c: char| c.is_whitespace() || c == ',')
        .map(|word| word.trim_matches('`'))
        .filter(|word| !matches!(*word, "" | "-" | "–" | "<br>"))
        .collect()
}

fn is_row_id(text: &str) -> bool {
    match text.as_bytes() {
        [b'S', system, b'-', tens, ones] => {
            matches!(system, b'1'..=b'5') && tens.is_ascii_digit() && ones.is_ascii_digit()
        }
        _ => false,
    }
}

fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::*;

    const HEAD: &str = "# Parity\n\n| id | state | test | remark |\n|---|---|---|---|\n";

    #[track_caller]
    fn expect(rows: &str, expect: &[&str]) {
        let tree = [
            file(PAPER, &format!("{HEAD}{rows}")),
            file(
                "crates/qm-e2e/tests/it/login.rs",
                "#[test]\nfn wrong_key_is_refused() {}\n// #[test]\n// fn only_in_a_comment() {}\n\
                 fn helper() {}\n#[cfg(test)]\nmod tests {\nfn first() {}\n}\n\
                 #[test]\n#[ignore = \"slow\"]\nfn left_out() {}\n",
            ),
            file("xtask/src/x.rs", "#[test]\nfn not_in_crates() {}\n"),
            file(
                "recipes/agency-uploads/check",
                "#!/bin/sh\n# S1-09\nproves S1-02\n",
            ),
        ];
        let texts: Vec<String> = check(&tree).into_iter().map(|c| c.text).collect();
        assert_eq!(texts.len(), expect.len(), "{texts:?}");
        for (text, part) in texts.iter().zip(expect) {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn rows_with_proof() {
        expect("| S1-01 | works | `login::wrong_key_is_refused` | |\n", &[]);
        expect(
            "| S1-02 | works | recipes/agency-uploads | by recipe |\n",
            &[],
        );
        expect(
            "| S1-02 | works | `wrong_key_is_refused`, `recipes/agency-uploads/check` | |\n",
            &[],
        );
        expect("| S1-13 | not yet | – | later |\n", &[]);
    }

    #[test]
    fn rows_without_proof() {
        expect("| S1-01 | works | | |\n", &["names no test"]);
        expect("| S1-01 | partly | - | half |\n", &["names no test"]);
        for absent in [
            "never_written",
            "only_in_a_comment",
            "not_in_crates",
            "helper",
            "first",
            "left_out",
        ] {
            expect(
                &format!("| S1-01 | works | `{absent}` | |\n"),
                &["there is no test"],
            );
        }
        expect(
            "| S1-03 | works | recipes/agency-uploads | |\n",
            &["no line that proves S1-03"],
        );
        expect(
            "| S1-09 | works | recipes/agency-uploads | only a comment |\n",
            &["no line that proves S1-09"],
        );
        expect(
            "| S5-01 | works | recipes/nothing | |\n",
            &["there is no recipes/nothing/check"],
        );
    }

    #[test]
    fn shape() {
        expect(
            "| S1-01 | done | `wrong_key_is_refused` | |\n",
            &["is not `| id"],
        );
        expect(
            "| S1-01 | works | `wrong_key_is_refused` |\n",
            &["is not `| id"],
        );
        expect("| S9-01 | not yet | | |\n", &["is not the id"]);
        expect(
            "| S1-01 | not yet | | |\n| S1-01 | not yet | | |\n",
            &["has a row already"],
        );
        expect("", &["has no row"]);
        expect(
            "| S1-01 | not yet | | |\n\n| word | meaning |\n|---|---|\n| a | b |\n",
            &[],
        );
    }

    #[test]
    fn the_paper_must_be_there() {
        assert_eq!(check(&[]).len(), 1);
    }
}
