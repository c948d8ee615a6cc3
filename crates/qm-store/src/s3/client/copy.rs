//! Copies that the store makes by itself.

use aws_sdk_s3::types::{MetadataDirective, TaggingDirective};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::faults::{incomplete, s3_error};
use super::objects::Head;
use super::{Existing, Metadata, Part, S3Client};
use qm_core::Result;

/// A part of a copy: large enough that 5 TiB are 5,120 of them.
const PART_BYTES_MAX: u64 = 1 << 30;
/// Parts copied at a time.
const PARTS_IN_FLIGHT: usize = 8;

/// What is copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CopySource<'a> {
    /// Another bucket of the service; `None` for this one.
    pub(crate) bucket: Option<&'a str>,
    pub(crate) key: &'a str,
    /// What it is: the copy fails with `Conflict` if it is another object by now.
    pub(crate) head: &'a Head,
}

impl S3Client {
    /// Copies an object, inside the store, to a key; `metadata` is what the copy carries.
    pub(crate) async fn copy(
        &self,
        source: CopySource<'_>,
        to: &str,
        metadata: Metadata,
        existing: Existing<'_>,
    ) -> Result<()> {
        if self.copies_in_parts(source) {
            return Box::pin(self.copy_in_parts(source, to, metadata, existing)).await;
        }
        let (encryption, kms_key) = self.server_side_encryption();
        // Without tags of its own a copy gets those of the object, unless it is made in parts. What
        // another bucket says of its objects is not for this one.
        let is_replaced = self.tagging.is_some() || source.bucket.is_some();
        let tagging = is_replaced.then_some(TaggingDirective::Replace);
        let call = self
            .sdk
            .copy_object()
            .bucket(&self.bucket)
            .key(to)
            .copy_source(self.name_of(source))
            .copy_source_if_match(&source.head.etag)
            .metadata_directive(MetadataDirective::Replace)
            .set_metadata(Some(metadata))
            .set_content_type(source.head.content_type.clone())
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(kms_key)
            .set_tagging(self.tagging.clone())
            .set_tagging_directive(tagging)
            .set_acl(self.acl.clone())
            .set_if_none_match(existing.none())
            .set_if_match(existing.expected())
            .customize()
            .config_override(self.working());
        Box::pin(call.send())
            .await
            .map_err(s3_error("copy an object"))?;
        Ok(())
    }

    /// True if the copy is an upload that is completed.
    pub(crate) fn copies_in_parts(&self, source: CopySource<'_>) -> bool {
        source.head.size_bytes > self.limits.copy_bytes_max
    }

    async fn copy_in_parts(
        &self,
        source: CopySource<'_>,
        to: &str,
        metadata: Metadata,
        existing: Existing<'_>,
    ) -> Result<()> {
        let upload_id = self
            .begin(to, metadata, source.head.content_type.clone())
            .await?;
        let copied = async {
            let parts = self.copied_parts(source, to, &upload_id).await?;
            self.complete(to, &upload_id, &parts, existing).await
        };
        let result = copied.await;
        if result.is_err() {
            // The error that is told is the first one; what is left is swept as other uploads are.
            let _ = self.abort(to, &upload_id).await;
        }
        result
    }

    async fn copied_parts(
        &self,
        source: CopySource<'_>,
        to: &str,
        upload_id: &str,
    ) -> Result<Vec<Part>> {
        let part_bytes = self.limits.copy_bytes_max.min(PART_BYTES_MAX);
        let starts =
            (0..source.head.size_bytes).step_by(usize::try_from(part_bytes).unwrap_or(usize::MAX));
        futures_util::stream::iter((1..).zip(starts))
            .map(|(number, start)| {
                let end = (start + part_bytes).min(source.head.size_bytes);
                Box::pin(self.copy_part(source, to, upload_id, number, start..end))
            })
            .buffered(PARTS_IN_FLIGHT)
            .try_collect()
            .await
    }

    async fn copy_part(
        &self,
        source: CopySource<'_>,
        to: &str,
        upload_id: &str,
        number: u16,
        range: std::ops::Range<u64>,
    ) -> Result<Part> {
        const OPERATION: &str = "copy a part of an object";
        let call = self
            .sdk
            .upload_part_copy()
            .bucket(&self.bucket)
            .key(to)
            .upload_id(upload_id)
            .part_number(number.into())
            .copy_source(self.name_of(source))
            .copy_source_if_match(&source.head.etag)
            .copy_source_range(format!("bytes={}-{}", range.start, range.end - 1))
            .customize()
            .config_override(self.working());
        let copied = Box::pin(call.send()).await.map_err(s3_error(OPERATION))?;
        let result = copied
            .copy_part_result
            .ok_or_else(|| incomplete(OPERATION, "result"))?;
        Ok(Part {
            number,
            etag: result.e_tag.ok_or_else(|| incomplete(OPERATION, "etag"))?,
            crc32: result.checksum_crc32,
            size_bytes: range.end - range.start,
        })
    }

    /// As a header names it.
    fn name_of(&self, source: CopySource<'_>) -> String {
        let bucket = source.bucket.unwrap_or(&self.bucket);
        let mut name = format!("{bucket}/{}", percent_encoded(source.key));
        if let Some(native) = &source.head.native_version {
            name.push_str("?versionId=");
            name.push_str(&percent_encoded(native));
        }
        name
    }
}

/// Everything but what no server takes for anything else.
pub(super) fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::percent_encoded;

    #[test]
    fn names_of_sources_are_encoded() {
        for (text, expect) in [
            ("in/a.csv", "in/a.csv"),
            ("a b+c%d", "a%20b%2Bc%25d"),
            ("é?versionId=x", "%C3%A9%3FversionId%3Dx"),
        ] {
            assert_eq!(percent_encoded(text), expect);
        }
    }
}
