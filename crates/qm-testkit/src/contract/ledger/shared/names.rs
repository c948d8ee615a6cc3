//! Names that several nodes change.

use qm_core::Kind;
use qm_core::arrival::ArrivalState;
use qm_core::id::ArrivalSeq;
use qm_core::operation::{NameChange, Seen};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::join;

use super::{Pair, one, report};
use crate::contract::ledger::decided;
use crate::ledger::sample::{alert, arrive, newest, path, publish, rename, version};

/// A name is locked by the change that pends on it, whoever makes it; when its node is dead the
/// change is another's to run to its end.
pub async fn changes_of_a_dead_node_are_taken_over(pair: &Pair) {
    let (first, second) = (pair.first.as_ref(), pair.second.as_ref());
    let operation = first.record(publish("a", 1)).await.unwrap();
    assert!(second.pending().await.unwrap().is_empty());
    assert_eq!(
        first.pending().await.unwrap(),
        std::slice::from_ref(&operation)
    );
    (pair.expire)().await;
    let refused = second.record(publish("a", 2)).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict);
    for _ in 0..2 {
        let taken = second.pending().await.unwrap();
        assert_eq!(taken, std::slice::from_ref(&operation));
    }
    let late = || async { first.complete(&operation).await.unwrap_err().kind() };
    assert_eq!(late().await, Kind::Conflict);
    let told = first.report(report(one())).await.unwrap_err();
    assert_eq!(told.kind(), Kind::Conflict);
    assert_eq!(
        late().await,
        Kind::Conflict,
        "it lives, but this is another's"
    );
    assert!(first.pending().await.unwrap().is_empty());
    assert_eq!(second.current(&path("a")).await.unwrap(), None);
    assert_eq!(newest(second).await.state, ArrivalState::Appearing);
    second.complete(&operation).await.unwrap();
    for ledger in [first, second] {
        let current = ledger.current(&path("a")).await.unwrap();
        assert_eq!(current, Some(version(1)));
    }
    let next = first.record(publish("a", 2)).await.unwrap();
    first.complete(&next).await.unwrap();
}

/// Neither does the change end nor is anybody told.
pub async fn a_failed_change_of_a_dead_node_says_nothing(pair: &Pair) {
    let (first, second) = (pair.first.as_ref(), pair.second.as_ref());
    let operation = first.record(publish("a", 1)).await.unwrap();
    (pair.expire)().await;
    let late = first.fail(&operation, "no", alert("failed")).await;
    assert_eq!(late.unwrap_err().kind(), Kind::Conflict);
    assert!(second.alerts(9).await.unwrap().is_empty());
    assert_eq!(
        second.pending().await.unwrap(),
        std::slice::from_ref(&operation)
    );
    let late = first.fail(&operation, "no", alert("failed")).await;
    assert_eq!(late.unwrap_err().kind(), Kind::Conflict);
    let failed = second.fail(&operation, "no", alert("failed"));
    failed.await.unwrap();
    assert_eq!(second.alerts(9).await.unwrap().len(), 1);
    assert_eq!(newest(second).await.state, ArrivalState::Failed);
}

/// One decides while the other's change pends, and records when that has ended.
pub async fn a_change_that_another_node_overtook_is_decided_again(pair: &Pair) {
    let (first, second) = (pair.first.as_ref(), pair.second.as_ref());
    let pending = second.record(publish("race", 90)).await.unwrap();
    let decided = NameChange {
        seen: Some(Seen {
            from: None,
            to: None,
        }),
        ..publish("race", 91)
    };
    for _ in 0..2 {
        let refused = first.record(decided.clone()).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Conflict);
        second.complete(&pending).await.unwrap();
    }
    let current = first.current(&path("race")).await.unwrap();
    assert_eq!(current, Some(version(90)));
    decided::check(first, second).await;
}

/// A change is whose run recorded it or took it over, until it ends or that run's lease is over.
pub async fn a_change_is_one_runs_own(pair: &Pair) {
    let (first, second) = (pair.first.as_ref(), pair.second.as_ref());
    let lost = first.record(publish("a", 1)).await.unwrap();
    let done = first.record(publish("b", 2)).await.unwrap();
    assert!(first.is_mine(&lost).await.unwrap());
    assert!(!second.is_mine(&lost).await.unwrap());
    first.complete(&done).await.unwrap();
    assert!(!first.is_mine(&done).await.unwrap(), "it has ended");
    (pair.expire)().await;
    assert!(!first.is_mine(&lost).await.unwrap(), "its lease is over");
    first.report(report(one())).await.unwrap_err();
    assert!(!first.is_mine(&lost).await.unwrap(), "anybody may take it");
    assert_eq!(second.pending().await.unwrap().len(), 1);
    assert!(second.is_mine(&lost).await.unwrap());
    assert!(!first.is_mine(&lost).await.unwrap());
}

/// While a change of one node pends nobody else begins one on its names; then it goes on from
/// there.
pub async fn a_name_is_changed_by_one(pair: &Pair) {
    let (first, second) = (pair.first.as_ref(), pair.second.as_ref());
    arrive(first, "a", 1).await;
    let renaming = first.record(rename("a", "b", 1)).await.unwrap();
    for change in [publish("a", 2), publish("b", 2), rename("c", "a", 2)] {
        let words = format!("{:?} of {}", change.change, change.path);
        let refused = second.record(change).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Conflict, "{words}");
    }
    let elsewhere = second.record(publish("c", 3)).await.unwrap();
    first.complete(&renaming).await.unwrap();
    let current = second.current(&path("b")).await.unwrap();
    assert_eq!(current, Some(version(1)));
    let next = second.record(publish("b", 4)).await.unwrap();
    assert!(next.seq > renaming.seq);
    for operation in [elsewhere, next] {
        second.complete(&operation).await.unwrap();
    }
    let (by_first, by_second) = join!(
        first.record(publish("race", 5)),
        second.record(publish("race", 6))
    );
    match (by_first, by_second) {
        (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => {
            assert_eq!(refused.kind(), Kind::Conflict);
        }
        (by_first, by_second) => panic!("{by_first:?} and {by_second:?}"),
    }
}

/// Whoever has seen an arrival has seen all before it: none turns up behind the reader's back.
pub async fn seq_is_the_order_of_commits(pair: &Pair) {
    const WRITERS: u8 = 4;
    const EACH: u8 = 40;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let ledger = [&pair.first, &pair.second][usize::from(writer % 2)];
        let ledger = Arc::clone(ledger);
        writers.push(tokio::spawn(async move {
            for number in writer * EACH..(writer + 1) * EACH {
                let change = publish(&format!("file-{number}"), number);
                let operation = ledger.record(change).await.unwrap();
                ledger.complete(&operation).await.unwrap();
            }
        }));
    }
    let all = usize::from(WRITERS) * usize::from(EACH);
    let mut seen: BTreeSet<ArrivalSeq> = BTreeSet::new();
    while seen.len() < all {
        let latest = pair.second.latest(1_000).await.unwrap();
        let last = seen.last().copied();
        for arrival in latest {
            let is_new = seen.insert(arrival.seq);
            let is_behind = last.is_some_and(|last| arrival.seq <= last);
            assert!(!(is_new && is_behind), "{} after {last:?}", arrival.seq);
        }
        if writers.iter().all(tokio::task::JoinHandle::is_finished) && seen.len() < all {
            assert_eq!(pair.second.latest(1_000).await.unwrap().len(), all);
        }
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
}
