//! The absences. Each check is a pure function over what was read here, so that each can be shown
//! input that breaks it.

mod banned_crates;
mod changelog;
mod decision_records;
mod dependencies_paper;
mod edges;
mod environment;
mod file_length;
mod machine_words;
mod migrations;
mod parity;
mod private_keys;
mod programs;
mod rust_source;
mod sql;
mod tree;
mod unfinished;

use anyhow::{Result, bail};
use std::fmt;

use crate::workspace::Workspace;

/// Something that must not be there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Complaint {
    /// A file, a line of one, or a crate.
    place: String,
    /// What is wrong, and what would be right.
    text: String,
}

impl Complaint {
    fn new(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            text: text.into(),
        }
    }

    fn at_line(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), text)
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let tree = tree::read(&workspace.root)?;
    let packages = edges::packages(&workspace.metadata)?;
    let lengths = file_length::check(&tree);
    let complaints = [
        edges::check(&packages),
        edges::check_layer_one_tree(&banned_crates::layer_one_tree(workspace)?),
        banned_crates::check(&banned_crates::shipped_tree(workspace)?),
        sql::check(&tree),
        environment::check(&tree),
        lengths.complaints,
        migrations::check(&tree),
        parity::check(&tree),
        private_keys::check(&tree),
        programs::check(&tree),
        machine_words::check(&tree),
        dependencies_paper::check(&tree, &packages),
        decision_records::check(&tree),
        changelog::check(&tree),
        unfinished::check(&tree),
    ]
    .concat();
    for complaint in &complaints {
        println!("{complaint}");
    }
    println!(
        "tidy: {} files, {} longer than {} lines, {} complaints",
        tree.len(),
        lengths.long,
        file_length::LINES_AIM,
        complaints.len()
    );
    if complaints.is_empty() {
        return Ok(());
    }
    bail!("the tree is not tidy");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of complaints, which is what most tests are about.
    pub(super) fn places(complaints: &[Complaint]) -> Vec<&str> {
        complaints.iter().map(|c| c.place.as_str()).collect()
    }

    pub(super) fn file(path: &str, text: &str) -> tree::TextFile {
        tree::TextFile {
            path: path.to_owned(),
            text: text.to_owned(),
            is_executable: false,
        }
    }
}
