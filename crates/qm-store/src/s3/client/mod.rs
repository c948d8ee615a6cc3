//! The calls to S3 that we make, and no others. Keys are whole keys of the S3 bucket. Errors are
//! in the words of the house; what the SDK can repeat it has repeated.

mod copy;
mod faults;
mod multipart;
mod objects;
mod pages;
mod settings;
mod tags;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{ChecksumAlgorithm, ObjectCannedAcl, ServerSideEncryption};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::task::JoinHandle;

use crate::s3::metadata::{self, Place};
use qm_core::config::{S3Encryption, S3Place};
use qm_core::id::VersionId;
use qm_core::ports::encryption::Envelope;
use qm_core::{Error, Result};

pub(crate) use copy::CopySource;
pub(crate) use multipart::Part;
pub(crate) use objects::{Head, Window};
pub(crate) use pages::{Listed, Page, Range};
pub(crate) use settings::Versioning;

/// What an object carries besides its bytes, in the words of S3: names without `x-amz-meta-`.
pub(crate) type Metadata = std::collections::HashMap<String, String>;

/// The first try and its repetitions, at most.
const ATTEMPTS: u32 = 4;
/// A slower store is taken for one that has stopped.
const BYTES_PER_SECOND_MIN: u64 = 256 << 10;
/// Read at a time from what lies on disk.
const SPILLED_READ_BYTES: usize = 1 << 20;

/// A bucket of S3, and how to ask it.
#[derive(Clone)]
pub(crate) struct S3Client {
    sdk: aws_sdk_s3::Client,
    /// Where it is reached: buckets with the same one can copy from each other.
    service: String,
    bucket: String,
    /// What objects made here are given to others by.
    acl: Option<ObjectCannedAcl>,
    encryption: S3Encryption,
    /// What objects made here are tagged with, as a header has it.
    tagging: Option<String>,
    /// What every part of an upload has, and the upload is begun with.
    checksum: Option<ChecksumAlgorithm>,
    /// Over TLS nobody changes the bytes on their way, and a second digest of all of them would
    /// cost as much as ours.
    signs_payload: bool,
    limits: S3Limits,
}

/// What a store may take.
#[derive(Clone, Copy, Debug)]
pub struct S3Limits {
    /// Until it answers what needs no work, or sends or takes the next bytes. An attempt that
    /// takes longer is given up and repeated.
    pub answer: Duration,
    /// Until it has put an object together, or copied one.
    pub work: Duration,
    /// Before what failed is repeated for the first time; later pauses grow from there.
    pub pause: Duration,
    /// What it copies in one request; more it copies in parts.
    pub copy_bytes_max: u64,
}

impl Default for S3Limits {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(10),
            // Amazon says "several minutes" of the completion of a large object.
            work: Duration::from_mins(5),
            pause: Duration::from_millis(500),
            copy_bytes_max: 5 << 30,
        }
    }
}

/// Bytes to send, read again for every attempt.
#[derive(Clone)]
pub(crate) enum PartBody {
    /// In memory.
    Bytes(Bytes),
    /// On disk.
    Spilled(Arc<dyn SpilledBytes>),
}

/// Bytes on disk. Both calls may block.
pub(crate) trait SpilledBytes: Send + Sync {
    /// How many.
    fn size_bytes(&self) -> u64;

    /// Exactly `length` bytes at `offset`.
    fn read_at(&self, offset: u64, length: usize) -> Result<Bytes>;
}

/// What to do if there is an object under the key already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Existing<'a> {
    /// The new one takes its place.
    Replace,
    /// The call fails with `Conflict`.
    Refuse,
    /// The new one takes the place of the object with this etag; of another one, or of none, the
    /// call fails with `Conflict`.
    Expect(&'a str),
}

impl S3Client {
    /// For the bucket of a place.
    pub(crate) fn new(shared: &aws_config::SdkConfig, place: &S3Place, limits: S3Limits) -> Self {
        let (calculation, validation) = checksums(place.checksums);
        let config = Builder::from(shared)
            .force_path_style(place.path_style)
            .request_checksum_calculation(calculation)
            .response_checksum_validation(validation)
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(ATTEMPTS)
                    .with_initial_backoff(limits.pause),
            )
            .stalled_stream_protection(
                StalledStreamProtectionConfig::enabled()
                    .grace_period(limits.answer)
                    .build(),
            )
            .timeout_config(attempts_of(limits.answer));
        let signs_payload = shared
            .endpoint_url()
            .is_some_and(|endpoint| endpoint.starts_with("http://"));
        Self {
            sdk: aws_sdk_s3::Client::from_conf(config.build()),
            service: settings::service(shared),
            bucket: place.bucket.clone(),
            acl: None,
            encryption: place.encryption.clone(),
            tagging: tags::header(&place.tags),
            checksum: algorithm(place.checksums),
            signs_payload,
            limits,
        }
    }

    /// The same, and the owner of the bucket gets what it makes.
    pub(crate) fn for_owner(&self) -> Self {
        Self {
            acl: Some(ObjectCannedAcl::BucketOwnerFullControl),
            ..self.clone()
        }
    }

    /// True if every part of its uploads has a checksum.
    pub(crate) fn has_checksums(&self) -> bool {
        self.checksum.is_some()
    }

    /// The same for an upload that was begun so, whatever the place says by now.
    pub(crate) fn with_checksums(&self, has_checksums: bool) -> Self {
        let (calculation, validation) = checksums(has_checksums);
        let config = self
            .sdk
            .config()
            .to_builder()
            .request_checksum_calculation(calculation)
            .response_checksum_validation(validation)
            .build();
        Self {
            sdk: aws_sdk_s3::Client::from_conf(config),
            checksum: algorithm(has_checksums),
            ..self.clone()
        }
    }

    /// Where the bucket is reached.
    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    /// What the object of a version under a key carries.
    pub(crate) fn describe(
        &self,
        key: &str,
        version: VersionId,
        envelope: Option<&Envelope>,
    ) -> Result<Metadata> {
        metadata::of(self.place(key), version, envelope)
    }

    /// Where a key is.
    pub(crate) fn place<'a>(&'a self, key: &'a str) -> Place<'a> {
        Place {
            bucket: &self.bucket,
            key,
        }
    }

    fn server_side_encryption(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        match &self.encryption {
            S3Encryption::BucketDefault => (None, None),
            S3Encryption::S3 => (Some(ServerSideEncryption::Aes256), None),
            S3Encryption::Kms(key_id) => (Some(ServerSideEncryption::AwsKms), key_id.clone()),
        }
    }

    /// For a call that carries so many bytes.
    fn carrying(&self, size_bytes: u64) -> Builder {
        let carrying = Duration::from_secs(size_bytes / BYTES_PER_SECOND_MIN);
        Builder::default().timeout_config(attempts_of(self.limits.answer + carrying))
    }

    /// For a call that makes the store work.
    fn working(&self) -> Builder {
        Builder::default().timeout_config(attempts_of(self.limits.work))
    }
}

impl PartBody {
    /// How many bytes.
    pub(crate) fn size_bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Spilled(spilled) => spilled.size_bytes(),
        }
    }

    fn into_stream(self) -> ByteStream {
        match self {
            Self::Bytes(bytes) => ByteStream::from(bytes),
            Self::Spilled(spilled) => ByteStream::new(SdkBody::retryable(move || {
                SdkBody::from_body_1_x(SpilledBody {
                    spilled: Arc::clone(&spilled),
                    offset: 0,
                    reading: None,
                })
            })),
        }
    }
}

fn checksums(are_wanted: bool) -> (RequestChecksumCalculation, ResponseChecksumValidation) {
    if are_wanted {
        (
            RequestChecksumCalculation::WhenSupported,
            ResponseChecksumValidation::WhenSupported,
        )
    } else {
        (
            RequestChecksumCalculation::WhenRequired,
            ResponseChecksumValidation::WhenRequired,
        )
    }
}

fn algorithm(is_wanted: bool) -> Option<ChecksumAlgorithm> {
    is_wanted.then_some(ChecksumAlgorithm::Crc32)
}

fn attempts_of(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .operation_attempt_timeout(attempt)
        // The pauses between attempts are within it.
        .operation_timeout((attempt + Duration::from_secs(5)) * ATTEMPTS)
        .build()
}

/// Reads ahead by one piece, where it may block.
struct SpilledBody {
    spilled: Arc<dyn SpilledBytes>,
    offset: u64,
    reading: Option<JoinHandle<Result<Bytes>>>,
}

impl Body for SpilledBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let left = self.spilled.size_bytes() - self.offset;
        if left == 0 {
            return Poll::Ready(None);
        }
        let length =
            usize::try_from(left).map_or(SPILLED_READ_BYTES, |left| left.min(SPILLED_READ_BYTES));
        let (spilled, offset) = (Arc::clone(&self.spilled), self.offset);
        let reading = self.reading.get_or_insert_with(|| {
            tokio::task::spawn_blocking(move || spilled.read_at(offset, length))
        });
        let read = std::task::ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let bytes = read.map_err(crate::errors::lost_task).flatten()?;
        self.offset += bytes.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.spilled.size_bytes() - self.offset)
    }
}
