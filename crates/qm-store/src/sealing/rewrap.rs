//! After an encryption key was rotated: every stored version gets an envelope of the newest
//! generation. Its bytes are not touched, and whoever reads it meanwhile is not disturbed.

use qm_core::id::VersionId;
use qm_core::name::{ObjectKey, Prefix};
use qm_core::ports::bucket::{Bucket, Content, EntryKind, HoldNames, Rewrapped};
use qm_core::ports::encryption::EncryptionKeys;
use qm_core::ports::ledger::KeptVersion;
use qm_core::{Kind, Result};

/// Walks all versions under names and those in `kept`. `bucket` is the one below
/// [`super::SealedBucket`]. Idempotent: what a crash left undone, the next run does. What is
/// renamed meanwhile may be missed, so an old generation is given up only after a run that changed
/// nothing and failed nowhere. One version's failure does not stop the walk; `Err` is a folder
/// that cannot be listed.
pub(super) async fn rewrap(
    bucket: &dyn Bucket,
    keys: &dyn EncryptionKeys,
    kept: &[KeptVersion],
    names: &dyn HoldNames,
) -> Result<Rewrapped> {
    let mut walk = Walk {
        bucket,
        keys,
        done: Rewrapped::default(),
    };
    let mut folders = vec![Prefix::default()];
    while let Some(folder) = folders.pop() {
        let mut listing = match bucket.list(&folder).await {
            // Removed since its name was read.
            Err(error) if error.kind() == Kind::NotFound => continue,
            listing => listing?,
        };
        while let Some(entries) = listing.next().await? {
            for entry in entries {
                // Others may use names that we never do; what is sealed is ours.
                let Ok(key) = folder.join(&entry.name) else {
                    continue;
                };
                match entry.kind {
                    EntryKind::Folder => folders.push(key.as_prefix()),
                    EntryKind::File if entry.is_sealed => {
                        let _held = names.hold(&key).await;
                        let result = walk.current(&key).await;
                        walk.note(&key, result);
                    }
                    EntryKind::File => {}
                }
            }
        }
    }
    for stored in kept {
        let _held = names.hold(&stored.path.key).await;
        let result = walk.kept(stored).await;
        walk.note(&stored.path.key, result);
    }
    Ok(walk.done)
}

struct Walk<'a> {
    bucket: &'a dyn Bucket,
    keys: &'a dyn EncryptionKeys,
    done: Rewrapped,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Rewrapped,
    Newest,
    /// Gone or not sealed.
    Nothing,
}

impl Walk<'_> {
    async fn current(&self, key: &ObjectKey) -> Result<Step> {
        let Some(identity) = self.bucket.identity(key).await? else {
            return Ok(Step::Nothing);
        };
        let content = self.bucket.open(key).await?;
        self.replace(&*content, None, key, &identity).await
    }

    async fn kept(&self, stored: &KeptVersion) -> Result<Step> {
        let (key, version) = (&stored.path.key, &stored.version);
        let content = self
            .bucket
            .open_version(version.id, key, &version.identity)
            .await?;
        self.replace(&*content, Some(version.id), key, &version.identity)
            .await
    }

    async fn replace(
        &self,
        content: &dyn Content,
        expected: Option<VersionId>,
        key: &ObjectKey,
        identity: &str,
    ) -> Result<Step> {
        let Some(envelope) = content.envelope() else {
            return Ok(Step::Nothing);
        };
        let version = expected.unwrap_or(envelope.version);
        match self.keys.rewrap(envelope).await? {
            None => Ok(Step::Newest),
            Some(new) => {
                self.bucket
                    .set_envelope(version, key, identity, &new)
                    .await?;
                Ok(Step::Rewrapped)
            }
        }
    }

    fn note(&mut self, key: &ObjectKey, result: Result<Step>) {
        match result {
            Ok(Step::Nothing) => return,
            // Replaced or removed meanwhile: what came was sealed by the newest generation.
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Conflict) => return,
            Ok(Step::Newest) => {}
            Ok(Step::Rewrapped) => self.done.changed += 1,
            Err(error) => {
                self.done.failed += 1;
                self.done.last_failure = Some(format!("{key}: {}", error.chain()));
            }
        }
        self.done.checked += 1;
    }
}
