//! Every crate we borrow has a line that says what for and why this one.

use std::collections::BTreeSet;

use super::Complaint;
use super::edges::Package;
use super::tree::TextFile;

const PAPER: &str = "docs/dependencies.md";

pub(crate) fn check(tree: &[TextFile], packages: &[Package]) -> Vec<Complaint> {
    let Some(paper) = tree.iter().find(|file| file.path == PAPER) else {
        return vec![Complaint::new(PAPER, "is missing")];
    };
    let used: BTreeSet<&str> = packages
        .iter()
        .flat_map(|package| &package.dependencies)
        .filter(|dependency| !dependency.is_ours)
        .map(|dependency| dependency.name.as_str())
        .collect();
    let rows: Vec<(usize, &str, bool)> = paper
        .lines()
        .filter_map(|(number, line)| row(line).map(|(name, full)| (number, name, full)))
        .collect();
    let mut complaints = Vec::new();
    for name in &used {
        if !rows.iter().any(|(_, listed, _)| listed == name) {
            complaints.push(Complaint::new(
                PAPER,
                format!("`{name}` has no row; write what it is for and why this one"),
            ));
        }
    }
    for (number, name, is_full) in rows {
        if !used.contains(name) {
            complaints.push(Complaint::at_line(
                PAPER,
                number,
                format!("`{name}` is in no manifest any more; remove the row"),
            ));
        } else if !is_full {
            complaints.push(Complaint::at_line(PAPER, number, "a cell is empty"));
        }
    }
    complaints
}

/// A row whose first cell is a crate in backticks, and whether it has three filled cells.
fn row(line: &str) -> Option<(&str, bool)> {
    let cells: Vec<&str> = line
        .strip_prefix('|')?
        .trim_end()
        .trim_end_matches('|')
        .split('|')
        .map(str::trim)
        .collect();
    let name = cells.first()?.strip_prefix('`')?.strip_suffix('`')?;
    Some((
        name,
        cells.len() == 3 && cells.iter().all(|cell| !cell.is_empty()),
    ))
}

#[cfg(test)]
mod tests {
    use super::super::edges::{Dependency, Kind};
    use super::super::tests::{file, places};
    use super::*;

    #[track_caller]
    fn expect(paper: &str, expect: &[(&str, &str)]) {
        let dependency = |name: &str, is_ours| Dependency {
            name: name.to_owned(),
            kind: Kind::Normal,
            is_ours,
        };
        let packages = [Package {
            name: "qm-store".to_owned(),
            dependencies: vec![
                dependency("bytes", false),
                dependency("tokio", false),
                dependency("qm-core", true),
            ],
        }];
        let found = check(&[file(PAPER, paper)], &packages);
        let places = places(&found);
        let texts: Vec<&str> = found.iter().map(|c| c.text.as_str()).collect();
        assert_eq!(places.len(), expect.len(), "{texts:?}");
        for ((place, text), (at, part)) in places.iter().zip(texts).zip(expect) {
            assert_eq!(place, at);
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn rows() {
        let head = "| crate | what for | why this one |\n|---|---|---|\n";
        let both = format!("{head}| `bytes` | buffers | shared |\n| `tokio` | runtime | russh |\n");
        expect(&both, &[]);
        expect(
            &format!("{head}| `bytes` | buffers | shared |\n"),
            &[(PAPER, "`tokio` has no row")],
        );
        expect(
            &format!("{both}| `ring` | x | y |\n"),
            &[("docs/dependencies.md:5", "in no manifest")],
        );
        expect(
            &both.replace("runtime", ""),
            &[("docs/dependencies.md:4", "a cell is empty")],
        );
    }

    #[test]
    fn the_paper_must_be_there() {
        assert_eq!(places(&check(&[], &[])), [PAPER]);
    }
}
