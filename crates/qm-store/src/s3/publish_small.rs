//! A file that one request makes an object: only over what was seen under its key, so that a look
//! from before the operation was recorded need not be repeated.

use super::S3Bucket;
use super::client::{Existing, Head, Versioning};
use super::conditions::{Landing, over};
use super::operations::gone;
use qm_core::operation::{Operation, Version};
use qm_core::ports::look::Look;
use qm_core::{Kind, Result};

impl S3Bucket {
    /// `seen` is what the object may take the place of, if that need not be looked at; `shown` as
    /// for [`S3Bucket::keep_aside`].
    pub(super) async fn publish_small(
        &self,
        operation: &Operation,
        version: &Version,
        shown: Option<&str>,
        seen: Option<Existing<'_>>,
    ) -> Result<()> {
        let key = &operation.path.key;
        let whole = self.keys.object(key);
        let asked = self.seen_folders.asked();
        let there;
        let existing = if let Some(seen) = seen {
            seen
        } else {
            let looked = self.look_before(operation, version, &whole, shown).await?;
            let Landing::Over(found) = looked else {
                self.small_files.remove(version.id);
                return Ok(());
            };
            there = found;
            over(there.as_ref())
        };
        let small = self.small_files.get(version.id);
        let small = small.ok_or_else(|| gone(version.id))?;
        let made = self
            .put_over(&self.client, &whole, version, small, existing)
            .await;
        // It is looked at again: the first of two tries may have been the one that made it.
        if matches!(&made, Err(error) if error.kind() == Kind::Conflict) {
            return made;
        }
        self.unless_done(&whole, version, made).await?;
        self.small_files.remove(version.id);
        self.seen_folders.note(key.folder(), asked);
        let name = key.as_prefix();
        self.new_files.note(name, self.new_files.asked());
        self.unhide(key).await
    }

    /// What is there, which is kept aside if it must be.
    pub(super) async fn look_before(
        &self,
        operation: &Operation,
        version: &Version,
        whole: &str,
        shown: Option<&str>,
    ) -> Result<Landing> {
        let there = self.client.head(whole, None).await?;
        let is = |there: &Head| self.is_version(there, whole, version);
        if there.as_ref().is_some_and(is) {
            return Ok(Landing::Done);
        }
        self.keep_aside(operation, whole, there.as_ref(), shown)
            .await?;
        Ok(Landing::Over(there))
    }

    /// What the look saw, unless it has to be kept aside.
    pub(super) fn seen<'a>(&self, operation: &Operation, look: &'a Look) -> Option<Existing<'a>> {
        match look {
            Look { entry: None, .. } => Some(Existing::Refuse),
            Look {
                state: Some(state), ..
            } if !operation.keep_aside || self.versioning == Versioning::Native => {
                Some(Existing::Expect(state))
            }
            _ => None,
        }
    }
}
