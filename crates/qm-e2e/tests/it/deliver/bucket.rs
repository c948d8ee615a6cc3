//! Destination `bucket` on real buckets: directories, sealed and in clear.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use bytes::Bytes;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use qm_connect::{BucketConnector, OpensBucket};
use qm_core::config::BucketDestination;
use qm_core::delivery::{Delivery, DeliveryState, Effect, Outcome};
use qm_core::id::{
    ArrivalSeq, BucketName, DeliveryId, DestinationName, EncryptionKeyName, NodeName,
    RevisionNumber, RouteName, VersionId,
};
use qm_core::name::{ObjectKey, ObjectPath, Prefix};
use qm_core::operation::Version;
use qm_core::ports::bucket::{Bucket, Content};
use qm_core::ports::connector::{Connector as _, Fence, Finding, Pace, Shipment};
use qm_core::ports::encryption::Envelope;
use qm_core::template::Facts;
use qm_core::{Error, Kind, Result, Retry};
use qm_store::{DirectoryBucket, Durability, SealedBucket};
use qm_testkit::MemoryEncryptionKeys;
use qm_testkit::outside::{ClosedFence, MemoryContent, OpenFence};
use sha2::{Digest as _, Sha256};

const PREFIX: &str = "from/landing";

/// A bucket as a destination.
struct Archive {
    folder: tempfile::TempDir,
    bucket: Arc<dyn Bucket>,
    connector: BucketConnector,
}

impl Archive {
    fn clear() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bucket = DirectoryBucket::open(folder.path(), Durability::Full).unwrap();
        Self::of(folder, Arc::new(bucket))
    }

    fn sealed() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let inner = DirectoryBucket::open_sealed(folder.path(), Durability::Full).unwrap();
        let keys = Arc::new(MemoryEncryptionKeys::default());
        let key = EncryptionKeyName::parse("archive").unwrap();
        let bucket = SealedBucket::new(Arc::new(inner), keys, key);
        Self::of(folder, Arc::new(bucket))
    }

    fn of(folder: tempfile::TempDir, bucket: Arc<dyn Bucket>) -> Self {
        let name = BucketName::parse("archive").unwrap();
        let config = BucketDestination {
            bucket: name.clone(),
            prefix: Prefix::parse(PREFIX).unwrap(),
            owner_full_control: false,
        };
        let buckets = BTreeMap::from([(name, Arc::clone(&bucket))]);
        Self {
            folder,
            bucket,
            connector: BucketConnector::new(&config, Arc::new(buckets)),
        }
    }

    fn path(&self, target: &str) -> PathBuf {
        self.folder.path().join(PREFIX).join(target)
    }

    async fn deliver(&self, target: &str, bytes: &[u8]) -> Result<String> {
        let content = MemoryContent::new(bytes.to_vec());
        self.deliver_content(&delivery(target, bytes), &content)
            .await
    }

    async fn deliver_content(&self, delivery: &Delivery, content: &dyn Content) -> Result<String> {
        let shipment = shipment(delivery);
        ended(self.connector.deliver(&shipment, content, &OpenFence).await)
    }

    async fn read(&self, target: &str) -> Result<Bytes> {
        let key = ObjectKey::parse(&format!("{PREFIX}/{target}")).unwrap();
        self.bucket.open(&key).await?.read(0, u32::MAX).await
    }

    async fn nothing_is_left(&self) {
        assert_eq!(self.bucket.leftovers().await.unwrap(), []);
    }
}

fn ended(outcome: Outcome) -> Result<String> {
    match outcome {
        Outcome::Delivered(note) => Ok(note),
        Outcome::Failed(error) => Err(error),
        Outcome::Loaded(load) => panic!("no outcome of this connector: {}", load.note()),
        Outcome::Unclear(error) | Outcome::Rejected(error) => {
            panic!("no outcome of this connector: {}", error.chain())
        }
    }
}

fn delivery(target: &str, bytes: &[u8]) -> Delivery {
    let sha256: [u8; 32] = Sha256::digest(bytes).into();
    let version = Version {
        id: VersionId::from_parts(1, u128::from(sha256[0])),
        size_bytes: bytes.len() as u64,
        sha256: qm_core::id::Sha256Digest(sha256),
        identity: String::new(),
        staged: None,
        received_at: Timestamp::UNIX_EPOCH,
    };
    let route = RouteName::parse("copy").unwrap();
    let destination = DestinationName::parse("archive").unwrap();
    Delivery {
        id: DeliveryId::derive(version.id, &route, &destination),
        arrival: ArrivalSeq(1),
        source: ObjectPath {
            bucket: BucketName::parse("landing").unwrap(),
            key: ObjectKey::parse("north/a.csv").unwrap(),
        },
        version,
        route,
        destination,
        target: target.to_owned(),
        effect: Effect::Put,
        state: DeliveryState::Running {
            node: NodeName::parse("here").unwrap(),
        },
        attempts: 1,
        possible_duplicate: false,
        fence: 1,
        last_error: None,
        revision: RevisionNumber(1),
        arrived_at: Timestamp::UNIX_EPOCH,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

fn shipment(delivery: &Delivery) -> Shipment<'_> {
    Shipment {
        delivery,
        target: &delivery.target,
        facts: Facts {
            path: &delivery.source,
            partner: None,
            arrived_at: delivery.arrived_at,
        },
        pace: None,
        progress: None,
    }
}

#[tokio::test]
async fn any_size_into_any_bucket() {
    for archive in [Archive::clear(), Archive::sealed()] {
        for size in [0, 1, 64 * 1024, 3 * 1024 * 1024 + 17] {
            let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
            let target = format!("in/{size}.bin");
            archive.deliver(&target, &bytes).await.unwrap();
            assert_eq!(archive.read(&target).await.unwrap(), bytes, "{size}");
        }
        archive.nothing_is_left().await;
    }
    let sealed = Archive::sealed();
    sealed.deliver("a", b"not to be read").await.unwrap();
    let stored = std::fs::read(sealed.path("a")).unwrap();
    let mut windows = stored.windows(14);
    assert!(windows.all(|window| window != b"not to be read"));
}

/// Content that looks at the destination while it is read, and may end otherwise.
struct WatchedContent {
    bytes: MemoryContent,
    target: PathBuf,
    before: Option<&'static [u8]>,
}

#[async_trait]
impl Content for WatchedContent {
    fn size_bytes(&self) -> u64 {
        self.bytes.size_bytes()
    }

    fn envelope(&self) -> Option<&Envelope> {
        None
    }

    async fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        let shown = std::fs::read(&self.target).ok();
        assert_eq!(shown.as_deref(), self.before, "changed before it was whole");
        self.bytes.read(offset, length).await
    }
}

#[tokio::test]
async fn the_object_appears_at_once_and_whole() {
    let archive = Archive::clear();
    let mut before = None;
    for fill in [1, 2] {
        let bytes = vec![fill; 2 * 1024 * 1024 + 5];
        let content = WatchedContent {
            bytes: MemoryContent::new(bytes.clone()),
            target: archive.path("a.bin"),
            before,
        };
        let delivery = delivery("a.bin", &bytes);
        archive.deliver_content(&delivery, &content).await.unwrap();
        assert_eq!(archive.read("a.bin").await.unwrap(), bytes);
        before = Some(Box::leak(bytes.into_boxed_slice()));
    }
}

#[tokio::test]
async fn other_bytes_than_those_received_never_show() {
    for archive in [Archive::clear(), Archive::sealed()] {
        let due = delivery("a.csv", b"ID,name\n");
        for wrong in [&b"ID,fame\n"[..], b"", b"ID", b"ID,name\nmore"] {
            let content = MemoryContent::new(wrong.to_vec());
            let failed = archive.deliver_content(&due, &content).await.unwrap_err();
            assert_eq!(failed.retry_verdict(), Retry::Later);
            assert!(failed.chain().contains("nothing was delivered"));
            let there = archive.read("a.csv").await;
            assert_eq!(there.unwrap_err().kind(), Kind::NotFound);
            archive.nothing_is_left().await;
        }
    }
}

#[tokio::test]
async fn a_closed_fence_changes_nothing() {
    let archive = Archive::clear();
    archive.deliver("a.csv", b"newer").await.unwrap();
    let late = delivery("a.csv", b"older");
    let content = MemoryContent::new(&b"older"[..]);
    let outcome = archive
        .connector
        .deliver(&shipment(&late), &content, &ClosedFence)
        .await;
    ended(outcome).unwrap_err();
    assert_eq!(archive.read("a.csv").await.unwrap(), "newer");
    archive.nothing_is_left().await;
}

/// A node that is stopped behind its last check, while another one delivers something newer.
struct StoppedAfterwards<'a> {
    archive: &'a Archive,
    times: AtomicUsize,
}

#[async_trait]
impl Fence for StoppedAfterwards<'_> {
    async fn check(&self) -> Result<()> {
        self.times.fetch_add(1, Ordering::Relaxed);
        self.archive.deliver("a.csv", b"newer").await.map(|_| ())
    }
}

#[tokio::test]
async fn a_node_that_comes_back_late_overwrites_nothing() {
    for before in [None, Some(&b"oldest"[..])] {
        let archive = Archive::clear();
        if let Some(bytes) = before {
            archive.deliver("a.csv", bytes).await.unwrap();
        }
        let late = delivery("a.csv", b"older");
        let content = MemoryContent::new(&b"older"[..]);
        let fence = StoppedAfterwards {
            archive: &archive,
            times: AtomicUsize::new(0),
        };
        let shipment = shipment(&late);
        let outcome = archive.connector.deliver(&shipment, &content, &fence).await;
        let failed = ended(outcome).unwrap_err();
        assert_eq!(
            (failed.kind(), failed.retry_verdict()),
            (Kind::Conflict, Retry::Later)
        );
        assert_eq!(fence.times.load(Ordering::Relaxed), 1);
        assert_eq!(archive.read("a.csv").await.unwrap(), "newer");
        archive.nothing_is_left().await;
    }
}

#[tokio::test]
async fn after_a_crash_the_bucket_is_asked() {
    for archive in [Archive::clear(), Archive::sealed()] {
        let due = delivery("in/a.csv", b"ID,name\n");
        let is_delivered = async |archive: &Archive| {
            let asked = archive.connector.is_delivered(&shipment(&due)).await;
            asked.unwrap()
        };
        assert!(!is_delivered(&archive).await);
        assert!(!archive.connector.proves_absence(), "it may be removed");
        for other in [&b"ID,fame\n"[..], b"", b"longer than that"] {
            archive.deliver("in/a.csv", other).await.unwrap();
            assert!(!is_delivered(&archive).await, "{other:?}");
        }
        archive.deliver("in/a.csv", b"ID,name\n").await.unwrap();
        assert!(is_delivered(&archive).await);
        assert!(is_delivered(&archive).await, "asking changes nothing");
        assert_eq!(archive.read("in/a.csv").await.unwrap(), "ID,name\n");
    }
}

#[tokio::test]
async fn an_attempt_that_was_cut_off_is_replaced() {
    #[derive(Debug)]
    struct Stops;
    #[async_trait]
    impl Pace for Stops {
        async fn take(&self, _bytes: u64) {
            std::future::pending::<()>().await;
        }
    }
    let archive = Archive::clear();
    let due = delivery("a.csv", b"ID,name\n");
    let content = MemoryContent::new(&b"ID,name\n"[..]);
    let stopped = Shipment {
        pace: Some(&Stops),
        progress: None,
        ..shipment(&due)
    };
    let attempt = archive.connector.deliver(&stopped, &content, &OpenFence);
    let limit = std::time::Duration::from_millis(50);
    tokio::time::timeout(limit, attempt).await.unwrap_err();
    archive.deliver_content(&due, &content).await.unwrap();
    assert_eq!(archive.read("a.csv").await.unwrap(), "ID,name\n");
    archive.nothing_is_left().await;
}

#[tokio::test]
async fn names_that_no_object_has_are_refused() {
    let archive = Archive::clear();
    for target in ["../a", "/a", "a//b", "", "a\0b", ".."] {
        let refused = archive.deliver(target, b"x").await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Refused, "{target:?}");
    }
    std::fs::create_dir_all(archive.path("taken.csv")).unwrap();
    let refused = archive.deliver("taken.csv", b"x").await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Refused);
    archive.nothing_is_left().await;
}

fn failed(findings: &[Finding]) -> Vec<&Finding> {
    let failed = findings.iter().filter(|finding| finding.result.is_err());
    failed.collect()
}

#[tokio::test]
async fn a_test_tries_everything_and_leaves_nothing() {
    for archive in [Archive::clear(), Archive::sealed()] {
        let findings = archive.connector.test().await;
        assert!(failed(&findings).is_empty(), "{findings:?}");
        assert_eq!(findings.len(), 4, "{findings:?}");
        archive.nothing_is_left().await;
        assert!(!archive.folder.path().join("from").exists());
    }
    let archive = Archive::clear();
    std::fs::write(archive.folder.path().join("from"), "in the way").unwrap();
    let findings = archive.connector.test().await;
    assert_eq!(failed(&findings).len(), 1, "{findings:?}");
    let nowhere = BucketDestination {
        bucket: BucketName::parse("gone").unwrap(),
        prefix: Prefix::default(),
        owner_full_control: false,
    };
    let buckets = BTreeMap::<BucketName, Arc<dyn Bucket>>::new();
    let connector = BucketConnector::new(&nowhere, Arc::new(buckets));
    let findings = connector.test().await;
    assert_eq!(failed(&findings).len(), 1, "{findings:?}");
    let due = delivery("a", b"x");
    let asked: std::result::Result<bool, Error> = connector.is_delivered(&shipment(&due)).await;
    assert_eq!(asked.unwrap_err().retry_verdict(), Retry::Later);
}

/// Answers from the second time on.
struct Opening {
    bucket: Arc<dyn Bucket>,
    asked: AtomicUsize,
}

#[async_trait]
impl OpensBucket for Opening {
    async fn bucket(&self) -> Result<Arc<dyn Bucket>> {
        if self.asked.fetch_add(1, Ordering::Relaxed) == 0 {
            return Err(Error::new(Kind::Unavailable, "the store does not answer"));
        }
        Ok(Arc::clone(&self.bucket))
    }
}

#[tokio::test]
async fn a_bucket_that_could_not_be_opened_is_asked_for_by_the_next_delivery() {
    let archive = Archive::clear();
    let config = BucketDestination {
        bucket: BucketName::parse("theirs").unwrap(),
        prefix: Prefix::parse(PREFIX).unwrap(),
        owner_full_control: false,
    };
    let opening = Opening {
        bucket: Arc::clone(&archive.bucket),
        asked: AtomicUsize::new(0),
    };
    let connector = BucketConnector::opening(config, Arc::new(opening));
    let (due, content) = (delivery("a", b"x"), MemoryContent::new(b"x".to_vec()));
    let shipment = shipment(&due);
    let error = ended(connector.deliver(&shipment, &content, &OpenFence).await).unwrap_err();
    assert_eq!(error.retry_verdict(), Retry::Later);
    ended(connector.deliver(&shipment, &content, &OpenFence).await).unwrap();
    assert_eq!(archive.read("a").await.unwrap(), "x");
}
