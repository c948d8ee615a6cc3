//! Revisions of the configuration.

use qm_core::Kind;
use qm_core::id::RevisionNumber;
use qm_core::ports::ledger::{Ledger, Revision, TakenUp};

use crate::ledger::sample::{audit, minute, node};

/// The newest decides: an older text that comes back is a new revision.
pub async fn the_same_text_is_one_revision(ledger: &dyn Ledger) {
    assert_eq!(ledger.revision().await.unwrap(), None);
    let table = [("one", 1), ("one", 1), ("two", 2), ("one", 3), ("one", 3)];
    for (at, (config, number)) in (0..).zip(table) {
        let applied = ledger.apply(config.to_owned(), audit(config), minute(at));
        let applied = applied.await.unwrap();
        assert_eq!(applied.number, RevisionNumber(number), "{config} at {at}");
        assert_eq!(applied.config, config);
        assert_eq!(ledger.revision().await.unwrap(), Some(applied));
    }
    let third = Revision {
        number: RevisionNumber(3),
        config: "one".to_owned(),
        at: minute(3),
        taken_up: vec![],
    };
    assert_eq!(ledger.revision().await.unwrap(), Some(third));
    let records = ledger.audit(9).await.unwrap();
    let recorded: Vec<&str> = records.iter().map(|(_, r)| r.subject.as_str()).collect();
    assert_eq!(recorded, ["one", "two", "one"]);
}

/// The node says one of the two; the last word counts.
pub async fn a_revision_is_taken_up_or_rejected(ledger: &dyn Ledger) {
    let applied = ledger.apply("one".to_owned(), audit("one"), minute(0));
    let applied = applied.await.unwrap();
    for (at, rejected) in [(1, Some("the folder is missing")), (2, None)] {
        let rejected = rejected.map(str::to_owned);
        let said = ledger.taken_up(applied.number, rejected.clone(), minute(at));
        said.await.unwrap();
        let expect = TakenUp {
            node: node(),
            at: minute(at),
            rejected,
        };
        let found = ledger.revision().await.unwrap().unwrap();
        assert_eq!(found.taken_up, [expect]);
        let same = ledger.apply("one".to_owned(), audit("one"), minute(at));
        assert_eq!(same.await.unwrap(), found);
    }
    let unknown = ledger.taken_up(RevisionNumber(9), None, minute(3)).await;
    assert_eq!(unknown.unwrap_err().kind(), Kind::NotFound);
    let next = ledger.apply("two".to_owned(), audit("two"), minute(4));
    assert!(next.await.unwrap().taken_up.is_empty());
}

/// What was in force before stays so, until the node takes up another.
pub async fn what_was_refused_is_not_in_force(ledger: &dyn Ledger) {
    assert_eq!(ledger.in_force().await.unwrap(), None);
    let mut in_force = RevisionNumber(1);
    for (at, config, rejected) in [
        (1, "one", None),
        (2, "two", Some("a bucket moved")),
        (3, "three", Some("a bucket moved")),
        (4, "one", None),
    ] {
        let applied = ledger.apply(config.to_owned(), audit(config), minute(at));
        let number = applied.await.unwrap().number;
        let found = ledger.in_force().await.unwrap().unwrap();
        assert_eq!(found.number, number, "{config}: nobody has refused it");
        let said = ledger.taken_up(number, rejected.map(str::to_owned), minute(at));
        said.await.unwrap();
        if rejected.is_none() {
            in_force = number;
        }
        let found = ledger.in_force().await.unwrap().unwrap();
        assert_eq!(found.number, in_force, "after {config} at {at}");
    }
    assert_eq!(
        ledger.in_force().await.unwrap(),
        ledger.revision().await.unwrap()
    );
}
