//! Arrivals and their outbox.

use qm_core::Kind;
use qm_core::arrival::{Arrival, Cause};
use qm_core::delivery::{Delivery, DeliveryState, Effect};
use qm_core::id::ArrivalSeq;
use qm_core::name::{ObjectPath, Prefix};
use qm_core::operation::NameChange;
use qm_core::ports::ledger::{DeliveryFilter, Ledger};

use crate::ledger::sample::{
    REVISION, alert, arrival, arrive, bucket, claim_and_finish, destination, minute, new_delivery,
    newest, path, publish, rename, route, run, version, waiting,
};

fn seqs(arrivals: &[Arrival]) -> Vec<ArrivalSeq> {
    arrivals.iter().map(|arrival| arrival.seq).collect()
}

/// In seq order, at most as many as asked; the latest are in the other order.
pub async fn the_outbox_is_in_order(ledger: &dyn Ledger) {
    let mut expect = Vec::new();
    let held_up = ledger.record(publish("held-up", 99)).await.unwrap();
    for number in 0..5 {
        expect.push(arrive(ledger, &format!("file-{number}"), number).await.seq);
    }
    assert!(expect.is_sorted_by(|one, next| one < next));
    assert_eq!(seqs(&ledger.unrouted(9).await.unwrap()), expect);
    assert_eq!(seqs(&ledger.unrouted(2).await.unwrap()), expect[..2]);
    let newest_first: Vec<ArrivalSeq> = expect.iter().rev().copied().collect();
    assert_eq!(seqs(&ledger.latest(5).await.unwrap()), newest_first);
    assert_eq!(ledger.latest(99).await.unwrap().len(), 6);
    // Completed last, it still stands where it was recorded.
    ledger.complete(&held_up).await.unwrap();
    let first = ledger.unrouted(1).await.unwrap().remove(0);
    assert_eq!(first.path, path("held-up"));
    assert!(first.seq < expect[0]);
}

/// Deliveries wait from the time given; the arrival leaves the outbox and knows their number.
pub async fn routing_creates_deliveries_once(ledger: &dyn Ledger) {
    let upload = NameChange {
        at: minute(2),
        ..publish("north/a.csv", 1)
    };
    run(ledger, upload).await;
    let there = newest(ledger).await;
    assert_eq!(there.at, minute(2));
    let new = vec![
        new_delivery(&there, "products", "share", "a.csv"),
        new_delivery(&there, "products", "archive", "2026/a.csv"),
        new_delivery(&there, "copy", "share", "copy/a.csv"),
    ];
    let routed = ledger.route(there.seq, new.clone(), REVISION, minute(3));
    assert_eq!(routed.await.unwrap(), 3);
    assert!(ledger.unrouted(9).await.unwrap().is_empty());
    assert_eq!(newest(ledger).await.deliveries, Some(3));
    let found = ledger.deliveries(DeliveryFilter::default()).await.unwrap();
    let expect: Vec<Delivery> = new
        .iter()
        .rev()
        .map(|new| Delivery {
            id: new.id,
            arrival: there.seq,
            source: there.path.clone(),
            version: there.version.clone(),
            route: new.route.clone(),
            destination: new.destination.clone(),
            target: new.target.clone(),
            effect: Effect::Put,
            state: waiting(3),
            attempts: 0,
            possible_duplicate: false,
            fence: 0,
            last_error: None,
            revision: REVISION,
            arrived_at: there.at,
            created_at: minute(3),
            updated_at: minute(3),
        })
        .collect();
    assert_eq!(found, expect);
    // Routed again, by whatever routes, it stays as it was.
    let other = vec![new_delivery(&there, "late", "share", "late.csv")];
    for again in [new, other] {
        let routed = ledger.route(there.seq, again, REVISION, minute(4));
        assert_eq!(routed.await.unwrap(), 0);
    }
    let found = ledger.deliveries(DeliveryFilter::default()).await.unwrap();
    assert_eq!(found, expect);
    assert_eq!(newest(ledger).await.deliveries, Some(3));

    let nowhere = arrive(ledger, "b.csv", 2).await;
    let routed = ledger.route(nowhere.seq, vec![], REVISION, minute(4));
    assert_eq!(routed.await.unwrap(), 0);
    assert!(ledger.unrouted(9).await.unwrap().is_empty());
    assert_eq!(newest(ledger).await.deliveries, Some(0));
}

/// A version that arrives again under another name fires only routes that it has not fired.
pub async fn a_route_fires_once_a_version(ledger: &dyn Ledger) {
    let first = arrive(ledger, "a", 1).await;
    let new = vec![new_delivery(&first, "products", "share", "a")];
    let routed = ledger.route(first.seq, new, REVISION, minute(0));
    assert_eq!(routed.await.unwrap(), 1);
    claim_and_finish(ledger, DeliveryState::Delivered).await;
    let moved = NameChange {
        arrival: Some(Cause::Rename),
        ..rename("a", "b", 1)
    };
    run(ledger, moved).await;
    let second = newest(ledger).await;
    assert!(second.seq > first.seq);
    let new = vec![
        new_delivery(&second, "products", "share", "b"),
        new_delivery(&second, "products", "archive", "b"),
        new_delivery(&second, "copy", "share", "copy/b"),
        new_delivery(&second, "copy", "archive", "copy/b"),
    ];
    let routed = ledger.route(second.seq, new, REVISION, minute(0));
    assert_eq!(routed.await.unwrap(), 2);
    assert_eq!(arrival(ledger, second.seq).await.deliveries, Some(2));
    let found = ledger.deliveries(DeliveryFilter::default()).await.unwrap();
    let by_copy: Vec<bool> = found.iter().map(|d| d.route == route("copy")).collect();
    assert_eq!(by_copy, [true, true, false]);
    assert_eq!(found[0].source, path("b"));
    assert_eq!(found[2].destination, destination("share"));
    assert_eq!(found[2].state, DeliveryState::Delivered);

    let other_version = arrive(ledger, "a", 2).await;
    let new = vec![new_delivery(&other_version, "products", "share", "a")];
    let routed = ledger.route(other_version.seq, new, REVISION, minute(0));
    assert_eq!(routed.await.unwrap(), 1);
}

/// Neither what still appears, nor what failed, nor what is unknown.
pub async fn only_what_is_there_is_routed(ledger: &dyn Ledger) {
    let operation = ledger.record(publish("a", 1)).await.unwrap();
    let appearing = newest(ledger).await;
    let new = || vec![new_delivery(&appearing, "products", "share", "a")];
    let refused = ledger.route(appearing.seq, new(), REVISION, minute(0));
    assert_eq!(refused.await.unwrap_err().kind(), Kind::Conflict);
    ledger
        .fail(&operation, "no", alert("failed"))
        .await
        .unwrap();
    let refused = ledger.route(appearing.seq, new(), REVISION, minute(0));
    assert_eq!(refused.await.unwrap_err().kind(), Kind::Conflict);
    let unknown = ArrivalSeq(appearing.seq.0 + 1);
    let refused = ledger.route(unknown, new(), REVISION, minute(0));
    assert_eq!(refused.await.unwrap_err().kind(), Kind::NotFound);
    let found = ledger.deliveries(DeliveryFilter::default()).await.unwrap();
    assert!(found.is_empty());
}

async fn found_between(ledger: &dyn Ledger, below: &str, from: i64, until: i64) -> Vec<String> {
    let below = Prefix::parse(below).unwrap();
    let found = ledger
        .between(&bucket(), &below, minute(from), minute(until), None, 99)
        .await
        .unwrap();
    assert!(found.is_sorted_by(|one, next| one.seq < next.seq));
    found.into_iter().map(|a| a.path.key.to_string()).collect()
}

/// Bounds included, folders by component, only what has arrived.
pub async fn arrivals_of_a_time_and_folder(ledger: &dyn Ledger) {
    let uploads = [
        ("agent1/a", 10),
        ("agent10/b", 10),
        ("agent1/deep/er/c", 20),
        ("agent1", 20),
        // The clock went back.
        ("agent1/d", 15),
        ("\u{10ffff}/e", 30),
    ];
    for (number, (name, at)) in (1..).zip(uploads) {
        let change = NameChange {
            at: minute(at),
            ..publish(name, number)
        };
        run(ledger, change).await;
    }
    let other_bucket = NameChange {
        path: ObjectPath {
            bucket: qm_core::id::BucketName::parse("elsewhere").unwrap(),
            key: path("agent1/f").key,
        },
        at: minute(10),
        ..publish("x", 20)
    };
    run(ledger, other_bucket).await;
    let appearing = NameChange {
        at: minute(10),
        ..publish("agent1/g", 21)
    };
    ledger.record(appearing).await.unwrap();
    let table: [(&str, i64, i64, &[&str]); 8] = [
        (
            "agent1",
            0,
            60,
            &["agent1/a", "agent1/deep/er/c", "agent1/d"],
        ),
        ("agent1", 10, 10, &["agent1/a"]),
        ("agent1", 11, 20, &["agent1/deep/er/c", "agent1/d"]),
        ("agent1", 11, 19, &["agent1/d"]),
        ("agent1", 21, 60, &[]),
        ("agent1/deep", 0, 60, &["agent1/deep/er/c"]),
        ("agent", 0, 60, &[]),
        (
            "",
            0,
            60,
            &[
                "agent1/a",
                "agent10/b",
                "agent1/deep/er/c",
                "agent1",
                "agent1/d",
                "\u{10ffff}/e",
            ],
        ),
    ];
    for (below, from, until, expect) in table {
        let found = found_between(ledger, below, from, until).await;
        assert_eq!(found, expect, "{below} from {from} until {until}");
    }
}

/// Page by page, after the last seen.
pub async fn arrivals_of_a_time_are_paged(ledger: &dyn Ledger) {
    let mut expect = Vec::new();
    for number in 0..7 {
        expect.push(arrive(ledger, &format!("in/{number}"), number).await.seq);
    }
    assert_eq!(newest(ledger).await.version, version(6));
    let below = Prefix::parse("in").unwrap();
    let mut found: Vec<ArrivalSeq> = Vec::new();
    let mut pages = Vec::new();
    loop {
        let page = ledger
            .between(
                &bucket(),
                &below,
                minute(0),
                minute(0),
                found.last().copied(),
                3,
            )
            .await
            .unwrap();
        pages.push(page.len());
        if page.is_empty() {
            break;
        }
        found.extend(seqs(&page));
    }
    assert_eq!(found, expect);
    assert_eq!(pages, [3, 3, 1, 0]);
}
