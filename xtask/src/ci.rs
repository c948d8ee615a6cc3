//! Everything that must pass before a change lands, cheapest first.

use anyhow::{Context, Result};

use crate::workspace::{self, Workspace};
use crate::{test, tidy};

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    step("fmt", || {
        workspace::run(workspace.cargo().args(["fmt", "--all", "--check"]))
    })?;
    step("tidy", || tidy::run(workspace))?;
    step("clippy", || {
        workspace::run(workspace.cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    step("test", || test::run(workspace, &test::Options::default()))?;
    step("docs", || {
        workspace::run(
            workspace
                .cargo()
                .args(["doc", "--no-deps", "--workspace"])
                .env("RUSTDOCFLAGS", "-Dwarnings"),
        )
    })
}

fn step(name: &'static str, body: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("==> {name}");
    body().with_context(|| format!("ci stopped at `{name}`"))
}
