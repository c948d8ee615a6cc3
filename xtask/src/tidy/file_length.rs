//! One thing a file. A file that has grown past the limit has become two things.

use super::Complaint;
use super::tree::TextFile;

/// What we aim at; longer files are counted, not refused.
pub(crate) const LINES_AIM: usize = 300;
/// No file is longer, tests included.
pub(crate) const LINES_MAX: usize = 500;

pub(crate) struct Lengths {
    /// How many files are longer than the aim.
    pub(crate) long: usize,
    pub(crate) complaints: Vec<Complaint>,
}

pub(crate) fn check(tree: &[TextFile]) -> Lengths {
    let lengths: Vec<(&str, usize)> = tree
        .iter()
        .filter(|file| file.is_rust())
        .map(|file| (file.path.as_str(), file.lines().count()))
        .collect();
    Lengths {
        long: lengths.iter().filter(|(_, n)| *n > LINES_AIM).count(),
        complaints: lengths
            .iter()
            .filter(|(_, n)| *n > LINES_MAX)
            .map(|(path, n)| {
                Complaint::new(
                    *path,
                    format!("{n} lines, the limit is {LINES_MAX}; split it by what it is about"),
                )
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, places};
    use super::*;

    #[test]
    fn limits() {
        let of = |path: &str, lines: usize| file(path, &"x\n".repeat(lines));
        let lengths = check(&[
            of("crates/a/src/aim.rs", 300),
            of("crates/a/src/long.rs", 301),
            of("crates/a/src/limit.rs", 500),
            of("crates/a/src/over.rs", 501),
            of("Cargo.lock", 9_000),
        ]);
        assert_eq!(lengths.long, 3);
        assert_eq!(places(&lengths.complaints), ["crates/a/src/over.rs"]);
    }
}
