//! `quaymaster key rewrap`

use anyhow::{Context as _, bail};

use super::{Keys, One};
use crate::cli::explain;
use crate::cli::object::{Door, interruptible};
use qm_core::id::EncryptionKeyName;
use qm_sftp::client::Client;

/// Each bucket that the key seals, one after the other, by the node if it runs.
pub(super) async fn run(one: &One) -> anyhow::Result<()> {
    let name = EncryptionKeyName::parse(&one.name).map_err(explain)?;
    let keys = Keys::open(&one.ledger).await?;
    keys.configured(&name)?;
    let sealed = keys.config.buckets.iter();
    let buckets: Vec<String> = sealed
        .filter(|(_, bucket)| bucket.encryption_key.as_ref() == Some(&name))
        .map(|(bucket, _)| bucket.to_string())
        .collect();
    if buckets.is_empty() {
        bail!("no bucket has `encryption_key = \"{name}\"`");
    }
    drop(keys);
    let (mut client, door) = interruptible(Door::enter(&one.ledger)).await?;
    let done = interruptible(rewrap(&mut client, &buckets)).await;
    drop(client);
    let left = door.leave().await;
    done.and(left)
}

async fn rewrap(client: &mut Client, buckets: &[String]) -> anyhow::Result<()> {
    let mut failed = 0;
    for bucket in buckets {
        let done = client.rewrap(&format!("/{bucket}")).await;
        let done = done.map_err(explain).with_context(|| bucket.clone())?;
        println!(
            "{bucket}: {} sealed versions, {} have new envelopes",
            done.checked, done.changed
        );
        if let Some(failure) = done.last_failure {
            println!("{bucket}: {} failed, the last: {failure}", done.failed);
        }
        failed += done.failed;
    }
    if failed > 0 {
        bail!(
            "{failed} versions keep the envelopes they have; run it again when the cause is mended"
        );
    }
    Ok(())
}
