//! `quaymaster object mv`

use anyhow::{Context as _, bail};

use super::progress::Progress;
use super::remote::Remote;
use crate::cli::explain;
use qm_core::ports::mailbox::Existing;
use qm_sftp::client::Client;

pub(super) async fn run(
    client: &mut Client,
    progress: &Progress,
    from: &Remote,
    to: &Remote,
    existing: Existing,
) -> anyhow::Result<()> {
    from.check_in_bucket()?;
    if from.bucket() != to.bucket() {
        bail!(
            "a name stays in its bucket\n  help: get {from} and put it into {}",
            to.bucket()
        );
    }
    let to = to.landing(client, from.name()).await?;
    client
        .make_folders(to.parent())
        .await
        .map_err(explain)
        .with_context(|| to.to_string())?;
    let renamed = client.rename(from.as_str(), to.as_str(), existing).await;
    renamed
        .map_err(explain)
        .with_context(|| format!("{from} to {to}"))?;
    progress.done(&format!("moved {from} to {to}"));
    Ok(())
}
