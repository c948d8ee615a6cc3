//! The directory bucket on a real file system.

mod confinement;

use std::sync::Arc;

use qm_core::ports::bucket::Bucket;
use qm_store::{DirectoryBucket, Durability};

#[tokio::test]
async fn a_directory_is_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::sync::atomic::AtomicU32::new(0);
    let fresh = || {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let place = folder.path().join(number.to_string());
        Arc::new(DirectoryBucket::open(&place, Durability::Full).unwrap()) as Arc<dyn Bucket>
    };
    qm_testkit::contract::bucket::all(&fresh).await;
}

#[test]
fn a_bucket_has_one_node() {
    let folder = tempfile::tempdir().unwrap();
    let first = DirectoryBucket::open(folder.path(), Durability::Full).unwrap();
    let second = DirectoryBucket::open(folder.path(), Durability::Full).map(|_| ());
    let refusal = second.unwrap_err();
    assert_eq!(refusal.kind(), qm_core::Kind::Conflict);
    assert!(
        refusal.public_message().contains("another node"),
        "{}",
        refusal.public_message()
    );
    drop(first);
    DirectoryBucket::open(folder.path(), Durability::Full).unwrap();
}
