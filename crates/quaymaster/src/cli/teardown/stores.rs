//! What teardown would lose in object stores. It stays there, but the ledger goes that knows of it,
//! and with the data folder the keys that may have sealed it.

use anyhow::{Context as _, bail};

use crate::cli::explain;
use crate::cli::install::Machine;
use crate::node::{Durability, OpenLedger, OpenedBy, ledger_file, one_bucket};
use qm_core::Kind;
use qm_core::config::{BucketPlace, Config, LedgerPlace};
use qm_core::id::BucketName;
use qm_core::name::{ObjectKey, Prefix};
use qm_core::ports::bucket::{Bucket, EntryKind};

/// Refuses while a store has a file of any kind; otherwise what is left in the stores, for whoever
/// pays for it.
pub(super) async fn refuse_full(machine: &Machine, config: &Config) -> anyhow::Result<Vec<String>> {
    let mut left = Vec::new();
    let mut ledger = None;
    for (name, place) in stores(config) {
        let bucket = one_bucket(config, name).await.with_context(|| {
            format!(
                "whether bucket {name} in {place} is empty cannot be asked\n  help: take it out of the \
                 configuration if its files are not wanted; nothing was removed"
            )
        })?;
        if let Some(file) = first_object(&*bucket).await? {
            bail!(
                "bucket {name} in {place} is not empty: {file} is there\n  help: move its files away first, \
                 or take it out of the configuration if it is not wanted, its encryption key neither; nothing \
                 was removed"
            );
        }
        if ledger.is_none() {
            ledger = open_ledger(machine, config).await?;
        }
        if let Some(ledger) = &ledger
            && let Some(found) = unlisted(ledger, name).await?
        {
            bail!(
                "bucket {name} in {place} is not empty: {found}\n  help: start the node and rename or remove the \
                 files under temporary names (`quaymaster object`), and keep no versions (`keep_versions = 0`); or \
                 take the bucket out of the configuration if they are not wanted; nothing was removed"
            );
        }
        left.extend(unfinished(&*bucket, name, place).await);
    }
    Ok(left)
}

fn stores(config: &Config) -> impl Iterator<Item = (&BucketName, &BucketPlace)> {
    let buckets = config.buckets.iter();
    let stores = buckets.filter(|(_, bucket)| !matches!(bucket.place, BucketPlace::Directory(_)));
    stores.map(|(name, bucket)| (name, &bucket.place))
}

/// `None` if no node ever ran there.
async fn open_ledger(machine: &Machine, config: &Config) -> anyhow::Result<Option<OpenLedger>> {
    let (by, durability) = (OpenedBy::Command, Durability::Full);
    let opened = match &config.node.ledger {
        LedgerPlace::Postgres(_) => OpenLedger::of(config, by, durability).await,
        LedgerPlace::Sqlite => {
            let data = machine.of_machine(&config.node.data);
            if !ledger_file(&data).exists() {
                return Ok(None);
            }
            OpenLedger::sqlite(&data, by, durability)
        }
    };
    let opened = opened.context(
        "whether versions are kept in object stores cannot be asked of the ledger; nothing was removed",
    )?;
    Ok(Some(opened))
}

/// A file anywhere in the bucket; a folder alone is none, as where accounts have theirs.
async fn first_object(bucket: &dyn Bucket) -> anyhow::Result<Option<String>> {
    let mut folders = vec![Prefix::default()];
    while let Some(folder) = folders.pop() {
        let listed = bucket.list(&folder).await;
        let mut listing = match listed {
            Err(error) if error.kind() == Kind::NotFound => continue,
            listing => listing.map_err(explain)?,
        };
        while let Some(entries) = listing.next().await.map_err(explain)? {
            for entry in entries {
                let path = folder.join(&entry.name).map_err(explain)?;
                match entry.kind {
                    EntryKind::File => return Ok(Some(path.to_string())),
                    EntryKind::Folder => folders.push(path.as_prefix()),
                }
            }
        }
        // No path can name it, and it is a file all the same.
        if let Some(unnamed) = listing.take_unnamed().into_iter().next() {
            return Ok(Some(unnamed.escape_debug().to_string()));
        }
    }
    Ok(None)
}

/// What the ledger knows to be stored though no listing shows it.
async fn unlisted(ledger: &OpenLedger, bucket: &BucketName) -> anyhow::Result<Option<String>> {
    let hidden = ledger.hidden().await.map_err(explain)?;
    let hidden = hidden.into_iter().map(|(path, _)| path);
    let hidden: Vec<_> = hidden.filter(|path| path.bucket == *bucket).collect();
    let kept = ledger.kept_in(bucket).await.map_err(explain)?;
    let hidden = counted("under temporary names", hidden.iter().map(|path| &path.key));
    let kept = counted(
        "kept as earlier versions",
        kept.iter().map(|kept| &kept.path.key),
    );
    let found: Vec<String> = hidden.into_iter().chain(kept).collect();
    Ok((!found.is_empty()).then(|| found.join(", ")))
}

/// How many, and the first of them; `None` if there is none.
fn counted<'a>(
    what: &str,
    mut keys: impl ExactSizeIterator<Item = &'a ObjectKey>,
) -> Option<String> {
    let number = keys.len();
    let first = keys.next()?;
    let more = if number > 1 { ", …" } else { "" };
    Some(format!("{number} {what} ({first}{more})"))
}

/// Uploads that nobody was answered for. Whose they are a store does not say, so nobody else's are
/// aborted.
async fn unfinished(bucket: &dyn Bucket, name: &BucketName, place: &BucketPlace) -> Option<String> {
    let what = "unfinished uploads";
    match bucket.leftovers().await {
        Ok(uploads) if uploads.is_empty() => None,
        Ok(uploads) => Some(format!(
            "{} {what} of bucket {name} in {place} (abort them there)",
            uploads.len()
        )),
        Err(error) => Some(format!(
            "{what} of bucket {name} in {place}, if there are any: {}",
            error.chain()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_counted() {
        let keys = ["north/a.filepart", "north/b"].map(|key| ObjectKey::parse(key).unwrap());
        for (number, expect) in [
            (0, None),
            (1, Some("1 kept (north/a.filepart)")),
            (2, Some("2 kept (north/a.filepart, …)")),
        ] {
            let told = counted("kept", keys[..number].iter());
            assert_eq!(told.as_deref(), expect);
        }
    }
}
