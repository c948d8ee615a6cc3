//! Whether anything at all is in a folder: it decides between the two texts of a missed slot.

use qm_core::alert::Folder;
use qm_core::config::Config;
use qm_core::id::BucketName;
use qm_core::name::{Prefix, RESERVED_COMPONENT};
use qm_core::ports::bucket::EntryKind;
use qm_core::temp_name::is_temp;
use qm_core::{Error, Kind, Result};

use crate::Ports;

/// A tree of so many folders without a file is nothing a partner made; the text is not worth
/// more.
const FOLDERS_MAX: usize = 10_000;

/// Never fails: an alert must not be lost over its wording. What cannot be looked at is not
/// called empty.
pub(super) async fn look(
    ports: &Ports,
    config: &Config,
    bucket: &BucketName,
    folder: &Prefix,
) -> Folder {
    match has_file(ports, config, bucket, folder).await {
        Ok(true) => Folder::WithoutNew,
        Ok(false) => Folder::Empty,
        Err(error) => {
            tracing::warn!(%bucket, ?folder, error = error.chain(), "folder not listed");
            Folder::WithoutNew
        }
    }
}

/// Stops at the first file; uploads under temp names are none.
async fn has_file(
    ports: &Ports,
    config: &Config,
    bucket: &BucketName,
    folder: &Prefix,
) -> Result<bool> {
    let found = ports
        .buckets
        .get(bucket)
        .ok_or_else(|| Error::new(Kind::NotFound, "the bucket is not in the configuration"))?;
    let temp_suffixes = config
        .account_of(bucket, folder)
        .map_or(&[][..], |account| &account.temp_suffixes);
    let mut open = vec![folder.clone()];
    let mut seen = 0;
    while let Some(folder) = open.pop() {
        let mut listing = match found.list(&folder).await {
            Ok(listing) => listing,
            Err(error) if error.kind() == Kind::NotFound => continue,
            Err(error) => return Err(error),
        };
        while let Some(entries) = listing.next().await? {
            for entry in entries {
                match entry.kind {
                    EntryKind::File if !is_temp(&entry.name, temp_suffixes) => return Ok(true),
                    EntryKind::File => {}
                    EntryKind::Folder if entry.name == RESERVED_COMPONENT => {}
                    EntryKind::Folder => {
                        seen += 1;
                        if seen > FOLDERS_MAX {
                            return Err(Error::new(Kind::Limit, "too many folders to look into"));
                        }
                        // A name our rules do not have is not a file of a partner's.
                        let below = folder.join(&entry.name).ok();
                        let below = below.map(|key| key.as_prefix());
                        open.extend(below);
                    }
                }
            }
        }
    }
    Ok(false)
}
