//! The digest of bytes that somebody else wrote: read once, in pieces.

use aws_lc_rs::digest::{Context, SHA256};
use qm_core::id::Sha256Digest;
use qm_core::ports::bucket::Content;
use qm_core::{Error, Kind, Result};
use std::time::Duration;

/// An object store answers a request for so much as fast as for less; eight files at a time hold
/// 32 MiB.
const READ_BYTES: u32 = 4 * 1024 * 1024;
/// A piece that is not there after so long will not come: the event is tried again.
const READ_LIMIT: Duration = Duration::from_mins(2);

/// Digest and length of what can be read.
pub(super) async fn digest(content: &dyn Content) -> Result<(Sha256Digest, u64)> {
    let mut context = Context::new(&SHA256);
    let mut size_bytes: u64 = 0;
    loop {
        let reading = content.read(size_bytes, READ_BYTES);
        let bytes = tokio::time::timeout(READ_LIMIT, reading)
            .await
            .map_err(|_| Error::new(Kind::Timeout, "reading the file took too long"))??;
        if bytes.is_empty() {
            break;
        }
        context.update(&bytes);
        size_bytes += bytes.len() as u64;
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Ok((Sha256Digest(digest), size_bytes))
}
