//! What nodes tell about themselves.

use qm_core::ports::ledger::{NodeReport, TakenUp};
use tokio::join;

use super::{Pair, one, report, two};
use crate::ledger::sample::{audit, minute};

/// By name; each replaces its own.
pub async fn nodes_report_side_by_side(pair: &Pair) {
    let (first, second) = (pair.first.as_ref(), pair.second.as_ref());
    second.report(report(two())).await.unwrap();
    first.report(report(one())).await.unwrap();
    let later = NodeReport {
        alive_at: Some(minute(9)),
        ..report(two())
    };
    second.report(later.clone()).await.unwrap();
    for ledger in [first, second] {
        let found = ledger.nodes().await.unwrap();
        assert_eq!(found, [report(one()), later.clone()]);
    }
}

/// Each says what it made of it, and the others see that.
pub async fn every_node_takes_up_a_revision(pair: &Pair) {
    let (first, second) = (pair.first.as_ref(), pair.second.as_ref());
    let (by_first, by_second) = join!(
        first.apply("text".to_owned(), audit("one"), minute(0)),
        second.apply("text".to_owned(), audit("two"), minute(0))
    );
    let revision = by_first.unwrap();
    assert_eq!(by_second.unwrap().number, revision.number, "one text");
    assert_eq!(first.audit(9).await.unwrap().len(), 1);
    let rejected = Some("no such folder".to_owned());
    let said = second.taken_up(revision.number, rejected.clone(), minute(1));
    said.await.unwrap();
    let said = first.taken_up(revision.number, None, minute(2));
    said.await.unwrap();
    let expect = [
        TakenUp {
            node: one(),
            at: minute(2),
            rejected: None,
        },
        TakenUp {
            node: two(),
            at: minute(1),
            rejected,
        },
    ];
    for ledger in [first, second] {
        let newest = ledger.revision().await.unwrap().unwrap();
        assert_eq!(newest.taken_up, expect);
    }
}
