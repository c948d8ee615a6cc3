//! One fragment a change in `changelog.d/`, so that two changes never meet in one file.

use super::Complaint;
use super::tree::TextFile;

const FOLDER: &str = "changelog.d/";
const KINDS: &[&str] = &["feature", "fix", "change"];

pub(crate) fn check(tree: &[TextFile]) -> Vec<Complaint> {
    let fragments = tree
        .iter()
        .filter_map(|file| Some((file, file.path.strip_prefix(FOLDER)?)))
        .filter(|(_, name)| *name != "README.md");
    let mut complaints = Vec::new();
    for (file, name) in fragments {
        if !is_well_named(name) {
            complaints.push(Complaint::new(
                &file.path,
                "is not named `<slug>.<feature|fix|change>.md`, the slug in lower case with hyphens",
            ));
        } else if file.text.trim().is_empty() {
            complaints.push(Complaint::new(
                &file.path,
                "is empty; write what a user of the product will notice",
            ));
        }
    }
    complaints
}

fn is_well_named(name: &str) -> bool {
    let parts: Vec<&str> = name.split('.').collect();
    match parts.as_slice() {
        [slug, kind, "md"] => {
            !slug.is_empty()
                && slug
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && KINDS.contains(kind)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, places};
    use super::*;

    #[test]
    fn names() {
        for (name, expect) in [
            ("front-door.feature.md", true),
            ("rename-2.fix.md", true),
            ("x.change.md", true),
            ("front door.feature.md", false),
            ("Front.feature.md", false),
            ("front-door.md", false),
            ("front-door.bug.md", false),
            (".fix.md", false),
            ("sub/front.fix.md", false),
        ] {
            assert_eq!(is_well_named(name), expect, "{name}");
        }
    }

    #[test]
    fn fragments_say_something() {
        assert_eq!(
            places(&check(&[
                file("changelog.d/README.md", ""),
                file("changelog.d/a.fix.md", "A name with a space is shown.\n"),
                file("changelog.d/b.fix.md", "\n"),
                file("changelog.d/c.txt", "x"),
                file("docs/c.txt", "x"),
            ])),
            ["changelog.d/b.fix.md", "changelog.d/c.txt"]
        );
    }
}
