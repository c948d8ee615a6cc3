//! Objects are made only over what was seen under their key, where the store can do that: what
//! somebody else puts there meanwhile is looked at before anything takes its place.

use std::sync::atomic::{AtomicBool, Ordering};

use super::client::{CopySource, Existing, Head, Metadata};
use super::publish_small::Over;
use super::token::UploadToken;
use super::{LOOKS_MAX, S3Bucket, has_changed};
use qm_core::operation::Version;
use qm_core::{Error, Kind, Result};

/// Which requests the store has said that it cannot make depend on what is there. That it can do so
/// for one kind says nothing of the others.
#[derive(Default)]
pub(super) struct Lacking {
    completion: AtomicBool,
    copy: AtomicBool,
}

impl S3Bucket {
    /// Makes the parts of a version an object under the key they were begun for.
    pub(super) async fn complete_over(
        &self,
        upload: &UploadToken,
        version: &Version,
        over: &Over,
    ) -> Result<()> {
        if !self.lacking.completion.load(Ordering::Relaxed) {
            match self.complete(upload, version, over.existing()).await {
                Err(error) if error.kind() == Kind::Unsupported => {
                    self.lacking.completion.store(true, Ordering::Relaxed);
                }
                completed => return completed,
            }
        }
        self.complete(upload, version, Existing::Replace).await
    }

    /// Copies an object within the bucket.
    pub(super) async fn copy_over(
        &self,
        source: CopySource<'_>,
        to: &str,
        metadata: Metadata,
        over: &Over,
    ) -> Result<()> {
        if !self.lacking.copy.load(Ordering::Relaxed) {
            let (carried, existing) = (metadata.clone(), over.existing());
            match self.client.copy(source, to, carried, existing).await {
                Err(error) if error.kind() == Kind::Unsupported => {
                    self.lacking.copy.store(true, Ordering::Relaxed);
                }
                copied => return copied,
            }
        }
        let existing = Existing::Replace;
        self.client.copy(source, to, metadata, existing).await
    }
}

/// Runs a change of a name again if somebody else changed what it saw.
pub(super) async fn again<F>(mut run: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let mut looks = 1;
    loop {
        match Box::pin(run()).await {
            Err(error) if has_changed(&error) && looks < LOOKS_MAX => looks += 1,
            result => return result,
        }
    }
}

/// Fails if there is a file where it was decided that there is none.
pub(super) fn check_holds(must_hold: bool, there: Option<&Head>) -> Result<()> {
    if must_hold && there.is_some() {
        return Err(Error::new(
            Kind::AlreadyExists,
            "a file with that name was put there meanwhile",
        ));
    }
    Ok(())
}
