//! Changes of names that were decided before the names changed.

use qm_core::Kind;
use qm_core::operation::{Change, NameChange, Seen};
use qm_core::ports::ledger::Ledger;

use crate::ledger::sample::{path, publish, rename, replace, run, version};

fn seen(from: Option<u8>, to: Option<u8>) -> Seen {
    let id = |number: u8| version(number).id;
    Seen {
        from: from.map(id),
        to: to.map(id),
    }
}

fn on(seen: Seen, change: NameChange) -> NameChange {
    let seen = Some(seen);
    NameChange { seen, ..change }
}

/// Nothing of it is recorded.
async fn is_overtaken(ledger: &dyn Ledger, change: NameChange) {
    let words = format!("{change:?}");
    let arrivals = ledger.latest(99).await.unwrap();
    let audited = ledger.audit(99).await.unwrap();
    let refused = ledger.record(change).await.expect_err(&words);
    assert_eq!(refused.kind(), Kind::Conflict, "{words}");
    assert_eq!(ledger.latest(99).await.unwrap(), arrivals, "{words}");
    assert_eq!(ledger.audit(99).await.unwrap(), audited, "{words}");
    assert!(ledger.pending().await.unwrap().is_empty(), "{words}");
}

/// What another changed meanwhile is decided on again: neither name may show another version.
pub async fn a_change_is_recorded_as_decided_or_not_at_all(ledger: &dyn Ledger) {
    check(ledger, ledger).await;
}

/// The same, with what `other` changes between.
pub(super) async fn check(ledger: &dyn Ledger, other: &dyn Ledger) {
    // On nothing, then on a version: over what another published since.
    run(other, publish("a", 1)).await;
    is_overtaken(ledger, on(seen(None, None), publish("a", 2))).await;
    assert_eq!(ledger.version(version(2).id).await.unwrap(), None);
    run(other, on(seen(Some(1), Some(1)), replace("a", 3, 1))).await;
    is_overtaken(ledger, on(seen(Some(1), Some(1)), replace("a", 2, 1))).await;
    run(ledger, on(seen(Some(3), Some(3)), replace("a", 2, 3))).await;
    // A removal of what is not there any more, and of what is.
    let remove = |number: u8| NameChange {
        change: Change::Remove,
        arrival: None,
        replaces: Some(version(number).id),
        ..publish("a", number)
    };
    is_overtaken(ledger, on(seen(Some(3), Some(3)), remove(3))).await;
    run(ledger, on(seen(Some(2), Some(2)), remove(2))).await;
    is_overtaken(ledger, on(seen(Some(2), Some(2)), remove(2))).await;
    // Either end of a rename.
    run(other, publish("b", 4)).await;
    run(other, publish("c", 5)).await;
    is_overtaken(ledger, on(seen(Some(4), None), rename("b", "c", 4))).await;
    is_overtaken(ledger, on(seen(None, Some(5)), rename("b", "c", 4))).await;
    is_overtaken(ledger, on(seen(Some(1), Some(5)), rename("b", "c", 4))).await;
    run(ledger, on(seen(Some(4), Some(5)), rename("b", "c", 4))).await;
    let current = other.current(&path("c")).await.unwrap();
    assert_eq!(current, Some(version(4)));
    assert_eq!(other.current(&path("b")).await.unwrap(), None);
}
