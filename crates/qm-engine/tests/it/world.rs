//! A gateway without fronts: a test lets files arrive, moves the clock, breaks things, and looks
//! at what came of it.

use jiff::{SignedDuration, Timestamp};
use qm_core::arrival::{Cause, Partial};
use qm_core::audit::{Activity, AuditRecord, Decision};
use qm_core::config::Config;
use qm_core::id::{AccountName, BucketName, NodeName, RevisionNumber, Sha256Digest};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::{Change, NameChange, Operation, StagedToken, Version};
use qm_core::ports::bucket::{Bucket, Buckets, Parked};
use qm_core::ports::clock::{Clock as _, Identifiers as _};
use qm_core::ports::ledger::{Deliveries as _, DeliveryFilter, Names as _, Partials as _};
use qm_core::{Error, Result};
use qm_engine::{
    AlertReconciler, DeliverReconciler, ExpectReconciler, Ports, Reconciler, RetainReconciler,
    RouteReconciler, Running, TidyReconciler, Wake,
};
use qm_testkit::outside::{FakeDestination, RecordingNotifier};
use qm_testkit::{MemoryLedger, TestClock, TestIdentifiers};
use std::sync::Arc;
use tokio::sync::watch;

use crate::doors::Doors;
use crate::hands::Hands;
use crate::shelf::Shelf;

/// No scenario needs more; one that does is a loop.
const TURNS_MAX: usize = 1_000;
/// Of a node of [`World::of_many`].
pub(crate) const LEASE: SignedDuration = SignedDuration::from_secs(30);

pub(crate) struct World {
    pub(crate) ledger: MemoryLedger,
    pub(crate) clock: TestClock,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) doors: Arc<Doors>,
    pub(crate) hands: Arc<Hands>,
    pub(crate) ports: Ports,
    identifiers: TestIdentifiers,
    config: watch::Sender<Running>,
    engine: Vec<Arc<dyn Reconciler>>,
}

/// What nodes share.
struct Place {
    clock: TestClock,
    shelf: Arc<Shelf>,
    doors: Arc<Doors>,
}

struct OneBucket(Arc<Shelf>);

impl Buckets for OneBucket {
    fn get(&self, name: &BucketName) -> Option<Arc<dyn Bucket>> {
        (name.as_str() == "landing").then(|| Arc::clone(&self.0) as _)
    }
}

impl World {
    /// On a Friday at noon.
    pub(crate) fn new(config: Config) -> Self {
        Self::at("2026-11-20T12:00:00Z", config)
    }

    pub(crate) fn at(now: &str, config: Config) -> Self {
        let place = Place {
            clock: TestClock::at(now),
            shelf: Arc::default(),
            doors: Arc::default(),
        };
        Self::of(MemoryLedger::new(), place, config)
    }

    /// A node whose lease lasts for [`LEASE`] after it last said that it lives.
    pub(crate) fn of_many(config: Config) -> Self {
        let place = Place {
            clock: TestClock::at("2026-11-20T12:00:00Z"),
            shelf: Arc::default(),
            doors: Arc::default(),
        };
        let ledger = MemoryLedger::shared(&node("one"), place.clock.clone(), LEASE);
        Self::of(ledger, place, config)
    }

    /// Another node over the same ledger, bucket and outside.
    pub(crate) fn beside(&self) -> Self {
        let place = Place {
            clock: self.clock.clone(),
            shelf: Arc::clone(&self.shelf),
            doors: Arc::clone(&self.doors),
        };
        let config = Config::clone(&self.config.borrow().1);
        Self::of(self.ledger.join(&node("two")), place, config)
    }

    fn of(ledger: MemoryLedger, place: Place, config: Config) -> Self {
        let Place {
            clock,
            shelf,
            doors,
        } = place;
        let hands = Arc::new(Hands::new(ledger.clone(), clock.clone()));
        let config = watch::Sender::new((RevisionNumber(1), Arc::new(config)));
        let ports = Ports {
            ledger: Arc::new(ledger.clone()),
            buckets: Arc::new(OneBucket(Arc::clone(&shelf))),
            outside: Arc::clone(&doors) as _,
            sources: Arc::clone(&hands) as _,
            clock: Arc::new(clock.clone()),
            config: config.subscribe(),
            wake: Wake::default(),
        };
        let mut world = Self {
            ledger,
            clock,
            shelf,
            doors,
            hands,
            ports,
            identifiers: TestIdentifiers::new(1),
            config,
            engine: Vec::new(),
        };
        world.restarts();
        world
    }

    /// The process ends where it stands and starts again: only the rows are left.
    pub(crate) fn restarts(&mut self) {
        let ports = || self.ports.clone();
        self.engine = vec![
            Arc::new(RouteReconciler::new(ports())),
            Arc::new(DeliverReconciler::new(ports())),
            Arc::new(TidyReconciler::new(ports())),
            Arc::new(ExpectReconciler::new(ports())),
            Arc::new(AlertReconciler::new(ports())),
            Arc::new(RetainReconciler::new(ports())),
        ];
    }

    pub(crate) fn applies(&self, config: Config) {
        self.config.send_modify(|(revision, running)| {
            revision.0 += 1;
            *running = Arc::new(config);
        });
    }

    /// A file is uploaded, by the account that its folder is named after.
    pub(crate) async fn arrives(&self, path: &str) -> Version {
        self.arrives_with(path, path.as_bytes()).await
    }

    pub(crate) async fn arrives_with(&self, path: &str, bytes: &[u8]) -> Version {
        let operation = self.records(path, bytes).await;
        self.ledger.complete(&operation).await.unwrap();
        operation.version.unwrap()
    }

    /// A file is uploaded whose arrival does not show before its operation is completed.
    pub(crate) async fn records(&self, path: &str, bytes: &[u8]) -> Operation {
        let path = parse(path);
        let account = path.key.as_str().split('/').next().unwrap();
        let now = self.clock.now();
        let version = Version {
            id: self.identifiers.version(now),
            size_bytes: bytes.len() as u64,
            sha256: Sha256Digest([0; 32]),
            identity: "identity".to_owned(),
            staged: None,
            received_at: now,
        };
        let change = NameChange {
            seen: None,
            change: Change::Publish,
            version: Some(version),
            replaces: None,
            keep_aside: false,
            keep_moved: false,
            departs: false,
            arrival: Some(Cause::Upload),
            account: Some(AccountName::parse(account).unwrap()),
            at: now,
            audit: audit(now, Activity::Upload),
            path: path.clone(),
        };
        let operation = self.ledger.record(change).await.unwrap();
        let id = operation.version.as_ref().unwrap().id;
        self.shelf.put(&path.key, id, bytes);
        operation
    }

    /// A file is removed; its bytes are kept aside for its deliveries.
    pub(crate) async fn removes(&self, path: &str, version: &Version) {
        self.hands.removes(&parse(path), version).await.unwrap();
    }

    /// A file gets another name; under the old one its bytes are kept for deliveries.
    pub(crate) async fn renames(&self, path: &str, to: &ObjectKey, version: &Version) {
        self.hands.renames(&parse(path), version, to).await.unwrap();
    }

    /// An upload breaks off.
    pub(crate) async fn breaks_off(&self, path: &str) -> Partial {
        let path = parse(path);
        let now = self.clock.now();
        let version = self.identifiers.version(now);
        let partial = Partial {
            version,
            account: AccountName::parse("north").unwrap(),
            path,
            parked: Parked {
                token: StagedToken(version.to_string()),
                size_bytes: 1000,
                state: None,
            },
            lost_at: now,
        };
        let audit = audit(now, Activity::PartialClose);
        self.ledger.park(partial.clone(), audit).await.unwrap();
        partial
    }

    /// Runs the engine until it has nothing more to do now; a pass that fails fails the test.
    pub(crate) async fn settles(&self) {
        self.try_settle().await.unwrap();
    }

    /// Like `settles`; the first error of a pass ends it.
    pub(crate) async fn try_settle(&self) -> Result<()> {
        let changes = self.ledger.changes();
        for _ in 0..TURNS_MAX {
            let before = *changes.borrow();
            let mut has_progressed = false;
            for reconciler in &self.engine {
                has_progressed |= reconciler.pass().await?.has_progressed;
                reconciler.drain().await;
            }
            // An attempt of an earlier pass may have ended in this one.
            if !has_progressed && *changes.borrow() == before {
                return Ok(());
            }
        }
        panic!("the engine never comes to rest");
    }

    /// Runs the engine, without waiting for attempts to end, until `is_so`.
    pub(crate) async fn runs_until(&self, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..TURNS_MAX {
            for reconciler in &self.engine {
                reconciler.pass().await.unwrap();
                tokio::task::yield_now().await;
            }
            if is_so(self) {
                return;
            }
        }
        panic!("it never is so");
    }

    /// One pass of one reconciler.
    pub(crate) async fn pass(&self, name: &str) -> Result<qm_engine::Pass, Error> {
        self.reconciler(name).pass().await
    }

    pub(crate) fn reconciler(&self, name: &str) -> Arc<dyn Reconciler> {
        let named = self.engine.iter().find(|r| r.name() == name);
        Arc::clone(named.unwrap())
    }

    /// Time passes, then the engine settles.
    pub(crate) async fn after_minutes(&self, minutes: i64) {
        self.clock.advance(SignedDuration::from_mins(minutes));
        self.settles().await;
    }

    /// It becomes this time, then the engine settles.
    pub(crate) async fn it_is(&self, now: &str) {
        self.clock.set(now.parse().unwrap());
        self.settles().await;
    }

    pub(crate) fn destination(&self, name: &str) -> Arc<FakeDestination> {
        self.doors.destination(name)
    }

    pub(crate) fn notifier(&self, name: &str) -> Arc<RecordingNotifier> {
        self.doors.notifier(name)
    }

    /// An operator redrives every dead letter.
    pub(crate) async fn redrives(&self) -> usize {
        let now = self.clock.now();
        let all = DeliveryFilter::default();
        let redriven = self.ledger.redrive(all, audit(now, Activity::Redrive), now);
        redriven.await.unwrap().len()
    }
}

pub(crate) fn parse(path: &str) -> ObjectPath {
    let (bucket, key) = path.split_once('/').unwrap();
    ObjectPath {
        bucket: BucketName::parse(bucket).unwrap(),
        key: ObjectKey::parse(key).unwrap(),
    }
}

pub(crate) fn node(name: &str) -> NodeName {
    NodeName::parse(name).unwrap()
}

pub(crate) fn audit(at: Timestamp, activity: Activity) -> AuditRecord {
    AuditRecord {
        at,
        actor: "test".to_owned(),
        source: None,
        activity,
        subject: "test".to_owned(),
        decision: Decision::Allowed,
    }
}
