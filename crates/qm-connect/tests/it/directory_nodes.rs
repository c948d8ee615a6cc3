//! Two nodes that deliver into one folder, and what an operator is told of it.

use async_trait::async_trait;
use parking_lot::Mutex;
use qm_core::ports::connector::{Connector as _, Fence, Finding, Pace, Shipment};
use qm_core::{Kind, Result, Retry};
use qm_testkit::outside::{MemoryContent, OpenFence};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::path::PathBuf;
use tokio::sync::Notify;

use crate::share::{Share, delivery, ended, shipment};

const BYTES: &[u8] = b"ID,name\n1,tea\n";

/// A fence that says when it is asked and waits for a sign.
#[derive(Default)]
struct SlowFence {
    asked: Notify,
    go: Notify,
}

#[async_trait]
impl Fence for SlowFence {
    async fn check(&self) -> Result<()> {
        self.asked.notify_one();
        self.go.notified().await;
        Ok(())
    }
}

/// A fence that looks what is under the name when it is asked.
struct LookingFence {
    target: PathBuf,
    seen: Mutex<Option<Vec<u8>>>,
}

#[async_trait]
impl Fence for LookingFence {
    async fn check(&self) -> Result<()> {
        *self.seen.lock() = fs::read(&self.target).ok();
        Ok(())
    }
}

/// The only lock file in the share.
fn lock_file(share: &Share) -> PathBuf {
    let names = share.names();
    let mut locks = names.iter().filter(|name| name.contains(".lock"));
    let lock = share.path(locks.next().unwrap());
    assert_eq!(locks.next(), None);
    lock
}

#[tokio::test(start_paused = true)]
async fn from_the_last_check_to_the_name_a_target_is_one_nodes() {
    let share = Share::new();
    let (first, second) = (delivery("a.csv", b"first"), delivery("a.csv", BYTES));
    let (one, other) = (share.connector(), share.connector());
    let slow = SlowFence::default();
    let looking = LookingFence {
        target: share.path("a.csv"),
        seen: Mutex::default(),
    };
    let content = MemoryContent::new(&b"first"[..]);
    let shipped = shipment(&first);
    let delivering = one.deliver(&shipped, &content, &slow);
    let others = async {
        slow.asked.notified().await;
        let content = MemoryContent::new(BYTES);
        let shipped = shipment(&second);
        let late = other.deliver(&shipped, &content, &looking);
        let release = async {
            // By then the other one has everything but the name.
            let temp = share.path(&format!(".qm-{}.tmp", second.id));
            while fs::read(&temp).ok().as_deref() != Some(BYTES) {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            assert!(looking.seen.lock().is_none(), "asked out of turn");
            slow.go.notify_one();
        };
        tokio::join!(late, release).0
    };
    let (one, other) = tokio::join!(delivering, others);
    ended(one).unwrap();
    ended(other).unwrap();
    assert_eq!(looking.seen.lock().as_deref(), Some(&b"first"[..]));
    assert_eq!(fs::read(share.path("a.csv")).unwrap(), BYTES);
    assert_eq!(share.names(), ["a.csv"]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_stopped_node_tries_again_later() {
    let share = Share::new();
    let first = delivery("a.csv", b"first");
    let slow = SlowFence::default();
    let content = MemoryContent::new(&b"first"[..]);
    let connector = share.connector();
    let shipped = shipment(&first);
    let delivering = connector.deliver(&shipped, &content, &slow);
    let others = async {
        slow.asked.notified().await;
        let error = share.deliver("a.csv", BYTES).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry_verdict()),
            (Kind::Conflict, Retry::Later)
        );
        // Another name is nobody's business.
        share.deliver("b.csv", BYTES).await.unwrap();
        slow.go.notify_one();
    };
    let (outcome, ()) = tokio::join!(delivering, others);
    ended(outcome).unwrap();
    assert_eq!(fs::read(share.path("a.csv")).unwrap(), b"first");
    assert_eq!(share.names(), ["a.csv", "b.csv"]);
}

#[tokio::test(start_paused = true)]
async fn a_lock_goes_with_the_process_that_had_it() {
    let share = Share::new();
    let slow = SlowFence::default();
    let first = delivery("a.csv", BYTES);
    let connector = share.connector();
    let content = MemoryContent::new(BYTES);
    let shipped = shipment(&first);
    let mut delivering = connector.deliver(&shipped, &content, &slow);
    let lock = tokio::select! {
        _ = &mut delivering => panic!("it waits for the fence"),
        () = slow.asked.notified() => lock_file(&share),
    };
    drop(delivering);
    assert!(!lock.exists(), "dropped");
    // A process that was killed leaves the file, but not the lock.
    File::create(&lock).unwrap();
    share.deliver("a.csv", BYTES).await.unwrap();
    assert_eq!(share.names(), ["a.csv"]);
    let held = File::create(&lock).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let busy = share.deliver("a.csv", BYTES).await.unwrap_err();
    assert_eq!(busy.kind(), Kind::Conflict);
    drop(held);
    share.deliver("a.csv", BYTES).await.unwrap();
}

#[derive(Debug, Default)]
struct CountingPace(Mutex<u64>);

#[async_trait]
impl Pace for CountingPace {
    async fn take(&self, bytes: u64) {
        *self.0.lock() += bytes;
    }
}

#[tokio::test]
async fn every_byte_is_asked_for() {
    let share = Share::new();
    let bytes = vec![1; 2 * 1024 * 1024 + 5];
    let pace = CountingPace::default();
    let delivery = delivery("a.bin", &bytes);
    let shipment = Shipment {
        pace: Some(&pace),
        progress: None,
        ..shipment(&delivery)
    };
    let content = MemoryContent::new(bytes.clone());
    let connector = share.connector();
    ended(connector.deliver(&shipment, &content, &OpenFence).await).unwrap();
    assert_eq!(*pace.0.lock(), bytes.len() as u64);
}

fn failed(findings: &[Finding]) -> Vec<&str> {
    let failed = findings.iter().filter(|finding| finding.result.is_err());
    failed.map(|finding| finding.what.as_str()).collect()
}

#[tokio::test]
async fn a_test_tries_everything_and_leaves_nothing() {
    let share = Share::new();
    fs::write(share.path("a.csv"), BYTES).unwrap();
    let findings = share.connector().test().await;
    assert_eq!(failed(&findings), Vec::<&str>::new(), "{findings:?}");
    assert_eq!(findings.len(), 8, "{findings:?}");
    assert_eq!(share.names(), ["a.csv"]);
}

#[tokio::test]
async fn a_test_ends_where_it_fails_with_the_remedy() {
    let share = Share::new();
    fs::remove_dir(&share.root).unwrap();
    let findings = share.connector().test().await;
    assert_eq!(failed(&findings), ["the folder"]);
    let told = findings.last().unwrap().result.clone().unwrap_err();
    assert!(told.contains("mount the share"), "{told}");
}

#[tokio::test]
async fn the_lock_of_a_killed_node_goes_when_the_destination_is_asked() {
    let share = Share::new();
    let delivered = delivery("a.csv", BYTES);
    let slow = SlowFence::default();
    let (connector, content) = (share.connector(), MemoryContent::new(BYTES));
    let shipped = shipment(&delivered);
    let lock = {
        let delivering = connector.deliver(&shipped, &content, &slow);
        let found = async {
            slow.asked.notified().await;
            lock_file(&share)
        };
        tokio::select! {
            _ = delivering => panic!("the fence does not let it pass"),
            lock = found => lock,
        }
    };
    let left = File::create(&lock).unwrap();
    fs::write(share.path("a.csv"), BYTES).unwrap();
    flock(&left, FlockOperation::NonBlockingLockExclusive).unwrap();
    assert!(connector.is_delivered(&shipped).await.unwrap());
    assert!(lock.exists(), "somebody has it");
    drop(left);
    assert!(connector.is_delivered(&shipped).await.unwrap());
    assert_eq!(share.names(), ["a.csv"]);
}
