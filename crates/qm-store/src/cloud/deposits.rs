//! What deliveries put into the bucket: objects that no ledger knows, made only where the name
//! shows what was seen before.

use super::Shared;
use super::names;
use super::operations::{Step, is, step};
use qm_core::name::ObjectKey;
use qm_core::ports::deposit::Put;
use qm_core::{Error, Kind, Result};

impl Shared {
    pub(super) async fn put(&self, put: Put<'_>) -> Result<()> {
        let there = self.head(put.key).await?;
        let found = there.as_ref().map(|head| head.identity().to_owned());
        if !is(there.as_ref(), put.version) && found.as_deref() != put.replaces {
            return Err(changed(&put));
        }
        let step = self.publish_over(there, put.key, put.version, None);
        match step.await? {
            Step::Done => Ok(()),
            Step::LookAgain => Err(changed(&put)),
        }
    }

    pub(super) async fn withdraw(&self, key: &ObjectKey, identity: &str) -> Result<bool> {
        let there = self.head(key).await?;
        let Some(there) = there.filter(|there| there.identity() == identity) else {
            return Ok(false);
        };
        let path = names::object(key)?;
        let deleted = self.store.delete(&path, Some(&there.pin)).await;
        self.seen_folders.forget(&key.folder());
        Ok(match step(deleted, "take an object away")? {
            Step::Done => true,
            Step::LookAgain => false,
        })
    }
}

fn changed(put: &Put<'_>) -> Error {
    Error::new(Kind::Conflict, "somebody else changed the file meanwhile")
        .during("put an object")
        .with("key", put.key)
}
