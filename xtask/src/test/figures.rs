//! What the tests counted while they broke things.

use anyhow::{Context, Result};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::measured::Measured;
use crate::workspace::Workspace;

/// The file that tests and recipes add a line each to.
pub(super) struct Figures {
    pub(super) file: PathBuf,
}

impl Figures {
    /// None yet.
    pub(super) fn new(target: &Path) -> Result<Self> {
        let file = target.join("figures.txt");
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", file.display()))
            }
            Ok(()) | Err(_) => Ok(Self { file }),
        }
    }

    /// A list in the order of their names.
    pub(super) fn list(&self) -> Result<String> {
        let text = match std::fs::read_to_string(&self.file) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            text => text.context("reading what the tests counted")?,
        };
        let mut lines: Vec<String> = text.lines().map(|line| format!("- {line}\n")).collect();
        lines.sort();
        Ok(lines.concat())
    }

    pub(super) fn record(&self, workspace: &Workspace) -> Result<()> {
        let measured = Measured {
            name: "kills",
            title: "Killed, cut off, and nothing lost",
            command: "cargo xtask test --record",
            text: &self.list()?,
        };
        measured.write(workspace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_listed_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let figures = Figures::new(folder.path()).unwrap();
        assert_eq!(figures.list().unwrap(), "");
        std::fs::write(&figures.file, "b: 2\na: 1\n").unwrap();
        assert_eq!(figures.list().unwrap(), "- a: 1\n- b: 2\n");
        let again = Figures::new(folder.path()).unwrap();
        assert_eq!(again.list().unwrap(), "");
    }
}
