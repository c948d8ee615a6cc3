//! `quaymaster object versions` and `restore`

use anyhow::Context as _;

use super::progress::Progress;
use super::remote::Remote;
use crate::cli::{explain, table};
use qm_core::id::VersionId;
use qm_core::ports::mailbox::{VersionEntry, VersionState};
use qm_sftp::client::Client;

pub(super) async fn list(client: &mut Client, place: &Remote) -> anyhow::Result<()> {
    let rows: Vec<Vec<String>> = read(client, place)
        .await?
        .iter()
        .map(|version| {
            vec![
                version.id.to_string(),
                table::time(version.received_at),
                version.size_bytes.to_string(),
                match version.state {
                    VersionState::Current => "current".to_owned(),
                    VersionState::Kept { since } => format!("kept since {}", table::time(since)),
                },
                version.sha256.to_string(),
            ]
        })
        .collect();
    table::print(&["VERSION", "RECEIVED", "BYTES", "STATE", "SHA-256"], &rows);
    Ok(())
}

pub(super) async fn restore(
    client: &mut Client,
    progress: &Progress,
    place: &Remote,
    version: Option<VersionId>,
) -> anyhow::Result<()> {
    let version = match version {
        Some(version) => version,
        None => newest_kept(&read(client, place).await?)
            .with_context(|| format!("{place}: no version of this file is kept"))?,
    };
    let restored = client.restore(place.as_str(), version).await;
    restored
        .map_err(explain)
        .with_context(|| place.to_string())?;
    progress.done(&format!("restored {place} to version {version}"));
    Ok(())
}

async fn read(client: &mut Client, place: &Remote) -> anyhow::Result<Vec<VersionEntry>> {
    place.check_in_bucket()?;
    let versions = client.versions(place.as_str()).await.map_err(explain);
    versions.with_context(|| place.to_string())
}

fn newest_kept(versions: &[VersionEntry]) -> Option<VersionId> {
    let kept = versions
        .iter()
        .find(|version| matches!(version.state, VersionState::Kept { .. }));
    kept.map(|version| version.id)
}
