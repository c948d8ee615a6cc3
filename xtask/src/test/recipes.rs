//! Each recipe proves itself: its `check` drives the built binary with real clients.

use anyhow::{Context, Result};
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::Options;
use super::totals::Totals;
use crate::workspace::Workspace;

/// A check takes seconds; one that takes this long hangs, and the run must end all the same.
const CHECK_LIMIT: Duration = Duration::from_mins(10);
const POLL_PAUSE: Duration = Duration::from_millis(50);

pub(super) fn run(
    workspace: &Workspace,
    options: &Options,
    environment: &[(&'static str, OsString)],
) -> Result<Totals> {
    let mut totals = Totals::default();
    if options.is_offline {
        return Ok(totals);
    }
    for recipe in recipes(&workspace.root.join("recipes"))? {
        let name = format!(
            "recipes/{}",
            recipe.file_name().unwrap_or_default().to_string_lossy()
        );
        if !options.wants(&name) {
            continue;
        }
        println!("\n$ {name}/check");
        match check(&recipe, environment, CHECK_LIMIT) {
            Ok(()) => {
                println!("{name} ... ok");
                totals.passed += 1;
            }
            Err(error) => {
                println!("{name} ... FAILED: {error:#}");
                totals.failed += 1;
            }
        }
    }
    Ok(totals)
}

/// The recipes' folders in order of name; none if there is no folder of recipes.
fn recipes(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut recipes = Vec::new();
    for entry in std::fs::read_dir(folder).context("reading the folder of recipes")? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            recipes.push(entry.path());
        }
    }
    recipes.sort();
    Ok(recipes)
}

fn check(recipe: &Path, environment: &[(&'static str, OsString)], limit: Duration) -> Result<()> {
    let program = recipe.join("check");
    let mode = std::fs::metadata(&program)
        .context("a recipe has an executable `check`")?
        .permissions()
        .mode();
    anyhow::ensure!(mode & 0o111 != 0, "`check` is not executable");
    let mut child = Command::new(&program)
        .current_dir(recipe)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .spawn()
        .context("starting `check`")?;
    let status = wait(&mut child, limit)?;
    anyhow::ensure!(status.success(), "{status}");
    Ok(())
}

fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            anyhow::bail!("ended after {limit:?}: it hangs");
        }
        std::thread::sleep(POLL_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(script: Option<(&str, u32)>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        if let Some((text, mode)) = script {
            let program = folder.path().join("check");
            std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        folder
    }

    #[track_caller]
    fn expect(script: Option<(&str, u32)>, limit: Duration, expect: Result<(), &str>) {
        let folder = recipe(script);
        let environment = [("QUAYMASTER", OsString::from("/x/quaymaster"))];
        let result = check(folder.path(), &environment, limit).map_err(|e| format!("{e:#}"));
        match (result, expect) {
            (Ok(()), Ok(())) => {}
            (Err(text), Err(part)) => assert!(text.contains(part), "{text}"),
            (result, _) => panic!("{result:?}"),
        }
    }

    #[test]
    fn checks() {
        expect(
            Some(("test \"$QUAYMASTER\" = /x/quaymaster", 0o755)),
            CHECK_LIMIT,
            Ok(()),
        );
        expect(Some(("exit 3", 0o755)), CHECK_LIMIT, Err("3"));
        expect(Some(("exit 0", 0o644)), CHECK_LIMIT, Err("not executable"));
        expect(None, CHECK_LIMIT, Err("has an executable"));
        expect(
            Some(("exec tail -f /dev/null", 0o755)),
            Duration::ZERO,
            Err("hangs"),
        );
    }

    #[test]
    fn only_folders_are_recipes() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("README.md"), "").unwrap();
        let found = recipes(folder.path()).unwrap();
        assert_eq!(found, [folder.path().join("a"), folder.path().join("b")]);
        assert!(recipes(&folder.path().join("absent")).unwrap().is_empty());
    }
}
