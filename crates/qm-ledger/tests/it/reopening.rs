//! What was answered is there after a restart.

use qm_core::arrival::Partial;
use qm_core::delivery::{DeliveryState, NewDelivery, Transition};
use qm_core::operation::{NameChange, StagedToken, Version};
use qm_core::ports::bucket::{Attributes, Parked};
use qm_core::ports::ledger::{
    AddedKey, Audit as _, Deliveries as _, DeliveryFilter, Ledger, NodeReport, RawEvent,
};
use qm_testkit::ledger::sample::{
    account, alert, arrive, audit, bucket, claim, claim_to, deliver_new, finish, ids, keeps,
    minute, new_delivery, node, path, publish, replace, route_nowhere, run, transition,
    upload_and_deliver, version,
};
use std::fmt::Debug;

use crate::support::open;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG+jV8w42MJp9/APBNAYrK3SKHaGK9JDOINy6bLskez2 ops";

/// A dead letter that something is to be done for.
async fn reject(ledger: &dyn Ledger) {
    let there = arrive(ledger, "rejected", 9).await;
    let rejected = deliver_new(
        ledger,
        &there,
        NewDelivery {
            has_after: true,
            is_independent: true,
            ..new_delivery(&there, "products", "archive", "rejected")
        },
    )
    .await;
    let running = claim_to(ledger, "archive", 0, 1).await.remove(0);
    assert_eq!(running.id, rejected);
    let ended = Transition {
        possible_duplicate: true,
        is_rejected: true,
        ..transition(DeliveryState::Dead, "rejected")
    };
    let ended = ledger.finish(&running, ended, None, minute(1));
    ended.await.unwrap();
}

async fn fill(ledger: &dyn Ledger) {
    let first = upload_and_deliver(ledger, "a", 1).await;
    upload_and_deliver(ledger, "b", 2).await;
    let claimed = claim(ledger, 0, 2).await;
    finish(ledger, &claimed[0], DeliveryState::Dead, 1).await;
    reject(ledger).await;
    let again = NameChange {
        replaces: Some(version(1).id),
        keep_aside: true,
        ..publish("a", 3)
    };
    run(ledger, again).await;
    run(ledger, publish("kept", 6)).await;
    run(ledger, replace("kept", 7, 6)).await;
    let hidden = NameChange {
        version: Some(Version {
            staged: Some(StagedToken("upload".to_owned())),
            ..version(8)
        }),
        arrival: None,
        ..publish("hidden.part", 8)
    };
    run(ledger, hidden).await;
    route_nowhere(ledger).await;
    ledger.record(publish("pending", 4)).await.unwrap();
    let event = RawEvent {
        bucket: bucket(),
        id: "event".to_owned(),
        body: "body".to_owned(),
        received_at: minute(1),
    };
    assert_eq!(ledger.receive(vec![event]).await.unwrap(), 1);
    let attributes = Attributes {
        modified: Some(minute(1)),
        mode: Some(0o600),
    };
    let name = path("a");
    let set = ledger.set_name_attributes(&name, "identity", attributes);
    set.await.unwrap();
    let partial = Partial {
        version: version(5).id,
        account: account("north"),
        path: path("partial"),
        parked: Parked {
            token: StagedToken("token".to_owned()),
            size_bytes: 5,
            state: Some("state".to_owned()),
        },
        lost_at: minute(5),
    };
    ledger.park(partial, audit("lost")).await.unwrap();
    assert!(ledger.raise(alert("late")).await.unwrap());
    let applied = ledger.apply("config".to_owned(), audit("apply"), minute(0));
    let applied = applied.await.unwrap();
    let taken_up = ledger.taken_up(applied.number, Some("no".to_owned()), minute(1));
    taken_up.await.unwrap();
    let key = AddedKey {
        account: account("north"),
        key: qm_core::account::SshPublicKey::parse(KEY).unwrap(),
        added_at: minute(0),
    };
    assert!(ledger.add_key(key, audit("key")).await.unwrap());
    let report = NodeReport {
        node: node(),
        sftp_address: "127.0.0.1:2022".parse().unwrap(),
        fingerprints: vec![],
        process: 1,
        version: "0".to_owned(),
        started_at: minute(0),
        alive_at: None,
    };
    ledger.report(report).await.unwrap();
    assert_eq!(ledger.attempts(first).await.unwrap().len(), 1);
}

fn say(what: &mut Vec<String>, found: &impl Debug) {
    what.push(format!("{found:#?}"));
}

/// All that can be asked, as text.
async fn everything(ledger: &dyn Ledger) -> Vec<String> {
    let mut all = Vec::new();
    say(&mut all, &ledger.pending().await.unwrap());
    say(&mut all, &ledger.current(&path("a")).await.unwrap());
    say(&mut all, &ledger.hidden().await.unwrap());
    say(&mut all, &ledger.kept(&path("a")).await.unwrap());
    let releasable = ledger.releasable(&keeps(0, None), minute(9)).await;
    say(&mut all, &releasable.unwrap());
    say(&mut all, &ledger.name_attributes(&path("a")).await.unwrap());
    say(&mut all, &ledger.events(9, None).await.unwrap());
    say(&mut all, &ledger.partials().await.unwrap());
    say(&mut all, &ledger.latest(99).await.unwrap());
    say(&mut all, &ledger.unrouted(99).await.unwrap());
    let deliveries = ledger.deliveries(DeliveryFilter::default()).await.unwrap();
    for delivery in &deliveries {
        say(&mut all, &ledger.attempts(delivery.id).await.unwrap());
    }
    say(&mut all, &deliveries);
    say(&mut all, &ledger.finished(99).await.unwrap());
    say(&mut all, &ledger.alerts(99).await.unwrap());
    say(&mut all, &ledger.notifications(99).await.unwrap());
    say(&mut all, &ledger.slots(99).await.unwrap());
    say(&mut all, &ledger.audit(99).await.unwrap());
    say(&mut all, &ledger.revision().await.unwrap());
    say(&mut all, &ledger.keys().await.unwrap());
    say(&mut all, &ledger.nodes().await.unwrap());
    all
}

#[tokio::test]
async fn a_restart_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let ledger = open(&file);
    fill(&ledger).await;
    let before = everything(&ledger).await;
    drop(ledger);
    assert_eq!(everything(&open(&file)).await, before);
}

/// Whatever ran when the node stopped is the next run's, for its lease is never over: nobody says
/// that it is gone.
#[tokio::test]
async fn a_restart_takes_over_what_ran() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let ledger = open(&file);
    upload_and_deliver(&ledger, "a", 1).await;
    let lost = claim(&ledger, 0, 1).await;
    drop(ledger);
    let ledger = open(&file);
    let taken = ledger.interrupted(&[], minute(1)).await.unwrap();
    assert_eq!(ids(&taken), ids(&lost));
    assert!(taken[0].fence > lost[0].fence);
    let again = ledger.interrupted(&ids(&taken), minute(2)).await.unwrap();
    assert!(again.is_empty());
    finish(&ledger, &taken[0], DeliveryState::Delivered, 3).await;
}

/// A seq is never given twice, even if the last row of it is gone.
#[tokio::test]
async fn numbers_go_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let mut last = 0;
    for _ in 0..3 {
        let ledger = open(&file);
        ledger.append(audit("one")).await.unwrap();
        let seq = ledger.audit(1).await.unwrap()[0].0;
        assert!(seq > last);
        last = seq;
    }
}
