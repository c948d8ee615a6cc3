//! The server is killed and started again while records are on their way.

use qm_core::id::VersionId;
use qm_core::operation::NameChange;
use qm_core::ports::ledger::{Arrivals as _, Audit as _, Names as _};
use qm_testkit::ledger::sample::{audit, publish, version};
use std::collections::BTreeSet;
use std::sync::Arc;

use super::cluster::{Cluster, open};

/// In flight at a time, and how often the server is killed.
const RECORDS: u32 = 200;
const KILLS: u32 = 3;

fn upload(number: u32) -> NameChange {
    let mut version = version(1);
    version.id = VersionId::from_parts(1_763_640_000_000, u128::from(number));
    NameChange {
        version: Some(version),
        audit: audit(&number.to_string()),
        ..publish(&number.to_string(), 1)
    }
}

/// What was acknowledged is there, and nothing is there twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_is_killed_with_records_in_flight() {
    let cluster = Arc::new(Cluster::start());
    let ledger = Arc::new(open(&cluster.database(), "node").await);
    let mut acknowledged = BTreeSet::new();
    for kill in 0..KILLS {
        let records = (0..RECORDS).map(|number| {
            let (ledger, number) = (Arc::clone(&ledger), kill * RECORDS + number);
            tokio::spawn(async move {
                let operation = ledger.record(upload(number)).await.ok()?;
                // Some are completed before the server is gone, some after it is back.
                let completed = ledger.complete(&operation).await.is_ok();
                Some((number, operation.seq, completed))
            })
        });
        let records: Vec<_> = records.collect();
        let killed = Arc::clone(&cluster);
        tokio::task::spawn_blocking(move || killed.restart())
            .await
            .unwrap();
        for record in records {
            let (number, seq, completed) = record.await.unwrap().expect("it is tried for longer");
            assert!(completed, "{number}");
            assert!(acknowledged.insert((number, seq)));
        }
    }
    let arrivals = ledger.latest(9_999).await.unwrap();
    let keys: BTreeSet<String> = arrivals
        .iter()
        .map(|arrival| arrival.path.key.to_string())
        .collect();
    assert_eq!(arrivals.len(), keys.len(), "none twice");
    let expect: BTreeSet<String> = acknowledged.iter().map(|(n, _)| n.to_string()).collect();
    assert_eq!(keys, expect);
    assert!(ledger.pending().await.unwrap().is_empty());
    let audited = ledger.audit(9_999).await.unwrap();
    assert_eq!(audited.len(), arrivals.len());
}
