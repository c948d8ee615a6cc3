//! Bytes into the temp file and out of the target, never without their digest.

use aws_lc_rs::digest::{Context, SHA256};
use qm_core::operation::Version;
use qm_core::ports::bucket::Content;
use qm_core::ports::connector::Pace;
use qm_core::{Error, Kind, Result, Retry};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::place::Place;

/// Large enough that a network file system works in full requests, small enough that a hundred
/// deliveries at a time hold a hundred megabytes.
const READ_BYTES: u32 = 1024 * 1024;

/// Copies `content` to the end of `file`; fails unless it is the version, byte for byte.
pub(super) async fn copy(
    place: &Arc<Place>,
    file: OwnedFd,
    content: &dyn Content,
    version: &Version,
    pace: Option<&dyn Pace>,
) -> Result<OwnedFd> {
    let mut file = File::from(file);
    let mut digest = Context::new(&SHA256);
    let mut size_bytes: u64 = 0;
    // One read beyond the recorded size is enough to see that there is more.
    while size_bytes <= version.size_bytes {
        let bytes = content.read(size_bytes, READ_BYTES).await?;
        if bytes.is_empty() {
            break;
        }
        if let Some(pace) = pace {
            pace.take(bytes.len() as u64).await;
        }
        size_bytes += bytes.len() as u64;
        let place = Arc::clone(place);
        (file, digest) = qm_threads::run(move || {
            file.write_all(&bytes)
                .map_err(|cause| place.fault("writing the temporary file", errno_of(&cause)))?;
            digest.update(&bytes);
            Ok((file, digest))
        })
        .await?;
    }
    if is_digest(digest, size_bytes, version) {
        return Ok(file.into());
    }
    Err(Error::new(
        // Not the destination's fault: its breaker must not count it.
        Kind::Bug,
        "the stored bytes are not those that were received; nothing was delivered",
    )
    .retry(Retry::Later)
    .during("verifying the copy")
    .with("version", version.id)
    .with("size_bytes", version.size_bytes)
    .with("copied_bytes", size_bytes))
}

/// True if `file` holds the version; then it is durable as well.
pub(super) fn is_same(place: &Place, file: OwnedFd, version: &Version) -> Result<bool> {
    let mut file = File::from(file);
    let fail = |operation, cause: &std::io::Error| place.fault(operation, errno_of(cause));
    let length = file
        .metadata()
        .map_err(|cause| fail("looking at the target", &cause))?
        .len();
    if length != version.size_bytes {
        return Ok(false);
    }
    let mut digest = Context::new(&SHA256);
    let mut buffer = vec![0; READ_BYTES as usize];
    let mut size_bytes: u64 = 0;
    loop {
        let count = file
            .read(&mut buffer)
            .map_err(|cause| fail("reading the target", &cause))?;
        let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else {
            break;
        };
        digest.update(chunk);
        size_bytes += chunk.len() as u64;
    }
    if !is_digest(digest, size_bytes, version) {
        return Ok(false);
    }
    // The crash may have come between the rename and its sync.
    file.sync_all()
        .map_err(|cause| fail("syncing the target", &cause))?;
    place.sync()?;
    Ok(true)
}

fn is_digest(digest: Context, size_bytes: u64, version: &Version) -> bool {
    size_bytes == version.size_bytes && digest.finish().as_ref() == version.sha256.0
}

/// `EIO` for errors that are not the system's, such as a write of no bytes.
fn errno_of(cause: &std::io::Error) -> Errno {
    Errno::from_io_error(cause).unwrap_or(Errno::IO)
}
