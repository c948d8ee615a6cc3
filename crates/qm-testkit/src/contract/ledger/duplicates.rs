//! Which arrival is a duplicate of which.

use jiff::SignedDuration;
use qm_core::id::ArrivalSeq;
use qm_core::operation::{NameChange, Version};
use qm_core::ports::ledger::Ledger;

use crate::ledger::sample::{account, alert, minute, newest, publish, run, version};

const DAY: i64 = 24 * 60;

/// An upload of `digest`'s bytes as a version of its own.
fn upload(name: &str, number: u8, digest: u8) -> NameChange {
    NameChange {
        version: Some(Version {
            sha256: version(digest).sha256,
            ..version(number)
        }),
        ..publish(name, number)
    }
}

async fn check(ledger: &dyn Ledger, change: NameChange, expect: Option<ArrivalSeq>) -> ArrivalSeq {
    let words = format!("{change:?}");
    run(ledger, change).await;
    let arrival = newest(ledger).await;
    assert_eq!(arrival.duplicate_of, expect, "{words}");
    arrival.seq
}

/// Same account, path and digest; the last such arrival is named.
pub async fn the_same_again_within_a_day(ledger: &dyn Ledger) {
    let by = |name: &str, change: NameChange| NameChange {
        account: Some(account(name)),
        ..change
    };
    let at = |minutes: i64, change: NameChange| NameChange {
        at: minute(minutes),
        ..change
    };
    let first = check(ledger, upload("a", 1, 1), None).await;
    check(ledger, upload("b", 2, 1), None).await;
    check(ledger, upload("a", 3, 3), None).await;
    check(ledger, by("south", upload("a", 4, 1)), None).await;
    let nobody = NameChange {
        account: None,
        ..upload("a", 5, 1)
    };
    check(ledger, nobody.clone(), None).await;
    check(ledger, nobody, None).await;
    let second = check(ledger, at(60, upload("a", 6, 1)), Some(first)).await;
    let third = check(ledger, at(DAY + 60, upload("a", 7, 1)), Some(second)).await;
    let mut later = at(2 * DAY + 60, upload("a", 8, 1));
    later.at += SignedDuration::from_micros(1);
    check(ledger, later, None).await;
    assert!(first < second && second < third);
}

/// What never appeared is not there to be duplicated.
pub async fn a_failed_arrival_is_no_original(ledger: &dyn Ledger) {
    let operation = ledger.record(upload("a", 1, 1)).await.unwrap();
    ledger
        .fail(&operation, "no", alert("failed"))
        .await
        .unwrap();
    check(ledger, upload("a", 2, 1), None).await;
}
