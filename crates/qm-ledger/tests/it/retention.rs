//! What only a large number of kept versions shows.

use qm_core::id::VersionId;
use qm_core::operation::{Change, NameChange, Version};
use qm_core::ports::ledger::{Audit as _, Ledger, Names as _};
use qm_ledger::{SqliteLedger, SqliteOptions};
use qm_testkit::ledger::sample::{audit, keeps, minute, publish, version};
use std::collections::BTreeSet;

/// More than are named at once.
const NAMES: u32 = 1_100;
const BATCH: usize = 1_000;

/// Nobody waits for the completions: that would be one commit each.
async fn upload_and_remove(ledger: &dyn Ledger, number: u32) {
    let id = VersionId::from_parts(2, u128::from(number));
    let file = Version { id, ..version(1) };
    let upload = NameChange {
        version: Some(file),
        arrival: None,
        ..publish(&format!("file-{number}"), 1)
    };
    let remove = NameChange {
        change: Change::Remove,
        replaces: Some(id),
        keep_aside: true,
        ..upload.clone()
    };
    for change in [upload, remove] {
        let operation = ledger.record(change).await.unwrap();
        drop(ledger.complete(&operation));
    }
}

/// A change of the retention may end a million versions: they go a batch at a time, and each call
/// goes on where the last one was released.
#[tokio::test]
async fn many_versions_go_in_batches() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions {
        is_durable: false,
        ..SqliteOptions::default()
    };
    let ledger = SqliteLedger::open(&folder.path().join("ledger.sqlite"), options).unwrap();
    for number in 0..NAMES {
        upload_and_remove(&ledger, number).await;
    }
    ledger.append(audit("all is completed")).await.unwrap();
    let mut gone = BTreeSet::new();
    for expect in [BATCH, NAMES as usize - BATCH, 0] {
        for _ in 0..2 {
            let named = ledger.releasable(&keeps(0, None), minute(0)).await.unwrap();
            assert_eq!(named.len(), expect, "not more until they are released");
        }
        let named = ledger.releasable(&keeps(0, None), minute(0)).await.unwrap();
        let named: Vec<VersionId> = named.into_iter().map(|kept| kept.version.id).collect();
        ledger.released(&named).await.unwrap();
        gone.extend(named);
    }
    assert_eq!(gone.len(), NAMES as usize);
}
