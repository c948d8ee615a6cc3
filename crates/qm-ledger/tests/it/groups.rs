//! Group commit: what one transaction holds, how many are needed, who is woken.

use qm_core::Kind;
use qm_core::arrival::Partial;
use qm_core::id::VersionId;
use qm_core::operation::{NameChange, StagedToken, Version};
use qm_core::ports::bucket::{Attributes, Parked};
use qm_core::ports::ledger::{
    Alerts as _, Audit as _, Deliveries as _, NameAttributes as _, Names as _, Partials as _,
};
use qm_ledger::SqliteLedger;
use qm_testkit::ledger::sample::{account, alert, audit, minute, path, publish, route, version};
use std::sync::Arc;

use crate::support::{Gate, Planned, open, open_with};

const CALLERS: u32 = 64;
const FILES_EACH: u32 = 20;
/// The bar of test T-07: at 64 sessions at most so many commits for each file.
const COMMITS_A_RECORD_MAX: f64 = 0.3;

/// An upload like no other.
fn upload(caller: u32, file: u32) -> NameChange {
    let number = u128::from(caller) << 32 | u128::from(file);
    NameChange {
        version: Some(Version {
            id: VersionId::from_parts(1, number),
            ..version(1)
        }),
        ..publish(&format!("caller-{caller}/file-{file}"), 1)
    }
}

async fn upload_all(ledger: Arc<SqliteLedger>, completes: bool) {
    let callers = (0..CALLERS).map(|caller| {
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            for file in 0..FILES_EACH {
                let operation = ledger.record(upload(caller, file)).await.unwrap();
                if completes {
                    ledger.complete(&operation).await.unwrap();
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_callers_share_commits() {
    let files = f64::from(CALLERS * FILES_EACH);
    for (completes, writes) in [(false, 1.0), (true, 2.0)] {
        let folder = tempfile::tempdir().unwrap();
        let step = Planned::new(&[]);
        let ledger = open_with(&folder.path().join("ledger.sqlite"), step.clone());
        let ledger = Arc::new(ledger);
        upload_all(Arc::clone(&ledger), completes).await;
        let commits_each = f64::from(step.commits()) / files / writes;
        println!("commits for each write: {commits_each:.3}");
        assert!(commits_each <= COMMITS_A_RECORD_MAX, "{commits_each}");
        let pending = ledger.pending().await.unwrap().len();
        assert_eq!(pending, if completes { 0 } else { 1280 });
    }
}

/// Everything that waits while one commit stands still is the next group: one commit, and one
/// caller's failure is its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failure_undoes_nothing_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let ledger = open_with(&folder.path().join("ledger.sqlite"), gate.clone());
    let done = ledger.record(publish("done", 1)).await.unwrap();
    ledger.complete(&done).await.unwrap();
    let busy = ledger.record(publish("busy", 2)).await.unwrap();
    let before = gate.commits();
    gate.close();
    let first = ledger.append(audit("first"));
    gate.wait_for_commits(before + 1);
    let mut unknown = busy.clone();
    unknown.seq.0 += 1_000;
    let group = [
        (ledger.append(audit("second")), Ok(())),
        (ledger.complete(&unknown), Err(Kind::NotFound)),
        (ledger.complete(&busy), Ok(())),
        (ledger.complete(&unknown), Err(Kind::NotFound)),
        (ledger.append(audit("third")), Ok(())),
    ];
    gate.open();
    first.await.unwrap();
    for (outcome, expect) in group {
        assert_eq!(outcome.await.map_err(|e| e.kind()), expect);
    }
    assert_eq!(gate.commits(), before + 2);
    let found = ledger.audit(3).await.unwrap();
    let found: Vec<String> = found.into_iter().map(|(_, r)| r.subject).collect();
    assert_eq!(found, ["third", "second", "first"]);
    assert_eq!(ledger.current(&busy.path).await.unwrap(), busy.version);
}

/// Who is woken by changes must find one: a scan that changes nothing wakes nobody, and costs no
/// commit.
#[tokio::test]
async fn only_changes_are_announced() {
    let folder = tempfile::tempdir().unwrap();
    let step = Planned::new(&[]);
    let ledger = open_with(&folder.path().join("ledger.sqlite"), step.clone());
    let mut changes = ledger.changes();
    assert!(ledger.raise(alert("one")).await.unwrap());
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    let commits = step.commits();
    let superseded = ledger.supersede(&[route("products")], minute(0)).await;
    assert_eq!(superseded.unwrap(), 0);
    let refused = ledger.record(NameChange {
        version: None,
        ..publish("a", 1)
    });
    assert_eq!(refused.await.unwrap_err().kind(), Kind::Bug);
    assert!(!changes.has_changed().unwrap());
    assert_eq!(step.commits(), commits);
}

/// Logins and logouts, broken-off uploads, attributes and names that are not there yet are durable
/// and wake nobody, unless they share their commit with work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_work_wakes_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let ledger = open_with(&folder.path().join("ledger.sqlite"), gate.clone());
    let changes = ledger.changes();
    let before = gate.commits();
    let operation = ledger.record(publish("a", 2)).await.unwrap();
    ledger.append(audit("login")).await.unwrap();
    ledger.append(audit("logout")).await.unwrap();
    let partial = Partial {
        version: version(1).id,
        account: account("north"),
        path: path("a"),
        parked: Parked {
            token: StagedToken("token".to_owned()),
            size_bytes: 1,
            state: None,
        },
        lost_at: minute(0),
    };
    ledger.park(partial, audit("a")).await.unwrap();
    ledger.forget(version(1).id).await.unwrap();
    let name = path("a");
    let set = ledger.set_name_attributes(&name, "identity", Attributes::default());
    set.await.unwrap();
    assert_eq!(gate.commits(), before + 6);
    assert!(!changes.has_changed().unwrap());

    let before = gate.commits();
    gate.close();
    let first = ledger.append(audit("first"));
    gate.wait_for_commits(before + 1);
    let login = ledger.append(audit("login"));
    let work = ledger.complete(&operation);
    let logout = ledger.append(audit("logout"));
    gate.open();
    for end in [first, login, work, logout] {
        end.await.unwrap();
    }
    assert_eq!(gate.commits(), before + 2);
    assert!(changes.has_changed().unwrap());
}

/// Dropping the future does not take back what was enqueued; dropping the ledger waits for it.
#[tokio::test]
async fn closing_waits_for_what_is_enqueued() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let ledger = open(&file);
    for number in 0..100 {
        drop(ledger.append(audit(&number.to_string())));
    }
    drop(ledger);
    assert_eq!(open(&file).audit(999).await.unwrap().len(), 100);
}
