//! s3s-fs with what it lacks of S3: it shows directories as objects and does not list markers,
//! knows no `If-Match` on reading and no conditions on copies, no list of uploads, no etags and no
//! checksums of parts, and calls an unknown upload a matter of access.

use parking_lot::Mutex;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedPart, CopyObjectInput, CopyObjectOutput, CopySource,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput,
    ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsV2Input, ListObjectsV2Output,
    ListPartsInput, ListPartsOutput, MultipartUpload, PutObjectInput, PutObjectOutput,
    UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Sorts before what people call their files.
const MARKER: &str = "!marker!";

pub(super) struct Peer {
    inner: FileSystem,
    root: PathBuf,
    uploads: Mutex<BTreeMap<String, Upload>>,
}

struct Upload {
    key: String,
    /// Begun with the algorithm of a checksum: then every part has one, and is completed with it.
    has_checksums: bool,
    parts: BTreeMap<i32, Part>,
}

#[derive(Clone)]
struct Part {
    etag: Option<ETag>,
    crc32: Option<String>,
}

impl Peer {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            inner: FileSystem::new(root).unwrap(),
            root: root.to_owned(),
            uploads: Mutex::default(),
        }
    }

    fn is_directory(&self, bucket: &str, key: &str) -> bool {
        !key.ends_with('/') && self.root.join(bucket).join(key).is_dir()
    }

    fn check_upload(&self, id: &str) -> S3Result<()> {
        if self.uploads.lock().contains_key(id) {
            Ok(())
        } else {
            Err(s3_error!(NoSuchUpload))
        }
    }

    fn has_checksums(&self, id: &str) -> bool {
        let uploads = self.uploads.lock();
        uploads.get(id).is_some_and(|upload| upload.has_checksums)
    }

    fn note_part(&self, id: &str, number: i32, part: Part) {
        if let Some(upload) = self.uploads.lock().get_mut(id) {
            upload.parts.insert(number, part);
        }
    }

    /// The part that was sent under a number.
    fn part(&self, id: &str, number: Option<i32>) -> Option<Part> {
        let uploads = self.uploads.lock();
        uploads.get(id)?.parts.get(&number?).cloned()
    }

    /// As Amazon does: a copy takes the place of nothing else than what was asked for.
    async fn check_target(&self, request: S3Request<CopyObjectInput>) -> S3Result<()> {
        let condition = |name: &str| {
            let value = request.headers.get(name)?;
            ETagCondition::parse_http_header(value.as_bytes()).ok()
        };
        let expected = condition("if-match").and_then(ETagCondition::into_etag);
        let is_refused = condition("if-none-match").is_some();
        let CopyObjectInput { bucket, key, .. } = request.input.clone();
        let target = HeadObjectInput {
            bucket,
            key,
            ..HeadObjectInput::default()
        };
        let there = self.inner.head_object(request.map_input(|_| target)).await;
        let etag = there.ok().and_then(|there| there.output.e_tag);
        let is_allowed = match (expected, etag) {
            (Some(expected), Some(etag)) => etag.strong_cmp(&expected),
            (Some(_), None) => false,
            (None, etag) => etag.is_none() || !is_refused,
        };
        if is_allowed {
            Ok(())
        } else {
            Err(s3_error!(PreconditionFailed))
        }
    }

    /// As Amazon does: an upload with checksums is not completed without that of every part.
    fn check_completed(&self, id: &str, completed: &[CompletedPart]) -> S3Result<()> {
        for part in completed {
            let sent = self.part(id, part.part_number).and_then(|sent| sent.crc32);
            if sent.is_some() && sent != part.checksum_crc32 {
                return Err(s3_error!(
                    InvalidRequest,
                    "The complete request must include the checksum for each part"
                ));
            }
        }
        Ok(())
    }
}

fn stored(key: &str) -> String {
    if key.ends_with('/') {
        format!("{key}{MARKER}")
    } else {
        key.to_owned()
    }
}

fn crc32_of(trailers: &hyper::HeaderMap) -> Option<String> {
    let crc32 = trailers.get("x-amz-checksum-crc32")?;
    crc32.to_str().ok().map(str::to_owned)
}

fn shown(key: &str) -> String {
    key.strip_suffix(MARKER).unwrap_or(key).to_owned()
}

#[async_trait::async_trait]
impl S3 for Peer {
    async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        request.input.key = stored(&request.input.key);
        self.inner.put_object(request).await
    }

    async fn head_object(
        &self,
        mut request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        if self.is_directory(&request.input.bucket, &request.input.key) {
            return Err(s3_error!(NoSuchKey));
        }
        request.input.key = stored(&request.input.key);
        self.inner.head_object(request).await
    }

    async fn get_object(
        &self,
        mut request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        if self.is_directory(&request.input.bucket, &request.input.key) {
            return Err(s3_error!(NoSuchKey));
        }
        request.input.key = stored(&request.input.key);
        let wanted = request.input.if_match.take();
        let got = self.inner.get_object(request).await?;
        match (wanted, &got.output.e_tag) {
            (Some(ETagCondition::ETag(wanted)), Some(etag)) if !etag.strong_cmp(&wanted) => {
                Err(s3_error!(PreconditionFailed))
            }
            _ => Ok(got),
        }
    }

    async fn delete_object(
        &self,
        mut request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        request.input.key = stored(&request.input.key);
        if self.is_directory(&request.input.bucket, &request.input.key) {
            return Ok(S3Response::new(DeleteObjectOutput::default()));
        }
        self.inner.delete_object(request).await
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        if let CopySource::Bucket { bucket, key, .. } = &request.input.copy_source
            && self.is_directory(bucket, key)
        {
            return Err(s3_error!(NoSuchKey));
        }
        self.check_target(request.clone()).await?;
        self.inner.copy_object(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let mut page = self.inner.list_objects_v2(request).await?;
        for object in page.output.contents.iter_mut().flatten() {
            object.key = object.key.as_deref().map(shown);
        }
        Ok(page)
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let key = request.input.key.clone();
        let has_checksums = request.input.checksum_algorithm.is_some();
        let begun = self.inner.create_multipart_upload(request).await?;
        let upload = Upload {
            key,
            has_checksums,
            parts: BTreeMap::new(),
        };
        let id = begun.output.upload_id.clone().unwrap();
        self.uploads.lock().insert(id, upload);
        Ok(begun)
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let (id, number) = (request.input.upload_id.clone(), request.input.part_number);
        self.check_upload(&id)?;
        let in_header = request.input.checksum_crc32.clone();
        let trailers = request.trailing_headers.clone();
        let mut sent = self.inner.upload_part(request).await?;
        let in_trailer = trailers.and_then(|trailers| trailers.read(crc32_of).flatten());
        let crc32 = in_header.or(in_trailer);
        if crc32.is_some() != self.has_checksums(&id) {
            return Err(s3_error!(InvalidRequest, "Checksum Type mismatch occurred"));
        }
        sent.output.checksum_crc32.clone_from(&crc32);
        let etag = sent.output.e_tag.clone();
        self.note_part(&id, number, Part { etag, crc32 });
        Ok(sent)
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let (id, number) = (request.input.upload_id.clone(), request.input.part_number);
        self.check_upload(&id)?;
        let mut copied = self.inner.upload_part_copy(request).await?;
        // Nobody but us sees the bytes, so any text will do that only we can know.
        let crc32 = self.has_checksums(&id).then(|| format!("copied {number}"));
        if let Some(result) = &mut copied.output.copy_part_result {
            result.checksum_crc32.clone_from(&crc32);
            let etag = result.e_tag.clone();
            self.note_part(&id, number, Part { etag, crc32 });
        }
        Ok(copied)
    }

    async fn list_parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let id = request.input.upload_id.clone();
        self.check_upload(&id)?;
        let mut listed = self.inner.list_parts(request).await?;
        for part in listed.output.parts.iter_mut().flatten() {
            let sent = self.part(&id, part.part_number);
            part.e_tag = sent.as_ref().and_then(|sent| sent.etag.clone());
            part.checksum_crc32 = sent.and_then(|sent| sent.crc32);
        }
        Ok(listed)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let id = request.input.upload_id.clone();
        self.check_upload(&id)?;
        let parts = request.input.multipart_upload.as_ref();
        let parts = parts.and_then(|upload| upload.parts.as_deref());
        self.check_completed(&id, parts.unwrap_or_default())?;
        let completed = self.inner.complete_multipart_upload(request).await?;
        self.uploads.lock().remove(&id);
        Ok(completed)
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let id = request.input.upload_id.clone();
        self.check_upload(&id)?;
        let aborted = self.inner.abort_multipart_upload(request).await?;
        self.uploads.lock().remove(&id);
        Ok(aborted)
    }

    async fn list_multipart_uploads(
        &self,
        request: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let prefix = request.input.prefix.unwrap_or_default();
        let uploads = self.uploads.lock();
        let found = uploads
            .iter()
            .filter(|(_, upload)| upload.key.starts_with(&prefix));
        let found = found.map(|(id, upload)| MultipartUpload {
            key: Some(upload.key.clone()),
            upload_id: Some(id.clone()),
            ..MultipartUpload::default()
        });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            uploads: Some(found.collect()),
            is_truncated: Some(false),
            ..ListMultipartUploadsOutput::default()
        }))
    }
}
