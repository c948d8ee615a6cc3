//! s3s-fs with what it lacks of S3: it shows directories as objects and does not list markers,
//! knows no `If-Match` on reading, no list of uploads, no etags of parts, and calls an unknown
//! upload a matter of access.

use parking_lot::Mutex;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CopySource,
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
    etags: BTreeMap<i32, ETag>,
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

    fn note_part(&self, id: &str, number: i32, etag: Option<ETag>) {
        if let (Some(upload), Some(etag)) = (self.uploads.lock().get_mut(id), etag) {
            upload.etags.insert(number, etag);
        }
    }
}

fn stored(key: &str) -> String {
    if key.ends_with('/') {
        format!("{key}{MARKER}")
    } else {
        key.to_owned()
    }
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
        let begun = self.inner.create_multipart_upload(request).await?;
        let upload = Upload {
            key,
            etags: BTreeMap::new(),
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
        let sent = self.inner.upload_part(request).await?;
        self.note_part(&id, number, sent.output.e_tag.clone());
        Ok(sent)
    }

    async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        let (id, number) = (request.input.upload_id.clone(), request.input.part_number);
        self.check_upload(&id)?;
        let copied = self.inner.upload_part_copy(request).await?;
        let result = copied.output.copy_part_result.as_ref();
        self.note_part(&id, number, result.and_then(|result| result.e_tag.clone()));
        Ok(copied)
    }

    async fn list_parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let id = request.input.upload_id.clone();
        self.check_upload(&id)?;
        let mut listed = self.inner.list_parts(request).await?;
        let uploads = self.uploads.lock();
        for part in listed.output.parts.iter_mut().flatten() {
            let etags = uploads.get(&id).map(|upload| &upload.etags);
            part.e_tag = etags.and_then(|etags| etags.get(&part.part_number?).cloned());
        }
        drop(uploads);
        Ok(listed)
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let id = request.input.upload_id.clone();
        self.check_upload(&id)?;
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
