//! Uploads in parts.

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use super::faults::{if_there, incomplete, s3_error};
use super::{Existing, Metadata, PartBody, S3Client};
use qm_core::Result;

/// A part that the store has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Part {
    /// From 1 to 10,000.
    pub(crate) number: u16,
    pub(crate) etag: String,
    /// What the store says of its bytes, if it was told to keep it: the upload cannot be completed
    /// without it.
    pub(crate) crc32: Option<String>,
    pub(crate) size_bytes: u64,
}

/// An upload that is neither complete nor aborted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) upload_id: String,
}

impl S3Client {
    /// Begins an upload; its id.
    pub(crate) async fn create_multipart(&self, key: &str, metadata: Metadata) -> Result<String> {
        self.begin(key, metadata, None).await
    }

    /// The same for what has a content type.
    pub(super) async fn begin(
        &self,
        key: &str,
        metadata: Metadata,
        content_type: Option<String>,
    ) -> Result<String> {
        let (encryption, kms_key) = self.server_side_encryption();
        let begun = self
            .sdk
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .set_metadata(Some(metadata))
            .set_content_type(content_type)
            .set_checksum_algorithm(self.checksum.clone())
            .set_acl(self.acl.clone())
            .set_server_side_encryption(encryption)
            .set_ssekms_key_id(kms_key)
            .set_tagging(self.tagging.clone())
            .send()
            .await
            .map_err(s3_error("begin an upload"))?;
        begun
            .upload_id
            .ok_or_else(|| incomplete("begin an upload", "upload id"))
    }

    /// Sends a part; what it was before is replaced.
    pub(crate) async fn upload_part(
        &self,
        key: &str,
        upload_id: &str,
        number: u16,
        body: PartBody,
    ) -> Result<Part> {
        let size_bytes = body.size_bytes();
        let call = self
            .sdk
            .upload_part()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(upload_id)
            .part_number(number.into())
            // The one that the upload was begun with: the store refuses another.
            .set_checksum_algorithm(self.checksum.clone())
            .content_length(size_bytes.cast_signed())
            .body(body.into_stream())
            .customize()
            .config_override(self.carrying(size_bytes));
        let call = if self.signs_payload {
            call
        } else {
            call.disable_payload_signing()
        };
        let sent = Box::pin(call.send())
            .await
            .map_err(s3_error("upload a part"))?;
        Ok(Part {
            number,
            etag: sent
                .e_tag
                .ok_or_else(|| incomplete("upload a part", "etag"))?,
            crc32: sent.checksum_crc32,
            size_bytes,
        })
    }

    /// All parts in the order of their numbers; `None` if there is no such upload (any more).
    pub(crate) async fn list_parts(&self, key: &str, upload_id: &str) -> Result<Option<Vec<Part>>> {
        let mut parts = Vec::new();
        let mut marker = None;
        loop {
            let page = self
                .sdk
                .list_parts()
                .bucket(&self.bucket)
                .key(key)
                .upload_id(upload_id)
                .set_part_number_marker(marker)
                .send()
                .await
                .map_err(s3_error("list the parts of an upload"));
            let Some(page) = if_there(page)? else {
                return Ok(None);
            };
            for part in page.parts.unwrap_or_default() {
                let number = part
                    .part_number
                    .and_then(|number| u16::try_from(number).ok());
                let size = part.size.and_then(|size| u64::try_from(size).ok());
                let (Some(number), Some(size_bytes)) = (number, size) else {
                    return Err(incomplete("list the parts of an upload", "number and size"));
                };
                parts.push(Part {
                    number,
                    etag: part.e_tag.unwrap_or_default(),
                    crc32: part.checksum_crc32,
                    size_bytes,
                });
            }
            marker = page.next_part_number_marker;
            if page.is_truncated != Some(true) || marker.is_none() {
                parts.sort_by_key(|part| part.number);
                return Ok(Some(parts));
            }
        }
    }

    /// Makes the parts an object. `NotFound` if there is no such upload: it may be complete.
    pub(crate) async fn complete(
        &self,
        key: &str,
        upload_id: &str,
        parts: &[Part],
        existing: Existing<'_>,
    ) -> Result<()> {
        let parts = parts.iter().map(|part| {
            CompletedPart::builder()
                .part_number(part.number.into())
                .e_tag(&part.etag)
                .set_checksum_crc32(part.crc32.clone())
                .build()
        });
        let upload = CompletedMultipartUpload::builder()
            .set_parts(Some(parts.collect()))
            .build();
        let call = self
            .sdk
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(upload_id)
            .multipart_upload(upload)
            .set_if_none_match(existing.none())
            .set_if_match(existing.expected())
            .customize()
            .config_override(self.working());
        Box::pin(call.send())
            .await
            .map_err(s3_error("complete an upload"))?;
        Ok(())
    }

    /// Throws an upload away; `Ok` if there is none.
    pub(crate) async fn abort(&self, key: &str, upload_id: &str) -> Result<()> {
        let aborted = self
            .sdk
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(upload_id)
            .send()
            .await
            .map_err(s3_error("throw an upload away"));
        if_there(aborted).map(|_| ())
    }

    /// All uploads under keys that begin with `prefix`.
    pub(crate) async fn list_uploads(&self, prefix: &str) -> Result<Vec<Upload>> {
        let mut uploads = Vec::new();
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let page = self
                .sdk
                .list_multipart_uploads()
                .bucket(&self.bucket)
                .prefix(prefix)
                .set_key_marker(key_marker)
                .set_upload_id_marker(id_marker)
                .send()
                .await
                .map_err(s3_error("list uploads"))?;
            uploads.extend(
                page.uploads
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|upload| {
                        Some(Upload {
                            key: upload.key?,
                            upload_id: upload.upload_id?,
                        })
                    }),
            );
            key_marker = page.next_key_marker;
            id_marker = page.next_upload_id_marker;
            if page.is_truncated != Some(true) || key_marker.is_none() {
                return Ok(uploads);
            }
        }
    }
}

impl Existing<'_> {
    /// As the condition that there is none.
    pub(super) fn none(self) -> Option<String> {
        match self {
            Self::Replace | Self::Expect(_) => None,
            Self::Refuse => Some("*".to_owned()),
        }
    }

    /// As the condition that it is a certain one.
    pub(super) fn expected(self) -> Option<String> {
        match self {
            Self::Replace | Self::Refuse => None,
            Self::Expect(etag) => Some(etag.to_owned()),
        }
    }
}
