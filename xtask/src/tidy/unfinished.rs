//! What lands is finished: no notes to oneself in the source, no holes. What is left to do is an
//! issue.

use super::Complaint;
use super::rust_source::RustSource;
use super::tree::TextFile;

/// The checker names what it looks for.
const EXEMPT: &str = "xtask/src/tidy/unfinished.rs";
/// Left in comments.
const NOTES: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];
/// Left in code. An ignored test is a silent skip.
const HOLES: &[&str] = &["todo!", "unimplemented!", "#[ignore"];

pub(crate) fn check(tree: &[TextFile]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for file in tree.iter().filter(|file| file.path != EXEMPT) {
        if file.is_rust() {
            let source = RustSource::parse(&file.text);
            for (line, comment) in &source.comments {
                note(&file.path, *line, comment, &mut complaints);
            }
            for (line, code) in source.code_lines() {
                if let Some(hole) = HOLES.iter().find(|hole| code.contains(**hole)) {
                    complaints.push(Complaint::at_line(
                        &file.path,
                        line,
                        format!("`{hole}`: finish it or leave it out"),
                    ));
                }
            }
        } else {
            for (number, line) in file.lines() {
                note(&file.path, number, line, &mut complaints);
            }
        }
    }
    complaints
}

fn note(path: &str, line: usize, text: &str, complaints: &mut Vec<Complaint>) {
    let found = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .find_map(|word| NOTES.iter().find(|note| **note == word));
    if let Some(word) = found {
        complaints.push(Complaint::at_line(
            path,
            line,
            format!("`{word}`: do it now, or file an issue"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, places};
    use super::*;

    #[test]
    fn notes_and_holes() {
        assert_eq!(
            places(&check(&[
                file("a.rs", "// TODO: later\nfn f() {\n    todo!()\n}\n"),
                file("b.rs", "\"TODO\"; todo(); // a todo list\n"),
                file("c.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}\n"),
                file("d.toml", "x = 1 # FIXME\n"),
                file("e.md", "mktemp /tmp/qm.XXXXXX\n"),
            ])),
            ["a.rs:1", "a.rs:3", "c.rs:2", "d.toml:1"]
        );
    }
}
