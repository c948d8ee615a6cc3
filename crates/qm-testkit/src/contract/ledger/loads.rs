//! Loads: recorded with the end of their attempt, told of while they run.

use qm_core::Kind;
use qm_core::alert::Notice;
use qm_core::delivery::{DeliveryState, Transition};
use qm_core::id::DeliveryId;
use qm_core::load::{Counts, Load, LoadStatus};
use qm_core::ports::ledger::{
    DeliveryFilter, Ledger, LoadFilter, LoadProgress, LoadState, RecordedLoad, TableCounts,
};
use std::time::Duration;

use crate::ledger::sample::{
    arrive, audit, claim, claim_to, deliver_by, destination, finish, ids, minute, notifier, path,
    route, text, transition, upload_and_deliver, waiting,
};

fn counts(read: u64, rejected: u64) -> Counts {
    Counts {
        read,
        inserted: read - rejected,
        rejected,
        ..Counts::default()
    }
}

fn progress(counts: Counts) -> LoadProgress {
    LoadProgress {
        engine: "SQLite".to_owned(),
        table: "products".to_owned(),
        counts,
    }
}

fn loaded(counts: Counts) -> Transition {
    Transition {
        load: Some(Load {
            engine: "SQLite",
            table: "products".to_owned(),
            counts,
            rejects: (counts.rejected > 0).then(|| path("rejects/1.json")),
        }),
        took: Some(Duration::from_millis(400)),
        notice: Some(Notice {
            key: "load:1".to_owned(),
            text: text("loaded"),
            notifiers: vec![notifier("owner"), notifier("desk"), notifier("owner")],
        }),
        ..transition(DeliveryState::Delivered, "loaded")
    }
}

async fn load_of(ledger: &dyn Ledger, delivery: DeliveryId) -> RecordedLoad {
    let filter = LoadFilter {
        delivery: Some(delivery),
        ..LoadFilter::default()
    };
    let mut found = ledger.loads(filter).await.unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// New state, counts and notice together; a notice is no alert.
pub async fn a_load_ends_with_its_attempt(ledger: &dyn Ledger) {
    let id = upload_and_deliver(ledger, "a.csv", 1).await;
    let claimed = claim(ledger, 1, 1).await.remove(0);
    assert!(
        ledger
            .loads(LoadFilter::default())
            .await
            .unwrap()
            .is_empty()
    );
    let ended = ledger.finish(&claimed, loaded(counts(3, 1)), None, minute(2));
    ended.await.unwrap();
    let expect = RecordedLoad {
        delivery: id,
        source: path("a.csv"),
        route: route("products"),
        destination: destination("share"),
        engine: "SQLite".to_owned(),
        table: "products".to_owned(),
        state: LoadState::Ended(LoadStatus::Partly),
        counts: counts(3, 1),
        rejects: Some(path("rejects/1.json")),
        began_at: minute(1),
        told_at: minute(2),
        ended_at: Some(minute(2)),
    };
    assert_eq!(load_of(ledger, id).await, expect);
    assert!(ledger.alerts(9).await.unwrap().is_empty());
    let due = ledger.due_notifications(minute(2), Duration::from_secs(9), 9);
    let due = due.await.unwrap();
    let told: Vec<_> = due.iter().map(|n| n.notifier.as_str()).collect();
    assert_eq!(told, ["desk", "owner"]);
    for message in &due {
        assert_eq!(
            (message.alert_key.as_str(), &message.text),
            ("load:1", &text("loaded"))
        );
        ledger
            .notified(message.id, None, None, minute(3))
            .await
            .unwrap();
    }
    // An answer that was lost is no second message.
    let again = ledger.finish(&claimed, loaded(counts(3, 1)), None, minute(4));
    assert_eq!(again.await.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(ledger.notifications(9).await.unwrap().len(), 2);
    assert_eq!(load_of(ledger, id).await, expect);
}

/// Whoever lost the delivery has no say; the count goes on over attempts.
pub async fn a_load_tells_how_far_it_is(ledger: &dyn Ledger) {
    let id = upload_and_deliver(ledger, "a.csv", 1).await;
    let first = claim(ledger, 0, 1).await.remove(0);
    let tell = |delivery, rows, at| {
        let told = ledger.load_progress(delivery, progress(counts(rows, 0)), minute(at));
        async move { told.await.map_err(|error| error.kind()) }
    };
    tell(&first, 10, 1).await.unwrap();
    tell(&first, 20, 2).await.unwrap();
    let running = load_of(ledger, id).await;
    assert_eq!(running.state, LoadState::Running);
    assert_eq!(running.counts, counts(20, 0));
    assert_eq!((running.began_at, running.told_at), (minute(0), minute(2)));
    assert_eq!(running.ended_at, None);
    let taken = ledger.interrupted(&[], minute(3)).await.unwrap().remove(0);
    assert_eq!(tell(&first, 30, 3).await, Err(Kind::Conflict));
    tell(&taken, 40, 3).await.unwrap();
    finish(ledger, &taken, waiting(4), 4).await;
    let waits = load_of(ledger, id).await;
    assert_eq!(
        (waits.state, waits.counts),
        (LoadState::Waiting, counts(40, 0))
    );
    assert_eq!(tell(&taken, 50, 4).await, Err(Kind::Conflict));
    let second = claim(ledger, 4, 1).await.remove(0);
    finish(ledger, &second, DeliveryState::Dead, 5).await;
    assert_eq!(load_of(ledger, id).await.state, LoadState::Failed);
    let redriven = ledger.redrive(DeliveryFilter::default(), audit("all"), minute(6));
    assert_eq!(redriven.await.unwrap(), [id]);
    let third = claim(ledger, 6, 1).await.remove(0);
    let ended = ledger.finish(&third, loaded(counts(60, 0)), None, minute(7));
    ended.await.unwrap();
    let ended = load_of(ledger, id).await;
    assert_eq!(ended.state, LoadState::Ended(LoadStatus::Loaded));
    assert_eq!(
        (ended.began_at, ended.ended_at),
        (minute(0), Some(minute(7)))
    );
    let unknown = qm_core::delivery::Delivery {
        id: DeliveryId::derive(third.version.id, &route("unknown"), &destination("unknown")),
        ..third
    };
    assert_eq!(tell(&unknown, 1, 8).await, Err(Kind::NotFound));
}

/// Newest first, by destination and delivery; all rows are counted by destination.
pub async fn loads_are_listed_and_counted(ledger: &dyn Ledger) {
    let mut all = Vec::new();
    for (number, to) in [(1, "share"), (2, "table"), (3, "share")] {
        let name = format!("{number}.csv");
        let arrival = arrive(ledger, &name, number).await;
        all.push(deliver_by(ledger, &arrival, "products", to, &name).await);
        let claimed = claim_to(ledger, to, 0, 1).await.remove(0);
        let rows = loaded(counts(u64::from(number) * 10, 1));
        ledger
            .finish(&claimed, rows, None, minute(1))
            .await
            .unwrap();
    }
    all.reverse();
    let list = |filter| async move {
        let found = ledger.loads(filter).await.unwrap();
        found
            .into_iter()
            .map(|load| load.delivery)
            .collect::<Vec<_>>()
    };
    let any = LoadFilter::default;
    assert_eq!(list(any()).await, all);
    assert_eq!(list(LoadFilter { limit: 2, ..any() }).await, all[..2]);
    let share = LoadFilter {
        destination: Some(destination("share")),
        ..any()
    };
    assert_eq!(list(share.clone()).await, [all[0], all[2]]);
    let newest = LoadFilter {
        limit: 1,
        ..share.clone()
    };
    assert_eq!(list(newest).await, all[..1]);
    let elsewhere = LoadFilter {
        delivery: Some(all[1]),
        ..share
    };
    assert!(list(elsewhere).await.is_empty());
    // One that runs is none of those.
    upload_and_deliver(ledger, "4.csv", 4).await;
    let running = claim(ledger, 2, 1).await.remove(0);
    let told = ledger.load_progress(&running, progress(counts(9, 0)), minute(2));
    told.await.unwrap();
    let expect =
        [("share", 2, 40, 2), ("table", 1, 20, 1)].map(|(to, loads, read, rejected)| TableCounts {
            destination: destination(to),
            loads,
            counts: counts(read, rejected),
        });
    assert_eq!(ledger.load_counts().await.unwrap(), expect);
}

/// Once, and only what has ended; with the record of who did it.
pub async fn a_load_is_undone_once(ledger: &dyn Ledger) {
    let id = upload_and_deliver(ledger, "a.csv", 1).await;
    let undo = || ledger.load_undone(id, audit("undo"), minute(9));
    assert_eq!(undo().await.unwrap_err().kind(), Kind::NotFound);
    let claimed = claim(ledger, 0, 1).await;
    assert_eq!(ids(&claimed), [id]);
    let told = ledger.load_progress(&claimed[0], progress(counts(9, 0)), minute(0));
    told.await.unwrap();
    assert!(!undo().await.unwrap());
    let ended = ledger.finish(&claimed[0], loaded(counts(9, 0)), None, minute(1));
    ended.await.unwrap();
    let audited = ledger.audit(99).await.unwrap().len();
    assert!(undo().await.unwrap());
    assert!(!undo().await.unwrap());
    assert_eq!(load_of(ledger, id).await.state, LoadState::Undone);
    let records = ledger.audit(99).await.unwrap();
    assert_eq!(records.len(), audited + 1);
    assert_eq!(records[0].1, audit("undo"));
}
