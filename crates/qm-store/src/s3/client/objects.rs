//! Whole objects.

use aws_sdk_s3::primitives::{AggregatedBytes, DateTime};
use bytes::Bytes;
use jiff::Timestamp;
use std::time::Duration;

use super::faults::{if_there, incomplete, s3_error};
use super::{Existing, Metadata, PartBody, S3Client};
use qm_core::{Error, Kind, Result};

/// A download that breaks off is asked for again so often.
const READS_MAX: u32 = 4;
/// What comes more slowly is taken for broken off: hundreds of downloads may share a link, but one
/// that trickles would hold its client for days.
const READ_BYTES_PER_SECOND_MIN: u64 = 16 << 10;

/// What an object is.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) etag: String,
    pub(crate) size_bytes: u64,
    pub(crate) modified: Timestamp,
    /// Its native version, if the bucket has them.
    pub(crate) native_version: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) content_type: Option<String>,
}

/// A range of the bytes of an object that does not change meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a> {
    pub(crate) key: &'a str,
    /// What the object was when it was opened.
    pub(crate) head: &'a Head,
    pub(crate) offset: u64,
    /// Not 0, and not beyond the end.
    pub(crate) length: u64,
}

impl S3Client {
    /// Makes an object by one request.
    pub(crate) async fn put(
        &self,
        key: &str,
        body: PartBody,
        metadata: Metadata,
        existing: Existing<'_>,
    ) -> Result<()> {
        let (encryption, kms_key) = self.server_side_encryption();
        let size_bytes = body.size_bytes();
        let call = self
            .sdk
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_length(size_bytes.cast_signed())
            .set_metadata(Some(metadata))
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(kms_key)
            .set_tagging(self.tagging.clone())
            .set_acl(self.acl.clone())
            .set_if_none_match(existing.none())
            .set_if_match(existing.expected())
            .body(body.into_stream())
            .customize()
            .config_override(self.carrying(size_bytes));
        let call = if self.signs_payload {
            call
        } else {
            call.disable_payload_signing()
        };
        Box::pin(call.send())
            .await
            .map_err(s3_error("put an object"))?;
        Ok(())
    }

    /// What is under a key now, or was as that native version; `None` if nothing.
    pub(crate) async fn head(&self, key: &str, native: Option<&str>) -> Result<Option<Head>> {
        const OPERATION: &str = "look at an object";
        let found = self
            .sdk
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(native.map(str::to_owned))
            .send()
            .await
            .map_err(s3_error(OPERATION));
        let Some(found) = if_there(found)? else {
            return Ok(None);
        };
        Ok(Some(Head {
            etag: found.e_tag.ok_or_else(|| incomplete(OPERATION, "etag"))?,
            size_bytes: size(found.content_length).ok_or_else(|| incomplete(OPERATION, "size"))?,
            modified: time(found.last_modified),
            native_version: native_version(found.version_id),
            metadata: found.metadata.unwrap_or_default(),
            content_type: found.content_type,
        }))
    }

    /// The bytes of a window. `Conflict` if the object is another one by now.
    pub(crate) async fn get(&self, window: Window<'_>) -> Result<Bytes> {
        const OPERATION: &str = "read an object";
        let last = window.offset + window.length - 1;
        let arriving = Duration::from_secs(window.length / READ_BYTES_PER_SECOND_MIN);
        let mut repeated = 0;
        loop {
            let call = self
                .sdk
                .get_object()
                .bucket(&self.bucket)
                .key(window.key)
                .set_version_id(window.head.native_version.clone())
                .if_match(&window.head.etag)
                .range(format!("bytes={}-{last}", window.offset));
            let got = Box::pin(call.send()).await.map_err(s3_error(OPERATION))?;
            // The SDK's protection against stalled streams ends what has stopped.
            let collected = got.body.collect();
            let collected = tokio::time::timeout(self.limits.answer + arriving, collected).await;
            let broken = match collected.map(|body| body.map(AggregatedBytes::into_bytes)) {
                Ok(Ok(bytes)) if bytes.len() as u64 == window.length => return Ok(bytes),
                Ok(Ok(bytes)) => broken_off().with("bytes", bytes.len()),
                Ok(Err(error)) => broken_off().source(error),
                Err(elapsed) => broken_off().source(elapsed),
            };
            repeated += 1;
            if repeated == READS_MAX {
                return Err(broken.during(OPERATION).with("key", window.key));
            }
        }
    }

    /// Removes what is under a key, or that native version; `Ok` if there is nothing.
    pub(crate) async fn delete(&self, key: &str, native: Option<&str>) -> Result<()> {
        let deleted = self
            .sdk
            .delete_object()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(native.map(str::to_owned))
            .send()
            .await
            .map_err(s3_error("remove an object"));
        if_there(deleted).map(|_| ())
    }
}

fn broken_off() -> Error {
    Error::new(
        Kind::Unavailable,
        "the storage service broke off while it sent a file; please try again later",
    )
}

/// What an unversioned bucket says of versions is `null`, or nothing.
pub(super) fn native_version(id: Option<String>) -> Option<String> {
    id.filter(|id| id != "null")
}

pub(super) fn size(size: Option<i64>) -> Option<u64> {
    size.and_then(|size| u64::try_from(size).ok())
}

/// In seconds: the store says no more when it is asked about one object. A time that no clock shows
/// is the beginning of time; it decides nothing.
pub(super) fn time(time: Option<DateTime>) -> Timestamp {
    time.and_then(|time| Timestamp::from_second(time.secs()).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}
