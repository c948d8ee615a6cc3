//! Objects are made only over what was seen under their key, where the store can do that: what
//! somebody else puts there meanwhile is looked at before anything takes its place.

use std::sync::atomic::{AtomicBool, Ordering};

use super::client::{CopySource, Existing, Head, Metadata, S3Client};
use super::small_files::SmallFile;
use super::token::UploadToken;
use super::{LOOKS_MAX, S3Bucket, metadata};
use qm_core::operation::Version;
use qm_core::{Error, Kind, Result};

/// Which requests the store has said that it cannot make depend on what is there. That it can do so
/// for one kind says nothing of the others.
#[derive(Default)]
pub(super) struct Lacking {
    put: AtomicBool,
    completion: AtomicBool,
    copy: AtomicBool,
}

/// What is under the key of an object that is to be made.
pub(super) enum Landing {
    /// It, already.
    Done,
    /// What it may take the place of.
    Over(Option<Head>),
}

impl S3Bucket {
    /// Makes a file an object that is one request.
    pub(super) async fn put_over(
        &self,
        client: &S3Client,
        whole: &str,
        version: &Version,
        small: SmallFile,
        existing: Existing<'_>,
    ) -> Result<()> {
        let SmallFile { body, mut metadata } = small;
        metadata::add_digest(&mut metadata, version.sha256);
        dependent(&self.lacking.put, existing, |existing| {
            client.put(whole, body.clone(), metadata.clone(), existing)
        })
        .await
    }

    /// Makes the parts of a version an object under the key they were begun for.
    pub(super) async fn complete_over(
        &self,
        upload: &UploadToken,
        version: &Version,
        existing: Existing<'_>,
    ) -> Result<()> {
        let completed = match self.parts_of(upload, version).await {
            Ok(parts) => {
                dependent(&self.lacking.completion, existing, |existing| {
                    let (key, id) = (&upload.key, &upload.upload);
                    self.client.complete(key, id, &parts, existing)
                })
                .await
            }
            Err(error) => Err(error),
        };
        self.unless_done(&upload.key, version, completed).await
    }

    /// Copies an object.
    pub(super) async fn copy_over(
        &self,
        client: &S3Client,
        source: CopySource<'_>,
        to: &str,
        metadata: &Metadata,
        existing: Existing<'_>,
    ) -> Result<()> {
        // What a completion has taught need not cost a second copy of all parts.
        let lacks = if client.copies_in_parts(source) {
            &self.lacking.completion
        } else {
            &self.lacking.copy
        };
        dependent(lacks, existing, |existing| {
            client.copy(source, to, metadata.clone(), existing)
        })
        .await
    }
}

/// What an object may take the place of, if this was seen under its key.
pub(super) fn over(there: Option<&Head>) -> Existing<'_> {
    there.map_or(Existing::Refuse, |there| Existing::Expect(&there.etag))
}

/// Makes an object only over what was seen there; over anything if the store cannot do that.
async fn dependent<'a, F>(
    lacks: &AtomicBool,
    existing: Existing<'a>,
    request: impl Fn(Existing<'a>) -> F,
) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    if !lacks.load(Ordering::Relaxed) {
        match Box::pin(request(existing)).await {
            Err(error) if error.kind() == Kind::Unsupported => {
                lacks.store(true, Ordering::Relaxed);
            }
            // So Amazon says that what was seen is gone.
            Err(error) if error.kind() == Kind::NotFound && existing != Existing::Refuse => {
                let sentence = "somebody else changed the file meanwhile";
                return Err(Error::new(Kind::Conflict, sentence).source(error));
            }
            made => return made,
        }
    }
    Box::pin(request(Existing::Replace)).await
}

/// Runs a change of a name again if somebody else changed what it saw.
pub(super) async fn again<F>(mut run: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let mut looks = 1;
    loop {
        match Box::pin(run()).await {
            Err(error) if error.kind() == Kind::Conflict && looks < LOOKS_MAX => looks += 1,
            result => return result,
        }
    }
}
