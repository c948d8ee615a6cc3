//! Migrations are append-only: a ledger in the field has run them as they were. Their digests are
//! listed beside them, so that a change of an old one is a change of two files.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

use super::Complaint;
use super::tree::TextFile;

/// Below it, a folder an engine.
const ROOT: &str = "crates/qm-ledger/migrations/";
const LIST: &str = "checksums.txt";

pub(crate) fn check(tree: &[TextFile]) -> Vec<Complaint> {
    let folders: BTreeSet<&str> = tree
        .iter()
        .filter(|file| file.has_extension("sql") || file.file_name() == LIST)
        .filter_map(|file| file.path.rsplit_once('/'))
        .map(|(folder, _)| folder)
        .filter(|folder| folder.starts_with(ROOT))
        .collect();
    folders
        .into_iter()
        .flat_map(|folder| check_folder(tree, folder))
        .collect()
}

fn check_folder(tree: &[TextFile], folder: &str) -> Vec<Complaint> {
    let is_here = |file: &&TextFile| {
        file.path
            .rsplit_once('/')
            .is_some_and(|(of, _)| of == folder)
    };
    let migrations: Vec<&TextFile> = tree
        .iter()
        .filter(|file| file.has_extension("sql"))
        .filter(is_here)
        .collect();
    let list_path = format!("{folder}/{LIST}");
    let Some(list) = tree.iter().find(|file| file.path == list_path) else {
        return vec![Complaint::new(
            list_path,
            "is missing; it has one line `SHA-256  FILE` a migration",
        )];
    };
    let mut complaints = Vec::new();
    let mut listed: Vec<(&str, &str)> = Vec::new();
    for (number, line) in list.lines() {
        match line.split_once("  ") {
            Some((digest, name)) if is_digest(digest) && !name.is_empty() => {
                listed.push((digest, name));
            }
            _ => complaints.push(Complaint::at_line(
                &list_path,
                number,
                "is not `SHA-256  FILE`",
            )),
        }
    }
    complaints.extend(check_numbers(&migrations));
    for migration in &migrations {
        let name = migration.file_name();
        let digest = hex::encode(Sha256::digest(migration.text.as_bytes()));
        match listed.iter().find(|(_, listed)| *listed == name) {
            None => complaints.push(Complaint::new(
                &migration.path,
                format!("is not in checksums.txt; append the line `{digest}  {name}`"),
            )),
            Some((expected, _)) if *expected != digest => complaints.push(Complaint::new(
                &migration.path,
                "was changed after it was listed; take the change back and write a new migration",
            )),
            Some(_) => {}
        }
    }
    for (_, name) in &listed {
        if !migrations.iter().any(|m| m.file_name() == *name) {
            complaints.push(Complaint::new(
                format!("{folder}/{name}"),
                "is listed but gone; ledgers in the field have run it, put it back",
            ));
        }
    }
    complaints
}

/// `0001_…`, `0002_…`: without a gap, so that their order is their name's.
fn check_numbers(migrations: &[&TextFile]) -> Vec<Complaint> {
    let mut paths: Vec<&TextFile> = migrations.to_vec();
    paths.sort_by(|a, b| a.path.cmp(&b.path));
    paths
        .iter()
        .zip(1..)
        .filter(|(file, expected)| !file.file_name().starts_with(&format!("{expected:04}_")))
        .map(|(file, expected)| {
            Complaint::new(&file.path, format!("the next number is {expected:04}"))
        })
        .collect()
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, places};
    use super::*;

    const LIST: &str = "crates/qm-ledger/migrations/sqlite/checksums.txt";
    const FIRST: &str = "crates/qm-ledger/migrations/sqlite/0001_first.sql";
    const SECOND: &str = "crates/qm-ledger/migrations/sqlite/0002_second.sql";
    const OTHER: &str = "crates/qm-ledger/migrations/postgres/0001_first.sql";

    fn line(name: &str, text: &str) -> String {
        format!("{}  {name}\n", hex::encode(Sha256::digest(text)))
    }

    #[track_caller]
    fn expect(files: &[(&str, &str)], list: Option<&str>, expect: &[&str]) {
        let mut tree: Vec<TextFile> = files.iter().map(|(p, t)| file(p, t)).collect();
        tree.extend(list.map(|list| file(LIST, list)));
        assert_eq!(places(&check(&tree)), expect);
    }

    #[test]
    fn append_only() {
        let first = line("0001_first.sql", "one");
        let both = format!("{first}{}", line("0002_second.sql", "two"));
        expect(&[], None, &[]);
        expect(&[(FIRST, "one")], None, &[LIST]);
        expect(&[(FIRST, "one")], Some(&first), &[]);
        expect(&[(FIRST, "one"), (SECOND, "two")], Some(&both), &[]);
        expect(&[(FIRST, "one"), (SECOND, "two")], Some(&first), &[SECOND]);
        expect(&[(FIRST, "one, edited")], Some(&first), &[FIRST]);
        expect(&[(FIRST, "one")], Some(&both), &[SECOND]);
        expect(&[], Some(&first), &[FIRST]);
        expect(
            &[(SECOND, "two")],
            Some(&line("0002_second.sql", "two")),
            &[SECOND],
        );
        let broken = format!("{first}0001 nonsense\n");
        expect(
            &[(FIRST, "one")],
            Some(&broken),
            &["crates/qm-ledger/migrations/sqlite/checksums.txt:2"],
        );
        // An engine's numbers and list are its own.
        expect(
            &[(FIRST, "one"), (OTHER, "one")],
            Some(&first),
            &["crates/qm-ledger/migrations/postgres/checksums.txt"],
        );
    }
}
