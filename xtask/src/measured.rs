//! Figures that are kept beside the documents: `docs/measured/`, written by programs only.

use anyhow::{Context, Result};
use std::process::Command;

use crate::workspace::{Workspace, output};

/// What is told of one run.
pub(crate) struct Measured<'a> {
    /// Of the file.
    pub(crate) name: &'a str,
    pub(crate) title: &'a str,
    /// What writes it again.
    pub(crate) command: &'a str,
    /// Markdown.
    pub(crate) text: &'a str,
}

impl Measured<'_> {
    /// Replaces what an earlier run left.
    pub(crate) fn write(&self, workspace: &Workspace) -> Result<()> {
        let folder = workspace.root.join("docs/measured");
        std::fs::create_dir_all(&folder).context("making the folder of figures")?;
        let file = folder.join(format!("{}.md", self.name));
        let text = self.page(&circumstances(workspace)?);
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        println!("written: {}", file.display());
        Ok(())
    }

    fn page(&self, circumstances: &str) -> String {
        format!(
            "# {}\n\nWritten by `{}` {circumstances}. Absolute figures are those of this machine; \
             the ratios are what counts.\n\n{}\n",
            self.title,
            self.command,
            self.text.trim()
        )
    }
}

/// When, of what and on what.
fn circumstances(workspace: &Workspace) -> Result<String> {
    let mut git = Command::new("git");
    git.current_dir(&workspace.root)
        .args(["rev-parse", "--short", "HEAD"]);
    let commit = output(&mut git)?;
    let date = output(Command::new("date").args(["--utc", "+%F"]))?;
    let kernel = output(Command::new("uname").args(["-sr"]))?;
    let cpus = std::fs::read_to_string("/proc/cpuinfo").context("asking for the processor")?;
    Ok(format!(
        "on {}, at commit {}, on {} ({})",
        date.trim(),
        commit.trim(),
        processors(&cpus),
        kernel.trim()
    ))
}

/// How many of which kind.
fn processors(cpus: &str) -> String {
    let named = |wanted: &str| {
        let lines = cpus.lines().filter_map(|line| line.split_once(':'));
        lines
            .filter(|(name, _)| name.trim() == wanted)
            .map(|(_, value)| value.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let count = named("processor").len();
    let model = named("model name").into_iter().next();
    format!("{count} × {}", model.as_deref().unwrap_or("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages() {
        let cpus = "processor\t: 0\nmodel name\t: Swift 3000\n\nprocessor\t: 1\nmodel name\t: Swift 3000\n";
        let page = Measured {
            name: "front",
            title: "The front",
            command: "cargo xtask bench --record",
            text: "| a |\n",
        }
        .page(&processors(cpus));
        assert_eq!(
            page,
            "# The front\n\nWritten by `cargo xtask bench --record` 2 × Swift 3000. Absolute figures are those of \
             this machine; the ratios are what counts.\n\n| a |\n"
        );
    }
}
