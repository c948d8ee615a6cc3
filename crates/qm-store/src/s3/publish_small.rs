//! A file that one request makes an object: only over what was seen under its key, so that a look
//! from before the operation was recorded need not be repeated.

use std::sync::atomic::Ordering;

use super::client::{Existing, Head, Versioning};
use super::conditions::check_holds;
use super::operations::gone;
use super::small_files::SmallFile;
use super::{LOOKS_MAX, S3Bucket, has_changed, metadata};
use qm_core::operation::{Operation, Version};
use qm_core::ports::look::Look;
use qm_core::{Error, Kind, Result};

/// What the object may take the place of.
pub(super) enum Over {
    Nothing,
    /// The object with this etag.
    State(String),
}

impl S3Bucket {
    pub(super) async fn publish_small(
        &self,
        operation: &Operation,
        version: &Version,
        look: Option<&Look>,
    ) -> Result<()> {
        let whole = self.keys.object(&operation.path.key);
        let asked = self.seen_folders.asked();
        let is_old = look.is_some_and(|look| look.lasts);
        let must_hold = look.is_some_and(|look| look.must_hold);
        let mut over = look.and_then(|look| self.seen(operation, look));
        for _ in 0..LOOKS_MAX {
            let depends = !self.lacks_conditions.load(Ordering::Relaxed);
            let seen = match over.take().filter(|_| depends || !is_old) {
                Some(seen) => Some(seen),
                None => {
                    self.look_before(operation, version, &whole, must_hold)
                        .await?
                }
            };
            let Some(seen) = seen else {
                self.small_files.remove(version.id);
                return Ok(());
            };
            let small = self.small_files.get(version.id);
            let small = small.ok_or_else(|| gone(version.id))?;
            let existing = if depends {
                seen.existing()
            } else {
                Existing::Replace
            };
            match self.put_small(&whole, version, small, existing).await {
                // The first of two tries may have been the one that made it.
                Err(error) if has_changed(&error) => {}
                // Nothing can depend on what was seen, and that may be long ago.
                Err(error) if depends && error.kind() == Kind::Unsupported => {
                    self.lacks_conditions.store(true, Ordering::Relaxed);
                }
                put => {
                    self.unless_done(&whole, version, put).await?;
                    self.small_files.remove(version.id);
                    self.seen_folders.note(operation.path.key.folder(), asked);
                    let name = operation.path.key.as_prefix();
                    self.new_files.note(name, self.new_files.asked());
                    return self.unhide(&operation.path.key).await;
                }
            }
        }
        Err(Error::new(
            Kind::Conflict,
            "somebody else keeps changing the file meanwhile",
        )
        .with("key", &whole))
    }

    /// What is there, which is kept aside if it must be; `None` if it is the version itself.
    async fn look_before(
        &self,
        operation: &Operation,
        version: &Version,
        whole: &str,
        must_hold: bool,
    ) -> Result<Option<Over>> {
        let there = self.client.head(whole, None).await?;
        let is = |there: &Head| self.is_version(there, whole, version);
        if there.as_ref().is_some_and(is) {
            return Ok(None);
        }
        check_holds(must_hold, there.as_ref())?;
        self.keep_aside(operation, whole, there.as_ref()).await?;
        Ok(Some(Over::of(there.as_ref())))
    }

    /// What the look saw, unless it has to be kept aside.
    fn seen(&self, operation: &Operation, look: &Look) -> Option<Over> {
        match look {
            Look { entry: None, .. } => Some(Over::Nothing),
            Look {
                state: Some(state), ..
            } if !operation.keep_aside || self.versioning == Versioning::Native => {
                Some(Over::State(state.clone()))
            }
            _ => None,
        }
    }

    async fn put_small(
        &self,
        whole: &str,
        version: &Version,
        small: SmallFile,
        existing: Existing<'_>,
    ) -> Result<()> {
        let SmallFile { body, mut metadata } = small;
        metadata::add_digest(&mut metadata, version.sha256);
        self.client.put(whole, body, metadata, existing).await
    }
}

impl Over {
    pub(super) fn of(there: Option<&Head>) -> Self {
        match there {
            Some(head) => Self::State(head.etag.clone()),
            None => Self::Nothing,
        }
    }

    pub(super) fn existing(&self) -> Existing<'_> {
        match self {
            Self::Nothing => Existing::Refuse,
            Self::State(etag) => Existing::Expect(etag),
        }
    }
}
