//! Commands of a document, run as its reader runs them.

use anyhow::{Context as _, Result};
use std::path::Path;
use std::process::Command;

use crate::node::binary;

/// The blocks of commands, in their order.
pub fn blocks(document: &str) -> impl Iterator<Item = &str> {
    fenced(document, "```sh\n")
}

/// What a terminal shows behind its `$ `, a list for each block.
pub fn sessions(document: &str) -> impl Iterator<Item = Vec<&str>> {
    fenced(document, "```console\n").map(typed)
}

/// The examples of configurations.
pub fn examples(document: &str) -> impl Iterator<Item = &str> {
    fenced(document, "```toml\n")
}

fn typed(block: &str) -> Vec<&str> {
    let lines = block.lines();
    lines.filter_map(|line| line.strip_prefix("$ ")).collect()
}

fn fenced<'d>(document: &'d str, opening: &'static str) -> impl Iterator<Item = &'d str> {
    document
        .split(opening)
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```"))
        .map(|(block, _)| block)
}

/// A shell in a folder of one's own that finds the binary and stops at the first error.
pub fn shell(folder: &Path, configuration: &Path, commands: &str) -> Result<Command> {
    let program = binary()?;
    let programs = program.parent().context("the binary lies in a folder")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(programs.to_owned()).chain(std::env::split_paths(&path));
    let mut command = Command::new("bash");
    command
        .args(["-euo", "pipefail", "-c", commands])
        .current_dir(folder)
        .env("PATH", std::env::join_paths(folders)?)
        .env("QUAYMASTER_CONFIG", configuration);
    Ok(command)
}
