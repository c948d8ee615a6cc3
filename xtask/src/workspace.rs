//! Where things are, and how other programs are called.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The checkout this program was built from.
pub(crate) struct Workspace {
    /// The folder of the root manifest.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// `cargo metadata --no-deps`: the crates of the workspace and what they ask for.
    pub(crate) metadata: Value,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies in the workspace's root")?
            .to_owned();
        let mut command = cargo(&root);
        command.args(["metadata", "--format-version", "1", "--no-deps"]);
        let metadata: Value =
            serde_json::from_str(&output(&mut command)?).context("reading cargo's metadata")?;
        let target = metadata["target_directory"]
            .as_str()
            .context("cargo's metadata name no target folder")?
            .into();
        Ok(Self {
            root,
            target,
            metadata,
        })
    }

    /// Cargo, run at the root.
    pub(crate) fn cargo(&self) -> Command {
        cargo(&self.root)
    }

    /// The binary as the development profile builds it.
    pub(crate) fn binary(&self) -> PathBuf {
        self.target.join("debug").join("quaymaster")
    }

    /// The binary as the release profile builds it.
    pub(crate) fn release_binary(&self) -> PathBuf {
        self.target.join("release").join("quaymaster")
    }
}

/// Runs to the end with our terminal; anything but success is an error that names the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = shown(command);
    let status = command
        .status()
        .with_context(|| format!("could not start `{line}`"))?;
    ensure!(status.success(), "`{line}` failed ({status})");
    Ok(())
}

/// Runs to the end with its errors on our terminal, shows what it printed and returns it.
pub(crate) fn told(command: &mut Command) -> Result<String> {
    let line = shown(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("could not start `{line}`"))?;
    let text = String::from_utf8(output.stdout);
    let text = text.with_context(|| format!("`{line}` printed no text"))?;
    print!("{text}");
    ensure!(
        output.status.success(),
        "`{line}` failed ({})",
        output.status
    );
    Ok(text)
}

/// Runs to the end and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = shown(command);
    let output = command
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("could not start `{line}`"))?;
    if !output.status.success() {
        bail!(
            "`{line}` failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed no text"))
}

/// True if the command can be started and succeeds; it prints nothing.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    words.join(" ")
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}
