//! Files that others put into a bucket arrive once each, whatever is told of them.

mod cases;
mod stock;

use jiff::SignedDuration;
use qm_core::alert::AlertState;
use qm_core::audit::{Activity, AuditRecord, Decision};
use qm_core::config::{AwsAccess, BucketPlace, Config, S3Encryption, S3Place};
use qm_core::id::{BucketName, RevisionNumber};
use qm_core::name::Prefix;
use qm_core::ports::bucket::{Bucket, Buckets};
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::{Alerts as _, Arrivals as _, EventState, Inbox as _, RawEvent};
use qm_engine::{NoticeReconciler, Ports, Reconciler as _, Running, Wake};
use qm_testkit::{MemoryLedger, TestClock, TestIdentifiers};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

use crate::doors::Doors;
use crate::hands::Hands;
use crate::settings::{bucket, config};
use stock::Stock;

struct Notices {
    ledger: MemoryLedger,
    clock: TestClock,
    stock: Arc<Stock>,
    ports: Ports,
    identifiers: TestIdentifiers,
    /// Kept, or the engine is asked to stop.
    _config: watch::Sender<Running>,
}

struct Only(Arc<Stock>);

impl Buckets for Only {
    fn get(&self, _: &BucketName) -> Option<Arc<dyn Bucket>> {
        Some(Arc::clone(&self.0) as _)
    }
}

impl Notices {
    fn of_directory() -> Self {
        Self::new(config())
    }

    fn of_store(prefix: &str) -> Self {
        let mut config = config();
        let place = BucketPlace::S3(S3Place {
            bucket: "landing-there".to_owned(),
            prefix: Prefix::parse(prefix).unwrap(),
            access: AwsAccess::default(),
            path_style: false,
            encryption: S3Encryption::BucketDefault,
            checksums: true,
            tags: BTreeMap::new(),
        });
        config.buckets.get_mut(&bucket("landing")).unwrap().place = place;
        Self::new(config)
    }

    fn new(config: Config) -> Self {
        let ledger = MemoryLedger::new();
        let clock = TestClock::at("2026-11-20T12:00:00Z");
        let stock = Arc::new(Stock::default());
        let config = watch::Sender::new((RevisionNumber(1), Arc::new(config)));
        let ports = Ports {
            ledger: Arc::new(ledger.clone()),
            buckets: Arc::new(Only(Arc::clone(&stock))),
            outside: Arc::new(Doors::default()),
            sources: Arc::new(Hands::new(ledger.clone(), clock.clone())),
            clock: Arc::new(clock.clone()),
            config: config.subscribe(),
            wake: Wake::default(),
        };
        Self {
            ledger,
            clock,
            stock,
            ports,
            identifiers: TestIdentifiers::new(1),
            _config: config,
        }
    }

    /// The store, or a watch, says so.
    async fn is_told(&self, id: &str, body: &Value) {
        self.is_told_text(id, body.to_string()).await;
    }

    async fn is_told_text(&self, id: &str, body: String) {
        let event = RawEvent {
            bucket: bucket("landing"),
            id: id.to_owned(),
            body,
            received_at: self.clock.now(),
        };
        self.ledger.receive(vec![event]).await.unwrap();
    }

    fn reconciler(&self) -> NoticeReconciler {
        NoticeReconciler::new(self.ports.clone(), Arc::new(self.identifiers.clone()))
    }

    /// Everything that is due is read.
    async fn reads(&self) {
        let reconciler = self.reconciler();
        loop {
            reconciler.pass().await.unwrap();
            reconciler.drain().await;
            let now = self.clock.now();
            if self.ledger.due_events(now, 1).await.unwrap().is_empty() {
                return;
            }
        }
    }

    async fn reads_after(&self, minutes: i64) {
        self.clock.advance(SignedDuration::from_mins(minutes));
        self.reads().await;
    }

    /// Everything that arrived, oldest first.
    async fn arrived(&self) -> Vec<qm_core::arrival::Arrival> {
        let mut arrived = self.ledger.latest(u32::MAX).await.unwrap();
        arrived.reverse();
        arrived
    }

    async fn keys(&self) -> Vec<String> {
        let arrived = self.arrived().await;
        arrived.iter().map(|a| a.path.key.to_string()).collect()
    }

    /// The state of the newest event.
    async fn state(&self) -> EventState {
        let events = self.ledger.events(1, None).await.unwrap();
        events.into_iter().next().unwrap().state
    }

    #[track_caller]
    fn check_note(state: &EventState, part: &str) {
        let EventState::Done(note) = state else {
            panic!("not done: {state:?}")
        };
        assert!(note.contains(part), "{note}");
    }

    async fn firing(&self) -> usize {
        let alerts = self.ledger.alerts(u32::MAX).await.unwrap();
        let firing = |state: AlertState| match state {
            AlertState::Firing => true,
            AlertState::Resolved => false,
        };
        alerts.iter().filter(|alert| firing(alert.state)).count()
    }

    async fn redrives(&self) {
        let now = self.clock.now();
        let redriven = self.ledger.redrive_events(None, audit(self), now).await;
        assert_eq!(redriven.unwrap(), 1);
        self.reads().await;
    }
}

fn audit(notices: &Notices) -> AuditRecord {
    AuditRecord {
        at: notices.clock.now(),
        actor: "test".to_owned(),
        source: None,
        activity: Activity::Redrive,
        subject: "test".to_owned(),
        decision: Decision::Allowed,
    }
}

/// A notification of the store with a record for each key, as the store writes keys.
fn put(keys: &[&str]) -> Value {
    let records: Vec<Value> = keys
        .iter()
        .map(|key| {
            json!({
                "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
                "s3": { "bucket": { "name": "landing-there" }, "object": { "key": key, "size": 1 } },
            })
        })
        .collect();
    json!({ "Records": records })
}
