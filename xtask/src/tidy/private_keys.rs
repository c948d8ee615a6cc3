//! No private key is ever in the tree; tests make theirs.

use super::Complaint;
use super::tree::TextFile;

/// Written in two halves: this file must not contain what it looks for.
const BEGINNINGS: &[(&str, &str)] = &[
    (concat!("-----BEGIN ", ""), concat!("PRIVATE", " KEY-----")),
    (concat!("PuTTY-User-", "Key-File-"), ""),
    (concat!("AGE-SECRET-", "KEY-1"), ""),
];

pub(crate) fn check(tree: &[TextFile]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in tree {
        for (number, line) in file.lines() {
            let is_key = BEGINNINGS.iter().any(|(begin, end)| {
                line.split_once(begin)
                    .is_some_and(|(_, rest)| rest.contains(end))
            });
            if is_key {
                complaints.push(Complaint::at_line(
                    &file.path,
                    number,
                    "a private key; make one when the test runs, and treat this one as known",
                ));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, places};
    use super::*;

    #[test]
    fn keys() {
        let marked = |words: &str| format!("x\n  -----{words}-----\n");
        assert_eq!(
            places(&check(&[
                file("a", &marked(concat!("BEGIN OPENSSH PRIVATE", " KEY"))),
                file("b.pem", &marked(concat!("BEGIN PRIVATE", " KEY"))),
                file(
                    "c.rs",
                    &format!("\"{}\"", concat!("-----BEGIN RSA PRIVATE", " KEY-----\\n"))
                ),
                file("d.ppk", concat!("PuTTY-User-", "Key-File-3: ssh-ed25519\n")),
                file("e.pub", &marked("BEGIN PUBLIC KEY")),
                file("f.md", "a private key never leaves the client\n"),
            ])),
            ["a:2", "b.pem:2", "c.rs:1", "d.ppk:1"]
        );
    }
}
