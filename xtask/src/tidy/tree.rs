//! The files that are, or are about to be, in the repository.

use anyhow::{Context, Result};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::workspace;

/// One file, read.
pub(crate) struct TextFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    /// Its content; bytes that are not text are replaced.
    pub(crate) text: String,
    /// True if its owner may run it.
    pub(crate) is_executable: bool,
}

impl TextFile {
    /// True for Rust source.
    pub(crate) fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    /// By what follows the last dot.
    pub(crate) fn has_extension(&self, wanted: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|extension| extension == wanted)
    }

    /// The crate it belongs to, by folder.
    pub(crate) fn crate_name(&self) -> Option<&str> {
        let mut parts = self.path.split('/');
        match parts.next()? {
            "crates" => parts.next(),
            "xtask" => Some("xtask"),
            _ => None,
        }
    }

    /// The last component of its path.
    pub(crate) fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(i, line)| (i + 1, line))
    }
}

/// Tracked files and new ones that are not ignored; what is deleted but still tracked is gone.
pub(crate) fn read(root: &Path) -> Result<Vec<TextFile>> {
    let listed = workspace::output(Command::new("git").current_dir(root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))
    .context("tidy asks git which files there are")?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let full = root.join(path);
        let metadata = match std::fs::symlink_metadata(&full) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            other => other.with_context(|| format!("looking at {path}"))?,
        };
        if !metadata.is_file() {
            continue;
        }
        let bytes = std::fs::read(&full).with_context(|| format!("reading {path}"))?;
        files.push(TextFile {
            path: path.to_owned(),
            text: String::from_utf8_lossy(&bytes).into_owned(),
            is_executable: metadata.permissions().mode() & 0o100 != 0,
        });
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracked_and_new_files_but_not_ignored_or_gone_ones() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let git = |arguments: &[&str]| {
            workspace::run(Command::new("git").current_dir(root).args(arguments)).unwrap();
        };
        let write = |name: &str, text: &[u8]| std::fs::write(root.join(name), text).unwrap();
        git(&["init", "--quiet"]);
        std::fs::create_dir_all(root.join("crates/qm-core")).unwrap();
        write(".gitignore", b"ignored\n");
        write("gone.rs", b"");
        write("crates/qm-core/lib.rs", b"a\nb\xff\n");
        git(&["add", "."]);
        std::fs::remove_file(root.join("gone.rs")).unwrap();
        write("ignored", b"");
        write("new.md", b"");
        std::os::unix::fs::symlink("new.md", root.join("link")).unwrap();
        let mut tree = read(root).unwrap();
        tree.sort_by(|a, b| a.path.cmp(&b.path));
        let paths: Vec<&str> = tree.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, [".gitignore", "crates/qm-core/lib.rs", "new.md"]);
        let rust = &tree[1];
        assert!(rust.is_rust() && !rust.is_executable);
        assert_eq!(rust.crate_name(), Some("qm-core"));
        assert_eq!(rust.file_name(), "lib.rs");
        assert_eq!(rust.lines().last(), Some((2, "b\u{fffd}")));
    }
}
