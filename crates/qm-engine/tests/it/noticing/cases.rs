use jiff::Timestamp;
use qm_core::arrival::{ArrivalState, Cause};
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::{EventState, Names as _};
use qm_engine::Reconciler as _;
use qm_testkit::ledger::sample;
use serde_json::json;
use std::collections::BTreeMap;

use super::stock::File;
use super::{Notices, put};

const OLD: Timestamp = Timestamp::UNIX_EPOCH;

#[tokio::test]
async fn a_file_of_others_arrives_with_its_digest() {
    let notices = Notices::of_store("root");
    notices.stock.put("my file+1.csv", "etag-1", b"abc", OLD);
    let event = put(&["root/my+file%2B1.csv", "elsewhere/b.csv"]);
    notices.is_told("1", &event).await;
    notices.reads().await;
    let arrived = notices.arrived().await;
    let [arrival] = arrived.as_slice() else {
        panic!("{arrived:?}")
    };
    assert_eq!(arrival.path.to_string(), "landing/my file+1.csv");
    assert_eq!(arrival.cause, Cause::Found);
    assert_eq!(arrival.state, ArrivalState::Arrived);
    assert_eq!(arrival.account, None);
    assert_eq!(arrival.version.size_bytes, 3);
    assert_eq!(arrival.version.identity, "etag-1");
    assert_eq!(
        arrival.version.sha256.to_string(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    Notices::check_note(&notices.state().await, "not in our part");
    // Told again, in another message and shape.
    notices.is_told("2", &event).await;
    let direct = json!({ "Records": [{ "s3": { "object": { "key": "root/my+file%2B1.csv" } } }] });
    notices.is_told("3", &direct).await;
    notices.reads().await;
    assert_eq!(notices.arrived().await.len(), 1);
    Notices::check_note(&notices.state().await, "known");
}

#[tokio::test]
async fn what_is_no_arrival_is_noted() {
    let notices = Notices::of_store("");
    notices.stock.put("a.csv.filepart", "1", b"x", OLD);
    notices.stock.put("empty.flag", "2", b"", OLD);
    for (id, key, note) in [
        ("1", "k/", "folder marker"),
        ("2", "gone.csv", "no longer there"),
        ("3", "a.csv.filepart", "temp name"),
        ("4", ".quaymaster/staging/x", "our own"),
        ("5", "empty.flag", "0 bytes"),
    ] {
        notices.is_told(id, &put(&[key])).await;
        notices.reads().await;
        Notices::check_note(&notices.state().await, note);
    }
    notices
        .is_told("6", &json!({ "Event": "s3:TestEvent" }))
        .await;
    notices.reads().await;
    Notices::check_note(&notices.state().await, "test event");
    assert_eq!(notices.keys().await, ["empty.flag"]);
    assert_eq!(notices.firing().await, 0);
}

#[tokio::test]
async fn a_name_that_breaks_our_rules_is_a_dead_letter_and_hides_no_other() {
    let notices = Notices::of_store("");
    notices.stock.put("good.csv", "1", b"x", OLD);
    notices
        .is_told("1", &put(&["a%5Cb.csv", "good.csv", "100%", "folder//"]))
        .await;
    notices.reads().await;
    let EventState::Dead(reason) = notices.state().await else {
        panic!("not dead")
    };
    assert!(
        ["backslash", "100%", "folder//"]
            .iter()
            .all(|bad| reason.contains(bad)),
        "{reason}"
    );
    assert_eq!(notices.keys().await, ["good.csv"]);
    assert_eq!(notices.firing().await, 1);
    notices.stock.take_opened();
    notices.redrives().await;
    assert!(matches!(notices.state().await, EventState::Dead(_)));
    assert_eq!(
        notices.stock.take_opened(),
        [""; 0],
        "what was done is not done again"
    );
}

#[tokio::test]
async fn a_message_nobody_understands_is_tried_and_then_told() {
    let notices = Notices::of_store("");
    notices.is_told_text("1", "not json".to_owned()).await;
    for minutes in [0, 1, 2] {
        assert!(matches!(notices.state().await, EventState::Waiting(_)));
        notices.reads_after(minutes).await;
    }
    assert!(matches!(notices.state().await, EventState::Dead(_)));
    assert_eq!(notices.firing().await, 1);
}

/// Of a shape that no store writes: as the original says it, after its three attempts.
#[tokio::test]
async fn an_event_of_unknown_shape_is_a_dead_letter() {
    let notices = Notices::of_store("");
    notices
        .is_told_text("1", "{\"key1\":\"value1\"}".to_owned())
        .await;
    for minutes in [0, 1, 2] {
        assert!(matches!(notices.state().await, EventState::Waiting(_)));
        notices.reads_after(minutes).await;
    }
    let EventState::Dead(reason) = notices.state().await else {
        panic!("it is dead");
    };
    assert!(reason.contains("Invalid event source"), "{reason}");
    assert_eq!(notices.firing().await, 1);
}

#[tokio::test]
async fn a_store_that_is_down_is_asked_again_and_redriven() {
    let notices = Notices::of_store("");
    for key in ["a.csv", "b.csv"] {
        notices.stock.put(key, key, b"x", OLD);
    }
    notices.stock.set_down(&["b.csv"]);
    notices.is_told("1", &put(&["b.csv", "a.csv"])).await;
    for minutes in [0, 1, 2] {
        notices.reads_after(minutes).await;
        assert_eq!(notices.keys().await, ["a.csv"]);
    }
    assert!(matches!(notices.state().await, EventState::Dead(_)));
    assert_eq!(notices.firing().await, 1);
    assert_eq!(notices.stock.take_opened(), ["a.csv"]);
    notices.stock.set_down(&[]);
    notices.redrives().await;
    assert_eq!(notices.keys().await, ["a.csv", "b.csv"]);
    assert!(matches!(notices.state().await, EventState::Done(_)));
    assert_eq!(notices.firing().await, 0);
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_arrives_as_it_is_then() {
    let notices = Notices::of_store("");
    notices.stock.put("a.csv", "1", b"half", OLD);
    notices.stock.changes_when_opened(File {
        identity: "2".to_owned(),
        bytes: b"half and half".to_vec(),
        modified: OLD,
        is_sealed: false,
    });
    notices.is_told("1", &put(&["a.csv"])).await;
    notices.reads().await;
    assert!(notices.arrived().await.is_empty());
    notices.reads_after(1).await;
    let arrived = notices.arrived().await;
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].version.size_bytes, 13);
}

#[tokio::test]
async fn the_echo_of_our_own_object_joins_its_arrival() {
    let notices = Notices::of_store("");
    let mut change = sample::publish("a.csv", 1);
    let version = change.version.as_mut().unwrap();
    version.identity = version.id.to_string();
    let identity = version.identity.clone();
    let operation = notices.ledger.record(change).await.unwrap();
    notices.stock.put("a.csv", &identity, b"ours", OLD);
    notices.is_told("1", &put(&["a.csv"])).await;
    notices.reads().await;
    // The object shows before the ledger says so.
    assert!(matches!(notices.state().await, EventState::Waiting(_)));
    notices.ledger.complete(&operation).await.unwrap();
    notices.reads_after(1).await;
    Notices::check_note(&notices.state().await, "known");
    assert_eq!(notices.arrived().await.len(), 1);

    // Somebody copies it, and its mark with it.
    notices.stock.put("copy.csv", &identity, b"ours", OLD);
    for id in ["2", "3"] {
        notices.is_told(id, &put(&["copy.csv"])).await;
        notices.reads().await;
    }
    assert_eq!(notices.keys().await, ["a.csv", "copy.csv"]);
    let [original, copy] = notices.arrived().await.try_into().unwrap();
    assert_ne!(original.version.id, copy.version.id);
}

#[tokio::test]
async fn sealed_bytes_are_never_taken_for_somebody_elses() {
    let notices = Notices::of_directory();
    notices.stock.put("a.csv", "1", b"sealed", OLD);
    notices.stock.seal("a.csv");
    notices.is_told("1", &put(&["a.csv"])).await;
    for minutes in [0, 1, 2] {
        notices.reads_after(minutes).await;
    }
    assert!(matches!(notices.state().await, EventState::Dead(_)));
    assert!(notices.arrived().await.is_empty());
    assert_eq!(notices.stock.take_opened(), [""; 0]);
}

#[tokio::test]
async fn a_file_written_in_place_arrives_again() {
    let notices = Notices::of_directory();
    let report = |id: &str| {
        json!({ "Records": [{
        "eventSource": "quaymaster:watch", "s3": { "object": { "key": id } },
    }] })
    };
    notices.stock.put("a.csv", "inode", b"one", OLD);
    notices.is_told("1", &report("a.csv")).await;
    notices.reads().await;
    // Touched only, then written.
    let now = notices.clock.now();
    for (id, bytes, after, expect) in [
        ("2", b"one", 1, 1),
        ("3", b"two", 2, 2),
        ("4", b"two", 3, 2),
    ] {
        let modified = now + jiff::SignedDuration::from_secs(after);
        notices.stock.put("a.csv", "inode", bytes, modified);
        notices.is_told(id, &report("a.csv")).await;
        notices.reads().await;
        assert_eq!(
            notices.arrived().await.len(),
            expect,
            "{id}: {:?}",
            notices.state().await
        );
    }
}

/// Objects are written over and over; every writing is told several times, late and in any order;
/// the ledger fails and the process dies anywhere.
#[tokio::test]
async fn whatever_is_told_every_object_arrives_once() {
    for seed in 1_u64..=60 {
        let mut random = Random(seed);
        let notices = Notices::of_store("");
        let mut versions = BTreeMap::new();
        let mut messages = Vec::new();
        for number in 0..40_u64 {
            let key = format!("k{}", random.below(8));
            let identity = format!("etag-{number}");
            notices.stock.put(&key, &identity, identity.as_bytes(), OLD);
            versions.insert(key.clone(), identity);
            for _ in 0..=random.below(2) {
                messages.push(key.clone());
            }
            while random.below(3) > 0 && !messages.is_empty() {
                let index = random.below(messages.len() as u64);
                let key = messages.swap_remove(usize::try_from(index).unwrap());
                let id = random.below(1_000_000).to_string();
                notices.is_told(&id, &put(&[&key, "k0"])).await;
            }
            if random.below(3) == 0 {
                notices.ledger.fail_after(Some(random.below(6)));
            }
            let reconciler = notices.reconciler();
            let _ = reconciler.pass().await;
            if random.below(2) == 0 {
                reconciler.drain().await;
            }
            // Otherwise it dies in the middle of it.
            drop(reconciler);
            notices.ledger.fail_after(None);
        }
        for key in messages {
            notices.is_told(&format!("last {key}"), &put(&[&key])).await;
        }
        for minutes in [0, 1, 2] {
            notices.reads_after(minutes).await;
        }
        let arrived = notices.arrived().await;
        let mut identities: Vec<_> = arrived.iter().map(|a| &a.version.identity).collect();
        identities.sort();
        let count = identities.len();
        identities.dedup();
        assert_eq!(
            identities.len(),
            count,
            "seed {seed}: an object arrived twice"
        );
        for (key, identity) in versions {
            let last = arrived
                .iter()
                .rfind(|a| a.path.key.as_str() == key)
                .unwrap();
            assert_eq!(last.version.identity, identity, "seed {seed}: {key}");
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }
}
