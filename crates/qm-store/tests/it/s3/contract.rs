//! What every bucket must do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use qm_core::id::EncryptionKeyName;
use qm_core::ports::bucket::Bucket;
use qm_store::{S3Contents, SealedBucket};
use qm_testkit::MemoryEncryptionKeys;
use qm_testkit::contract::bucket::{
    Folders, OpenFiles, Promises, Resumes, StagedReads, Superseded, all, envelopes,
};

use super::gateway::Gateway;
use super::moto::Moto;
use super::server::Server;
use super::world::{BUCKET, World, place};

/// What a bucket without native versions promises. An open file of more than a window may fail
/// when it is replaced; those of the suite are shorter.
const PROMISES: Promises = Promises {
    resumes: Resumes::Parts(16 << 20),
    folders: Folders::Implied,
    staged_reads: StagedReads::Refused,
    superseded: Superseded::Gone,
    open_files: OpenFiles::Stay,
    entries_max: 128,
};

/// Worlds live as long as the suite runs.
struct Fresh {
    endpoint: String,
    bucket: &'static str,
    contents: S3Contents,
    number: AtomicU32,
    worlds: parking_lot::Mutex<Vec<World>>,
}

impl Fresh {
    fn new(endpoint: &str, bucket: &'static str, contents: S3Contents) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            bucket,
            contents,
            number: AtomicU32::new(0),
            worlds: parking_lot::Mutex::default(),
        }
    }

    fn bucket(&self) -> Arc<dyn Bucket> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{:?}/{number}", self.contents);
        let place = place(&self.endpoint, self.bucket, &prefix);
        let open = World::open_with(&place, self.contents);
        let world = block_in_place(|| Handle::current().block_on(open));
        let bucket = Arc::clone(&world.bucket);
        self.worlds.lock().push(world);
        bucket
    }

    /// Sealed before it reaches the store, with encryption keys of its own.
    fn sealed_bucket(&self) -> Arc<dyn Bucket> {
        let keys = Arc::new(MemoryEncryptionKeys::default());
        let landing = EncryptionKeyName::parse("landing").unwrap();
        Arc::new(SealedBucket::new(self.bucket(), keys, landing))
    }
}

/// In clear and sealed, and what sealing needs of the bucket below it.
async fn check(endpoint: &str, bucket: &'static str, promises: &Promises) {
    let clear = Fresh::new(endpoint, bucket, S3Contents::Clear);
    all(&|| clear.bucket(), promises).await;
    let sealed = Fresh::new(endpoint, bucket, S3Contents::Sealed);
    envelopes(&|| sealed.bucket(), promises).await;
    all(&|| sealed.sealed_bucket(), promises).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3s_is_a_bucket() {
    let server = Server::start().await;
    check(server.endpoint(), BUCKET, &PROMISES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_moto_is_a_bucket() {
    let moto = Moto::start().await;
    moto.make_bucket("plain").await;
    check(&moto.endpoint, "plain", &PROMISES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_moto_with_versions_is_a_bucket() {
    let moto = Moto::start().await;
    moto.make_versioned_bucket("versioned").await;
    let promises = Promises {
        superseded: Superseded::MayStay,
        ..PROMISES
    };
    check(&moto.endpoint, "versioned", &promises).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_versitygw_is_a_bucket() {
    let gateway = Gateway::start("plain").await;
    check(&gateway.endpoint, "plain", &PROMISES).await;
}
