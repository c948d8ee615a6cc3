//! In the order of their seqs arrivals become visible, whatever nodes do at the same time.

use qm_core::id::VersionId;
use qm_core::operation::NameChange;
use qm_core::ports::ledger::{Arrivals as _, Names as _};
use qm_ledger::PostgresLedger;
use qm_testkit::ledger::sample::{audit, publish, version};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::cluster::{self, open};

const RECORDS: u32 = 150;

async fn upload(ledger: &PostgresLedger, number: u32) {
    let mut version = version(1);
    version.id = VersionId::from_parts(1_763_640_000_000, u128::from(number));
    let change = NameChange {
        version: Some(version),
        audit: audit(&number.to_string()),
        ..publish(&number.to_string(), 1)
    };
    let operation = ledger.record(change).await.unwrap();
    ledger.complete(&operation).await.unwrap();
}

/// Whoever saw a seq has seen all before it that ever come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_gives_seqs_in_the_order_of_commits() {
    let cluster = cluster::shared();
    let database = cluster.database();
    let nodes = [
        Arc::new(open(&database, "one").await),
        Arc::new(open(&database, "two").await),
    ];
    let reader = open(&database, "reader").await;
    let mut uploads = Vec::new();
    for number in 0..RECORDS {
        for (index, node) in (0..).zip(&nodes) {
            let (node, number) = (Arc::clone(node), number * 2 + index);
            uploads.push(tokio::spawn(async move { upload(&node, number).await }));
        }
    }
    let mut seen: BTreeSet<i64> = BTreeSet::new();
    while seen.len() < uploads.len() {
        let now: BTreeSet<i64> = reader
            .latest(9_999)
            .await
            .unwrap()
            .iter()
            .map(|arrival| arrival.seq.0)
            .collect();
        let newest_before = seen.last().copied().unwrap_or(0);
        let came_late: Vec<&i64> = now
            .difference(&seen)
            .filter(|seq| **seq <= newest_before)
            .collect();
        assert!(came_late.is_empty(), "{came_late:?} after {newest_before}");
        seen = now;
    }
    for upload in uploads {
        upload.await.unwrap();
    }
}
