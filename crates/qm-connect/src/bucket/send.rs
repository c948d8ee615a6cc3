//! Bytes by way of this node: staged, compared with what was received, then put.

use aws_lc_rs::digest::{Context, SHA256};
use qm_core::name::ObjectKey;
use qm_core::operation::{StagedToken, Version};
use qm_core::ports::bucket::{Bucket, Chunk, Content, DigestBy, Staged, Staging};
use qm_core::ports::connector::{Fence, Pace};
use qm_core::ports::deposit::{Deposit, Put};
use qm_core::{Error, Kind, Result, Retry};

use super::again;

/// Large enough for full requests, small enough that hundreds of deliveries at a time fit.
const READ_BYTES: u32 = 1024 * 1024;

/// Where bytes go.
pub(super) struct Target<'a> {
    pub(super) bucket: &'a dyn Bucket,
    pub(super) key: &'a ObjectKey,
    pub(super) version: &'a Version,
    pub(super) deposit: Deposit,
}

/// Fails unless the object is the version, byte for byte; then nothing shows.
pub(super) async fn send(
    target: &Target<'_>,
    pace: Option<&dyn Pace>,
    content: &dyn Content,
    fence: &dyn Fence,
) -> Result<()> {
    let mut token = None;
    let sent = try_send(target, pace, content, fence, &mut token).await;
    if let (Err(_), Some(token)) = (&sent, token) {
        // The delivery's own error counts. What stays, here or because the attempt was dropped, the
        // next attempt replaces or the next start sweeps: it is not removed behind the back of
        // either, for both have the same name.
        let _ = target.bucket.discard(&token).await;
    }
    sent
}

async fn try_send(
    target: &Target<'_>,
    pace: Option<&dyn Pace>,
    content: &dyn Content,
    fence: &dyn Fence,
    token: &mut Option<StagedToken>,
) -> Result<()> {
    let staging = Staging {
        version: target.version.id,
        key: target.key.clone(),
        final_key: target.key.clone(),
        size_hint: Some(target.version.size_bytes),
        envelope: None,
        digest: DigestBy::Bucket,
        deposit: Some(target.deposit),
    };
    let mut staged = target.bucket.stage(staging).await?;
    *token = staged.token();
    fill(&mut *staged, pace, content, target.version.size_bytes).await?;
    let sealed = staged.seal().await?;
    *token = staged.token();
    if sealed.size_bytes != target.version.size_bytes || sealed.sha256 != target.version.sha256 {
        return Err(Error::new(
            // Not the destination's fault: its breaker must not count it.
            Kind::Bug,
            "the stored bytes are not those that were received; nothing was delivered",
        )
        .retry(Retry::Later)
        .during("verifying the copy")
        .with("size_bytes", target.version.size_bytes)
        .with("copied_bytes", sealed.size_bytes));
    }
    let version = Version {
        identity: sealed.identity,
        staged: staged.token(),
        ..target.version.clone()
    };
    let replaces = target.bucket.identity(target.key).await?;
    fence.check().await?;
    let put = Put {
        key: target.key,
        version: &version,
        deposit: target.deposit,
        replaces: replaces.as_deref(),
    };
    target.bucket.put(put).await.map_err(again)
}

async fn fill(
    staged: &mut dyn Staged,
    pace: Option<&dyn Pace>,
    content: &dyn Content,
    size_bytes: u64,
) -> Result<()> {
    let mut offset = 0;
    // One read beyond the recorded size is enough to see that there is more.
    while offset <= size_bytes {
        let bytes = content.read(offset, READ_BYTES).await?;
        let length = bytes.len() as u64;
        if length == 0 {
            break;
        }
        if let Some(pace) = pace {
            pace.take(length).await;
        }
        staged.write(vec![Chunk { offset, bytes }]).await?;
        offset += length;
    }
    Ok(())
}

/// True if what is under the key has the version's bytes.
pub(super) async fn is_same(
    bucket: &dyn Bucket,
    key: &ObjectKey,
    version: &Version,
) -> Result<bool> {
    let content = match bucket.open(key).await {
        Err(error) if error.kind() == Kind::NotFound => return Ok(false),
        content => content?,
    };
    if content.size_bytes() != version.size_bytes {
        return Ok(false);
    }
    let mut digest = Context::new(&SHA256);
    let mut offset = 0;
    loop {
        let bytes = content.read(offset, READ_BYTES).await?;
        if bytes.is_empty() {
            break;
        }
        offset += bytes.len() as u64;
        digest.update(&bytes);
    }
    Ok(offset == version.size_bytes && digest.finish().as_ref() == version.sha256.0)
}
