//! Broken-off uploads.

use qm_core::arrival::Partial;
use qm_core::operation::StagedToken;
use qm_core::ports::bucket::Parked;
use qm_core::ports::ledger::Ledger;

use crate::ledger::sample::{account, alert, audit, minute, path, publish, rename, run, version};

fn partial(by: &str, name: &str, number: u8) -> Partial {
    Partial {
        version: version(number).id,
        account: account(by),
        path: path(name),
        parked: Parked {
            token: StagedToken(format!("token-{number}")),
            size_bytes: u64::from(number) * 1_000_000_000_000,
            state: (number > 1).then(|| format!("{{\"digest\": {number}}}")),
        },
        lost_at: minute(i64::from(number)),
    }
}

async fn find(ledger: &dyn Ledger, by: &str, name: &str) -> Option<Partial> {
    ledger.find(&account(by), &path(name)).await.unwrap()
}

/// One an account and path; the replaced one's bytes are the caller's to discard.
pub async fn parking_replaces_the_same_name(ledger: &dyn Ledger) {
    let park = |partial: Partial| ledger.park(partial, audit("lost"));
    assert_eq!(park(partial("north", "a", 1)).await.unwrap(), None);
    assert_eq!(park(partial("south", "a", 2)).await.unwrap(), None);
    assert_eq!(park(partial("north", "b", 3)).await.unwrap(), None);
    assert_eq!(
        find(ledger, "north", "a").await,
        Some(partial("north", "a", 1))
    );
    assert_eq!(find(ledger, "south", "b").await, None);
    let replaced = park(partial("north", "a", 4)).await.unwrap();
    assert_eq!(replaced, Some(partial("north", "a", 1)));
    assert_eq!(
        find(ledger, "north", "a").await,
        Some(partial("north", "a", 4))
    );
    assert_eq!(
        ledger.partials().await.unwrap(),
        [
            partial("south", "a", 2),
            partial("north", "b", 3),
            partial("north", "a", 4)
        ]
    );
    assert_eq!(ledger.audit(9).await.unwrap().len(), 4);

    ledger.forget(version(2).id).await.unwrap();
    assert_eq!(find(ledger, "south", "a").await, None);
    ledger.forget(version(2).id).await.unwrap();
    assert_eq!(ledger.partials().await.unwrap().len(), 2);
}

/// After a resume that broke off again it is its own predecessor: nothing is to be discarded,
/// unless its bytes lie elsewhere now.
pub async fn parking_again_replaces_nothing(ledger: &dyn Ledger) {
    let first = partial("north", "a", 1);
    let longer = Partial {
        parked: Parked {
            size_bytes: first.parked.size_bytes + 1,
            state: Some("more".to_owned()),
            ..first.parked.clone()
        },
        lost_at: minute(60),
        ..first.clone()
    };
    let elsewhere = Partial {
        parked: Parked {
            token: StagedToken("another".to_owned()),
            ..longer.parked.clone()
        },
        ..longer.clone()
    };
    ledger.park(first, audit("lost")).await.unwrap();
    let replaced = ledger.park(longer.clone(), audit("lost")).await.unwrap();
    assert_eq!(replaced, None);
    let parked = ledger.partials().await.unwrap();
    assert_eq!(parked, std::slice::from_ref(&longer));
    let replaced = ledger.park(elsewhere.clone(), audit("lost")).await.unwrap();
    assert_eq!(replaced, Some(longer));
    assert_eq!(ledger.partials().await.unwrap(), [elsewhere]);
}

/// The partial whose bytes are published is one no more; others stay.
pub async fn a_recorded_change_forgets_its_partial(ledger: &dyn Ledger) {
    for (name, number) in [("a", 1), ("b", 2)] {
        let parked = ledger.park(partial("north", name, number), audit("lost"));
        parked.await.unwrap();
    }
    run(ledger, publish("a", 1)).await;
    run(ledger, rename("b", "c", 3)).await;
    assert_eq!(ledger.partials().await.unwrap(), [partial("north", "b", 2)]);
    let operation = ledger.record(rename("x", "y", 2)).await.unwrap();
    assert!(ledger.partials().await.unwrap().is_empty());
    ledger
        .fail(&operation, "no", alert("failed"))
        .await
        .unwrap();
    assert!(ledger.partials().await.unwrap().is_empty());
}
