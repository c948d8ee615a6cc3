//! The cloud buckets against the stores' emulators over HTTP.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

mod emulator;
mod faults;
mod files;
mod http;
mod proxy;
mod restart;

use std::sync::Arc;

use emulator::{Emulator, Kind};
use qm_core::ports::bucket::Bucket;
use qm_testkit::contract::bucket::{
    self as contract, Folders, OpenFiles, Promises, Resumes, StagedReads, Superseded,
};

/// Uploads go on in the same process only; the contract cannot restart it.
const CLOUD: Promises = Promises {
    resumes: Resumes::Everything,
    folders: Folders::Implied,
    staged_reads: StagedReads::Always,
    superseded: Superseded::Gone,
    open_files: OpenFiles::MayFail,
    entries_max: 128,
};

#[tokio::test]
async fn foreign_azure_is_a_bucket() {
    is_a_bucket(Kind::Azure).await;
}

#[tokio::test]
async fn foreign_google_is_a_bucket() {
    is_a_bucket(Kind::Google).await;
}

async fn is_a_bucket(kind: Kind) {
    let emulator = Emulator::start(kind).await;
    let fresh = || Arc::new(emulator.fresh()) as Arc<dyn Bucket>;
    contract::all(&fresh, &CLOUD).await;
    contract::envelopes(&fresh, &CLOUD).await;
}
