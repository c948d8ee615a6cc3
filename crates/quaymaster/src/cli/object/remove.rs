//! `quaymaster object rm`

use anyhow::{Context as _, bail};

use super::progress::{Progress, size};
use super::remote::Remote;
use super::tree::Tree;
use crate::cli::explain;
use qm_core::Kind;
use qm_core::ports::bucket::EntryKind;
use qm_sftp::client::Client;

/// Each of them; one that cannot be removed does not keep the others.
pub(super) async fn files(
    client: &mut Client,
    progress: &Progress,
    places: &[Remote],
) -> anyhow::Result<()> {
    let mut failures = Vec::new();
    for place in places {
        if let Err(error) = remove(client, progress, place).await {
            failures.push(format!("{error:#}"));
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    bail!("{}", failures.join("\n"))
}

async fn remove(client: &mut Client, progress: &Progress, place: &Remote) -> anyhow::Result<()> {
    place.check_in_bucket()?;
    let removed = client.remove(place.as_str()).await.map_err(explain);
    removed.with_context(|| place.to_string())?;
    progress.done(&format!("removed {place}"));
    Ok(())
}

/// Files and folders with all that is in them, if that is wanted.
pub(super) async fn trees(
    client: &mut Client,
    progress: &Progress,
    places: &[Remote],
    is_wanted: bool,
) -> anyhow::Result<()> {
    let mut all = Tree::default();
    for place in places {
        if place.as_str().is_empty() {
            bail!("name a bucket; `quaymaster object ls` lists them");
        }
        let found = client.stat(place.as_str()).await.map_err(explain);
        let found = found.with_context(|| place.to_string())?;
        if found.kind == EntryKind::File {
            all.files.push((place.clone(), found));
            continue;
        }
        // A bucket itself stays.
        if place.is_in_bucket() {
            all.folders.push(place.clone());
        }
        let below = Tree::read(client, place).await?;
        all.files.extend(below.files);
        all.folders.extend(below.folders);
    }
    if !is_wanted {
        bail!(
            "this would remove {} files ({}) and {} folders\n  help: do it with --yes",
            all.files.len(),
            size(all.size_bytes()),
            all.folders.len()
        );
    }
    for (place, _) in &all.files {
        remove(client, progress, place).await?;
    }
    // What is in a folder stands behind it.
    for folder in all.folders.iter().rev() {
        match client.remove_folder(folder.as_str()).await {
            // On an object store a folder goes with its last file.
            Err(error) if error.kind() == Kind::NotFound => {}
            removed => removed
                .map_err(explain)
                .with_context(|| folder.to_string())?,
        }
    }
    Ok(())
}
