//! What the node does to objects when their deliveries have ended.

use jiff::SignedDuration;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::{CREATE, Fixed, bucket_name, chunk, path};
use qm_core::account::{SshPublicKey, Verb};
use qm_core::id::{AccountName, NodeName, VersionId};
use qm_core::name::{MailboxPath, ObjectKey, ObjectPath};
use qm_core::operation::{Change, NameChange, Operation};
use qm_core::ports::access::Principal;
use qm_core::ports::bucket::Bucket;
use qm_core::ports::clock::Clock;
use qm_core::ports::ledger::{Arrivals as _, Audit as _, Names as _};
use qm_core::ports::mailbox::{Mailbox, Mailboxes as _};
use qm_core::ports::source::Sources as _;
use qm_intake::{Intake, Parts, TakenOver};
use qm_store::{DirectoryBucket, Durability};
use qm_testkit::{MemoryLedger, TestClock, TestIdentifiers};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

/// One of the nodes on a bucket, and the mailbox of an account on it.
struct Desk {
    intake: Intake,
    mailbox: Arc<dyn Mailbox>,
    ledger: MemoryLedger,
    bucket: Arc<dyn Bucket>,
    clock: TestClock,
    folder: Arc<tempfile::TempDir>,
}

const LEASE: SignedDuration = SignedDuration::from_secs(30);

fn node(name: &str) -> NodeName {
    NodeName::parse(name).unwrap()
}

impl Desk {
    async fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let bucket = Arc::new(DirectoryBucket::open(folder.path(), Durability::Full).unwrap());
        let clock = TestClock::at("2026-11-20T12:00:00Z");
        let ledger = MemoryLedger::shared(&node("one"), clock.clone(), LEASE);
        let time = Arc::new(clock.clone());
        Self::on(folder, bucket, ledger, clock, time, 1).await
    }

    async fn join(&self, name: &str) -> Self {
        self.join_at(name, Arc::new(self.clock.clone())).await
    }

    async fn join_at(&self, name: &str, time: Arc<dyn Clock>) -> Self {
        let ledger = self.ledger.join(&node(name));
        let (folder, bucket) = (Arc::clone(&self.folder), Arc::clone(&self.bucket));
        Self::on(folder, bucket, ledger, self.clock.clone(), time, 2).await
    }

    async fn on(
        folder: Arc<tempfile::TempDir>,
        bucket: Arc<dyn Bucket>,
        ledger: MemoryLedger,
        clock: TestClock,
        time: Arc<dyn Clock>,
        seed: u32,
    ) -> Self {
        let rules = Fixed {
            may: BTreeSet::from(Verb::ALL),
            types: None,
            declare: vec![],
        };
        let intake = Intake::new(Parts {
            ledger: Arc::new(ledger.clone()),
            is_shared: true,
            buckets: Arc::new(BTreeMap::from([(bucket_name(), Arc::clone(&bucket))])),
            rules: Arc::new(rules),
            clock: time,
            identifiers: Arc::new(TestIdentifiers::new(seed)),
        });
        let principal = Principal {
            account: AccountName::parse("north").unwrap(),
            key: SshPublicKey::parse(super::KEY).unwrap(),
        };
        let mailbox = intake.open(&principal, [127, 0, 0, 1].into()).await;
        Self {
            intake,
            mailbox: mailbox.unwrap(),
            ledger,
            bucket,
            clock,
            folder,
        }
    }

    async fn upload(&self, name: &str, text: &str) -> qm_core::Result<()> {
        let mut upload = self.mailbox.write(&path(name), CREATE).await?;
        upload.write(vec![chunk(0, text)]).await?;
        upload.commit().await
    }

    async fn put(&self, name: &str, text: &str) -> VersionId {
        self.upload(name, text).await.unwrap();
        self.settled().await;
        self.ledger.current(&at(name)).await.unwrap().unwrap().id
    }

    /// The ends of operations are recorded behind the answer.
    async fn settled(&self) {
        while !self.ledger.pending().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    fn on_disk(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join(name)).ok()
    }

    async fn remove(&self, name: &str, version: VersionId) -> bool {
        let removed = self.intake.remove(&at(name), version, "delivered").await;
        self.settled().await;
        removed.unwrap()
    }

    async fn move_to(&self, name: &str, version: VersionId, to: &str) -> bool {
        let (from, to) = (at(name), ObjectKey::parse(to).unwrap());
        let moved = self.intake.move_to(&from, version, &to, "delivered");
        let moved = moved.await.unwrap();
        self.settled().await;
        moved.is_some()
    }

    async fn arrivals(&self) -> usize {
        self.ledger.latest(100).await.unwrap().len()
    }
}

fn at(name: &str) -> ObjectPath {
    ObjectPath {
        bucket: bucket_name(),
        key: ObjectKey::parse(name).unwrap(),
    }
}

fn other() -> VersionId {
    VersionId::from_parts(9, 9)
}

#[tokio::test]
async fn the_delivered_version_goes_and_no_other() {
    let desk = Desk::new().await;
    let one = desk.put("a.csv", "one").await;
    assert!(!desk.remove("a.csv", other()).await);
    assert!(!desk.remove("none.csv", one).await);
    let two = desk.put("a.csv", "two").await;
    assert!(!desk.remove("a.csv", one).await, "replaced meanwhile");
    assert_eq!(desk.on_disk("a.csv").as_deref(), Some("two"));
    assert!(desk.remove("a.csv", two).await);
    assert_eq!(desk.on_disk("a.csv"), None);
    assert!(!desk.remove("a.csv", two).await, "gone already");
    // Somebody put another file there behind our back.
    let three = desk.put("b.csv", "three").await;
    std::fs::write(desk.folder.path().join("new"), "theirs").unwrap();
    let folder = desk.folder.path();
    std::fs::rename(folder.join("new"), folder.join("b.csv")).unwrap();
    assert!(!desk.remove("b.csv", three).await);
    assert_eq!(desk.on_disk("b.csv").as_deref(), Some("theirs"));
    let audit = desk.ledger.audit(100).await.unwrap();
    let by_node = audit.iter().filter(|(_, row)| row.actor == "node");
    let subjects: Vec<_> = by_node.map(|(_, row)| row.subject.as_str()).collect();
    assert_eq!(subjects, ["landing/a.csv (delivered)"]);
}

#[tokio::test]
async fn the_delivered_version_moves_without_a_trigger() {
    let desk = Desk::new().await;
    let one = desk.put("a.csv", "one").await;
    let arrivals = desk.arrivals().await;
    assert!(!desk.move_to("a.csv", other(), "done/2026/a.csv").await);
    assert!(!desk.folder.path().join("done").exists());
    assert!(desk.move_to("a.csv", one, "a.csv").await, "where it is");
    assert!(desk.move_to("a.csv", one, "done/2026/a.csv").await);
    assert_eq!(desk.on_disk("done/2026/a.csv").as_deref(), Some("one"));
    assert_eq!(desk.on_disk("a.csv"), None);
    assert!(!desk.move_to("a.csv", one, "done/2026/a.csv").await);
    assert_eq!(desk.arrivals().await, arrivals);
    let moved = desk.ledger.current(&at("done/2026/a.csv")).await.unwrap();
    assert_eq!(moved.unwrap().id, one);
}

#[tokio::test]
async fn what_has_the_name_in_the_archive_stays_beside_it() {
    let desk = Desk::new().await;
    for (text, name) in [
        ("one", "done/a.csv"),
        ("two", "done/a~2.csv"),
        ("three", "done/a~3.csv"),
    ] {
        let version = desk.put("a.csv", text).await;
        assert!(desk.move_to("a.csv", version, "done/a.csv").await);
        assert_eq!(desk.on_disk(name).as_deref(), Some(text));
        let moved = desk.ledger.current(&at(name)).await.unwrap();
        assert_eq!(moved.unwrap().id, version);
    }
    assert_eq!(desk.on_disk("done/a.csv").as_deref(), Some("one"));
    assert_eq!(desk.on_disk("a.csv"), None);
}

/// What a node records that dies before it acts.
async fn begins_to_remove(desk: &Desk, name: &str) {
    let version = desk.ledger.current(&at(name)).await.unwrap();
    let (_, audit) = desk.ledger.audit(1).await.unwrap().remove(0);
    let change = NameChange {
        path: at(name),
        seen: None,
        change: Change::Remove,
        version,
        replaces: None,
        keep_aside: false,
        keep_moved: false,
        departs: false,
        arrival: None,
        account: None,
        at: audit.at,
        audit,
    };
    desk.ledger.record(change).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_name_that_another_node_changes_is_waited_for() {
    let one = Desk::new().await;
    one.put("a.csv", "one").await;
    let two = one.join("two").await;
    begins_to_remove(&two, "a.csv").await;
    let name = MailboxPath::parse(b"a.csv").unwrap();
    let replaced = async {
        let mut upload = one.mailbox.write(&name, CREATE).await?;
        upload.write(vec![chunk(0, "newer")]).await?;
        upload.commit().await
    };
    // It may only end when the other has.
    let ended = async {
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let pending = two.ledger.pending().await.unwrap();
        assert_eq!(pending.len(), 1, "nobody else ended it");
        two.bucket.run(&pending[0]).await.unwrap();
        two.ledger.complete(&pending[0]).await.unwrap();
    };
    let (replaced, ()) = tokio::join!(replaced, ended);
    replaced.unwrap();
    assert_eq!(one.on_disk("a.csv").as_deref(), Some("newer"));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_stays_busy_is_told() {
    let one = Desk::new().await;
    let version = one.put("a.csv", "one").await;
    let two = one.join("two").await;
    begins_to_remove(&two, "a.csv").await;
    let busy = one.intake.remove(&at("a.csv"), version, "delivered").await;
    let busy = busy.unwrap_err();
    assert_eq!(busy.kind(), qm_core::Kind::Unavailable);
    assert_eq!(one.on_disk("a.csv").as_deref(), Some("one"));
}

#[tokio::test]
async fn what_a_dead_node_began_is_completed_once() {
    let one = Desk::new().await;
    one.put("a.csv", "one").await;
    one.put("b.csv", "two").await;
    let two = one.join("two").await;
    begins_to_remove(&two, "a.csv").await;
    // While it lives it is left alone.
    assert_eq!(one.intake.take_over().await.unwrap(), TakenOver::default());
    assert_eq!(one.on_disk("a.csv").as_deref(), Some("one"));
    one.clock.advance(LEASE);
    let three = one.join("three").await;
    let taken = three.intake.take_over().await.unwrap();
    let expect = TakenOver {
        completed: 1,
        ..TakenOver::default()
    };
    assert_eq!(taken, expect);
    assert_eq!(three.on_disk("a.csv"), None);
    assert_eq!(three.on_disk("b.csv").as_deref(), Some("two"));
    let again = three.intake.take_over().await.unwrap();
    assert_eq!(again, TakenOver::default());
}

/// Whoever waits for the name holds it meanwhile, so nobody else could.
#[tokio::test(start_paused = true)]
async fn what_a_dead_node_began_is_completed_by_whoever_waits_for_it() {
    let one = Desk::new().await;
    one.put("a.csv", "one").await;
    let two = one.join("two").await;
    begins_to_remove(&two, "a.csv").await;
    one.clock.advance(LEASE);
    let three = one.join("three").await;
    let begun = tokio::time::Instant::now();
    three.upload("a.csv", "newer").await.unwrap();
    // Well before it would have given up.
    assert!(begun.elapsed() < std::time::Duration::from_secs(1));
    three.settled().await;
    assert_eq!(three.on_disk("a.csv").as_deref(), Some("newer"));
    let taken = three.intake.take_over().await.unwrap();
    assert_eq!(taken, TakenOver::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_here_is_not_taken_over() {
    let desk = Arc::new(Desk::new().await);
    let busy = {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            for round in 0..50 {
                desk.put("a.csv", &round.to_string()).await;
            }
        })
    };
    while !busy.is_finished() {
        let taken = desk.intake.take_over().await.unwrap();
        assert_eq!(taken, TakenOver::default());
    }
    busy.await.unwrap();
    assert_eq!(desk.on_disk("a.csv").as_deref(), Some("49"));
}

/// Another node's change ends when somebody looks for the n-th time.
struct Meanwhile {
    clock: TestClock,
    ledger: MemoryLedger,
    change: Operation,
    looks_left: AtomicU32,
}

impl Clock for Meanwhile {
    fn now(&self) -> jiff::Timestamp {
        if self.looks_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            drop(self.ledger.complete(&self.change));
        }
        self.clock.now()
    }
}

/// Wherever the end of another node's change falls: what that left under the name is kept.
#[tokio::test(start_paused = true)]
async fn what_another_node_put_there_meanwhile_is_not_lost() {
    for looks in 1..12 {
        let one = Desk::new().await;
        let replaced = one.put("a.csv", "replaced").await;
        let moved = one.put("b.csv", "moved").await;
        let two = one.join("two").await;
        let (_, audit) = two.ledger.audit(1).await.unwrap().remove(0);
        let change = NameChange {
            departs: false,
            path: at("b.csv"),
            seen: None,
            change: Change::Rename {
                to: at("a.csv").key,
            },
            version: two.ledger.version(moved).await.unwrap(),
            replaces: Some(replaced),
            keep_aside: true,
            keep_moved: false,
            arrival: None,
            account: None,
            at: audit.at,
            audit,
        };
        let change = two.ledger.record(change).await.unwrap();
        two.bucket.run(&change).await.unwrap();
        let meanwhile = Meanwhile {
            clock: one.clock.clone(),
            ledger: two.ledger.clone(),
            change,
            looks_left: AtomicU32::new(looks),
        };
        let three = one.join_at("three", Arc::new(meanwhile)).await;
        three.put("a.csv", "newest").await;
        assert_eq!(one.on_disk("a.csv").as_deref(), Some("newest"));
        let kept = one.ledger.kept(&at("a.csv")).await.unwrap();
        let kept: Vec<VersionId> = kept.iter().map(|kept| kept.version.id).collect();
        assert!(kept.contains(&replaced), "{looks}");
        assert!(kept.contains(&moved), "{looks}");
    }
}

/// So long passes whenever somebody looks.
struct Sleepy(TestClock);

impl Clock for Sleepy {
    fn now(&self) -> jiff::Timestamp {
        self.0.advance(LEASE);
        self.0.now()
    }
}

#[tokio::test]
async fn a_change_that_a_node_slept_over_is_left_to_others() {
    let one = Desk::new().await;
    one.put("a.csv", "one").await;
    // Time passed here and the lease goes on: nobody else may have it.
    let elsewhere = TestClock::at("2026-11-20T12:00:00Z");
    let slow = one.join_at("slow", Arc::new(Sleepy(elsewhere))).await;
    slow.upload("a.csv", "slow").await.unwrap();
    assert_eq!(one.on_disk("a.csv").as_deref(), Some("slow"));
    let asleep = one.join_at("asleep", Arc::new(Sleepy(one.clock.clone())));
    let late = asleep.await.upload("a.csv", "asleep").await.unwrap_err();
    assert_eq!(late.kind(), qm_core::Kind::Unavailable);
    assert_eq!(one.on_disk("a.csv").as_deref(), Some("slow"));
    let three = one.join("three").await;
    assert_eq!(three.intake.take_over().await.unwrap().completed, 1);
    assert_eq!(one.on_disk("a.csv").as_deref(), Some("asleep"));
}
