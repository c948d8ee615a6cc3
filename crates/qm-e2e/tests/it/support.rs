//! What tests of several subjects look at.

use anyhow::{Context as _, Result, ensure};
use qm_e2e::{Row, World, wait};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// How a test ends: an error is a failure, told with everything known.
pub(crate) type Outcome = Result<()>;

/// The file has exactly this content.
#[track_caller]
pub(crate) fn assert_content(file: &Path, content: &[u8]) {
    let found = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(
        found == content,
        "{} has {} bytes, not the {} expected, or others",
        file.display(),
        found.len(),
        content.len()
    );
}

/// The names below a folder, files with their path, folders with a `/` behind; ours left out.
pub(crate) fn tree(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    collect(folder, "", &mut names)?;
    Ok(names)
}

fn collect(folder: &Path, prefix: &str, names: &mut BTreeSet<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| anyhow::anyhow!("not text: {}", name.display()))?;
        if name == ".quaymaster" {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), names)?;
            names.insert(format!("{path}/"));
        } else {
            names.insert(path);
        }
    }
    Ok(())
}

/// Waits until everything that arrived is delivered or superseded by a newer version, and fails if something cannot be.
pub(crate) fn wait_until_delivered(world: &World) -> Outcome {
    let mut open = Vec::new();
    let waited = wait::until_true("everything is delivered", || {
        let is_unrouted =
            |row: &Row| row.get("STATE") != "failed" && row.get("DELIVERIES") == "not routed yet";
        open = world.arrivals()?.0;
        open.retain(is_unrouted);
        let deliveries = world.deliveries()?;
        let dead = deliveries.with(&[("STATE", "dead")]);
        ensure!(dead.is_empty(), "a delivery is dead: {dead:?}");
        let is_none = deliveries.0.is_empty();
        let is_over = |row: &Row| ["delivered", "superseded"].contains(&row.get("STATE"));
        let undelivered = deliveries.0.into_iter().filter(|row| !is_over(row));
        open.extend(undelivered);
        Ok(!is_none && open.is_empty())
    });
    waited.with_context(|| format!("not delivered: {open:?}"))
}

/// Bytes that were staged and are no object.
pub(crate) fn staged(world: &World) -> Result<usize> {
    let staging = world.bucket(".quaymaster/staging");
    Ok(fs::read_dir(&staging)
        .with_context(|| format!("reading {}", staging.display()))?
        .count())
}
