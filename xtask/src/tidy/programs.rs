//! What others run must be runnable in a fresh clone: continuous integration's entry and every
//! recipe's check.

use std::collections::BTreeSet;

use super::Complaint;
use super::tree::TextFile;

const ENTRY: &str = ".ci/run";
/// What every folder under `recipes/` has.
const RECIPE_FILES: &[&str] = &["README.md", "check"];

pub(crate) fn check(tree: &[TextFile]) -> Vec<Complaint> {
    let recipes: BTreeSet<&str> = tree
        .iter()
        .filter_map(|file| file.path.strip_prefix("recipes/")?.split_once('/'))
        .map(|(recipe, _)| recipe)
        .collect();
    let mut complaints = Vec::new();
    for recipe in recipes {
        for name in RECIPE_FILES {
            let path = format!("recipes/{recipe}/{name}");
            if !tree.iter().any(|file| file.path == path) {
                complaints.push(Complaint::new(path, "is missing"));
            }
        }
    }
    for file in tree {
        let is_check = file.path.starts_with("recipes/") && file.file_name() == "check";
        if (is_check || file.path == ENTRY) && !file.is_executable {
            complaints.push(Complaint::new(&file.path, "is not executable"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, places};
    use super::*;

    fn program(path: &str) -> TextFile {
        TextFile {
            is_executable: true,
            ..file(path, "#!/bin/sh\n")
        }
    }

    #[test]
    fn programs() {
        assert_eq!(
            check(&[
                program(".ci/run"),
                program("recipes/a/check"),
                file("recipes/a/README.md", "a"),
            ]),
            []
        );
        assert_eq!(
            places(&check(&[
                file(".ci/run", "#!/bin/sh\n"),
                file("recipes/a/check", "#!/bin/sh\n"),
                file("recipes/a/README.md", "a"),
                file("recipes/b/quaymaster.toml", ""),
            ])),
            [
                "recipes/b/README.md",
                "recipes/b/check",
                ".ci/run",
                "recipes/a/check"
            ]
        );
    }
}
