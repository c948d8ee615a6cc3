//! What ledgers are filled with in tests: one bucket, one account, times in minutes after noon.
//! Everything panics where a test would have to unwrap.

use jiff::{SignedDuration, Timestamp};
use qm_core::alert::{NewAlert, Text};
use qm_core::arrival::{Arrival, Cause};
use qm_core::audit::{Activity, AuditRecord, Decision};
use qm_core::delivery::{Delivery, DeliveryState, NewDelivery, Transition};
use qm_core::id::{
    AccountName, ArrivalSeq, BucketName, DeliveryId, DestinationName, NodeName, NotifierName,
    RevisionNumber, RouteName, Sha256Digest, VersionId,
};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::{Change, NameChange, Operation, Version};
use qm_core::ports::ledger::{Claim, DeliveryFilter, Ledger, Retention};
use std::collections::BTreeMap;
use std::time::Duration;

/// Of every delivery in the cases.
pub const REVISION: RevisionNumber = RevisionNumber(7);

/// 2026-11-20 12:00 UTC and some minutes.
pub fn minute(minutes: i64) -> Timestamp {
    const NOON: &str = "2026-11-20T12:00:00Z";
    let noon: Timestamp = NOON.parse().expect("a valid timestamp");
    noon + SignedDuration::from_mins(minutes)
}

/// The bucket of every path.
pub fn bucket() -> BucketName {
    BucketName::parse("landing").expect("a valid name")
}

/// A key.
pub fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).expect("a valid key")
}

/// A key in the bucket.
pub fn path(text: &str) -> ObjectPath {
    ObjectPath {
        bucket: bucket(),
        key: key(text),
    }
}

/// An account.
pub fn account(text: &str) -> AccountName {
    AccountName::parse(text).expect("a valid name")
}

/// A route.
pub fn route(text: &str) -> RouteName {
    RouteName::parse(text).expect("a valid name")
}

/// A destination.
pub fn destination(text: &str) -> DestinationName {
    DestinationName::parse(text).expect("a valid name")
}

/// The node that every ledger is opened as, unless several share it.
pub fn node() -> NodeName {
    NodeName::parse("node").expect("a valid name")
}

/// A notifier.
pub fn notifier(text: &str) -> NotifierName {
    NotifierName::parse(text).expect("a valid name")
}

/// Version number `number`, with bytes of its own.
pub fn version(number: u8) -> Version {
    Version {
        id: VersionId::from_parts(1_763_640_000_000, u128::from(number)),
        size_bytes: 1_000 + u64::from(number),
        sha256: Sha256Digest([number; 32]),
        identity: format!("64768:{number}"),
        staged: None,
        received_at: minute(0),
    }
}

/// An allowed upload by `north`.
pub fn audit(subject: &str) -> AuditRecord {
    AuditRecord {
        at: minute(0),
        actor: "north".to_owned(),
        source: Some([203, 0, 113, 9].into()),
        activity: Activity::Upload,
        subject: subject.to_owned(),
        decision: Decision::Allowed,
    }
}

/// An upload by account `north`, at noon.
pub fn publish(name: &str, number: u8) -> NameChange {
    NameChange {
        path: path(name),
        seen: None,
        change: Change::Publish,
        version: Some(version(number)),
        replaces: None,
        keep_aside: false,
        keep_moved: false,
        departs: false,
        arrival: Some(Cause::Upload),
        account: Some(account("north")),
        at: minute(0),
        audit: audit(name),
    }
}

/// A publication over `replaced`, which is kept aside.
pub fn replace(name: &str, number: u8, replaced: u8) -> NameChange {
    NameChange {
        replaces: Some(version(replaced).id),
        keep_aside: true,
        ..publish(name, number)
    }
}

/// A version gets another name, as an operator would give it one: no arrival.
pub fn rename(from: &str, to: &str, number: u8) -> NameChange {
    NameChange {
        change: Change::Rename { to: key(to) },
        arrival: None,
        ..publish(from, number)
    }
}

/// Records and completes.
pub async fn run(ledger: &dyn Ledger, change: NameChange) -> Operation {
    let operation = ledger.record(change).await.expect("recorded");
    ledger.complete(&operation).await.expect("completed");
    operation
}

/// An upload, there and not routed.
pub async fn arrive(ledger: &dyn Ledger, name: &str, number: u8) -> Arrival {
    run(ledger, publish(name, number)).await;
    newest(ledger).await
}

/// Routes all that waits to no destination.
pub async fn route_nowhere(ledger: &dyn Ledger) {
    for arrival in ledger.unrouted(u32::MAX).await.expect("listed") {
        let routed = ledger.route(arrival.seq, vec![], REVISION, minute(0));
        assert_eq!(routed.await.expect("routed"), 0);
    }
}

/// The retention of the bucket of every path.
pub fn keeps(versions: u32, age: Option<Duration>) -> BTreeMap<BucketName, Retention> {
    BTreeMap::from([(bucket(), Retention { versions, age })])
}

/// The last arrival recorded.
pub async fn newest(ledger: &dyn Ledger) -> Arrival {
    let mut latest = ledger.latest(1).await.expect("listed");
    latest.pop().expect("an arrival")
}

/// The arrival of that number.
pub async fn arrival(ledger: &dyn Ledger, seq: ArrivalSeq) -> Arrival {
    let all = ledger.latest(1_000).await.expect("listed");
    all.into_iter().find(|a| a.seq == seq).expect("recorded")
}

/// What route `by` asks for: to destination `to` under the name `target`.
pub fn new_delivery(arrival: &Arrival, by: &str, to: &str, target: &str) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::derive(arrival.version.id, &route(by), &destination(to)),
        route: route(by),
        destination: destination(to),
        target: target.to_owned(),
        has_after: false,
        is_independent: false,
        adds: false,
    }
}

/// Routes the arrival to `share` by route `products` at noon.
pub async fn deliver(ledger: &dyn Ledger, arrival: &Arrival, target: &str) -> DeliveryId {
    deliver_by(ledger, arrival, "products", "share", target).await
}

/// Routes the arrival by one route to one destination at noon.
pub async fn deliver_by(
    ledger: &dyn Ledger,
    arrival: &Arrival,
    by: &str,
    to: &str,
    target: &str,
) -> DeliveryId {
    deliver_new(ledger, arrival, new_delivery(arrival, by, to, target)).await
}

/// Routes the arrival to this one at noon.
pub async fn deliver_new(ledger: &dyn Ledger, arrival: &Arrival, new: NewDelivery) -> DeliveryId {
    let id = new.id;
    let created = ledger
        .route(arrival.seq, vec![new], REVISION, minute(0))
        .await;
    assert_eq!(created.expect("routed"), 1);
    id
}

/// Uploads and routes to a target of the same name.
pub async fn upload_and_deliver(ledger: &dyn Ledger, name: &str, number: u8) -> DeliveryId {
    let arrival = arrive(ledger, name, number).await;
    deliver(ledger, &arrival, name).await
}

/// Claims for `share` at the minute.
pub async fn claim(ledger: &dyn Ledger, at: i64, limit: u32) -> Vec<Delivery> {
    claim_to(ledger, "share", at, limit).await
}

/// Claims for a destination at the minute.
pub async fn claim_to(ledger: &dyn Ledger, to: &str, at: i64, limit: u32) -> Vec<Delivery> {
    let claim = Claim {
        destination: destination(to),
        limit,
        now: minute(at),
    };
    ledger.claim(claim).await.expect("claimed")
}

/// Their ids.
pub fn ids(deliveries: &[Delivery]) -> Vec<DeliveryId> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}

/// The delivery of that id.
pub async fn delivery(ledger: &dyn Ledger, id: DeliveryId) -> Delivery {
    let filter = DeliveryFilter {
        id: Some(id),
        ..DeliveryFilter::default()
    };
    let mut found = ledger.deliveries(filter).await.expect("listed");
    assert_eq!(found.len(), 1);
    found.pop().expect("one")
}

/// Waiting until the minute.
pub fn waiting(minutes: i64) -> DeliveryState {
    DeliveryState::Waiting {
        ready_at: minute(minutes),
    }
}

/// Running on the node.
pub fn running() -> DeliveryState {
    DeliveryState::Running { node: node() }
}

/// The end of an attempt.
pub fn transition(state: DeliveryState, note: &str) -> Transition {
    Transition {
        is_dead_letter: state == DeliveryState::Dead,
        state,
        note: note.to_owned(),
        possible_duplicate: false,
        is_rejected: false,
        is_uncounted: false,
        load: None,
        took: None,
        notice: None,
    }
}

/// Ends the attempt of a claimed delivery at the minute.
pub async fn finish(ledger: &dyn Ledger, claimed: &Delivery, state: DeliveryState, at: i64) {
    ledger
        .finish(claimed, transition(state, "note"), None, minute(at))
        .await
        .expect("finished");
}

/// Claims the next one and ends its attempt.
pub async fn claim_and_finish(ledger: &dyn Ledger, state: DeliveryState) -> DeliveryId {
    let claimed = claim(ledger, 0, 1).await;
    assert_eq!(claimed.len(), 1);
    finish(ledger, &claimed[0], state, 0).await;
    claimed[0].id
}

/// A message.
pub fn text(subject: &str) -> Text {
    Text {
        subject: subject.to_owned(),
        body: format!("{subject}, in full"),
    }
}

/// Tells notifiers `sre` and `desk` at noon.
pub fn alert(key: &str) -> NewAlert {
    NewAlert {
        key: key.to_owned(),
        text: text(key),
        notifiers: vec![notifier("sre"), notifier("desk")],
        at: minute(0),
    }
}

/// Numbers that look random and are the same in every run (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Every seed is another sequence.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
