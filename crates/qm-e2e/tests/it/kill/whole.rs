//! What shows while nothing runs: a kill leaves no part of a file under a final name.

use anyhow::{Context as _, Result, ensure};
use qm_e2e::digest;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::support::tree;

/// What unfinished deliveries are called.
const UNFINISHED: &str = ".qm-";

/// Every file in the folder is one that a worker sent, to its last byte; how many there are.
pub(super) fn check(folder: &Path, log: &Path) -> Result<usize> {
    if !folder.is_dir() {
        return Ok(0);
    }
    let mut shown = Vec::new();
    for name in tree(folder)? {
        if name.ends_with('/') || name.starts_with(UNFINISHED) {
            continue;
        }
        match fs::read(folder.join(&name)) {
            Ok(bytes) => shown.push((name, bytes.len(), digest(&bytes))),
            // A store of its own goes on with what it was asked for.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).context(name),
        }
    }
    // After the bytes: a worker says what it sends before it does.
    let sent = sent(log)?;
    for (name, size_bytes, digest) in &shown {
        ensure!(
            sent.contains(digest),
            "{name} in {} has {size_bytes} bytes, which nobody sent as a whole",
            folder.display()
        );
    }
    Ok(shown.len())
}

/// The digests of everything that was begun to be sent.
fn sent(log: &Path) -> Result<BTreeSet<String>> {
    let mut sent = BTreeSet::new();
    let text = fs::read_to_string(log)?;
    let (whole, _) = text.rsplit_once('\n').unwrap_or_default();
    for line in whole.lines() {
        let event: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let change = event["change"].as_object();
        let digests = change.into_iter().flat_map(serde_json::Map::values);
        sent.extend(digests.filter_map(|it| it.as_str().map(str::to_owned)));
    }
    Ok(sent)
}
