//! Credentials added while running.

use qm_core::account::SshPublicKey;
use qm_core::ports::ledger::{AddedKey, Ledger};

use crate::ledger::sample::{account, audit, minute};

const ONE: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG+jV8w42MJp9/APBNAYrK3SKHaGK9JDOINy6bLskez2";
const TWO: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDc+QK8x/onlOOdN00uihZtXFqDTr9BZ7e/lNULQiwx4";

fn added(by: &str, line: &str, comment: &str) -> AddedKey {
    AddedKey {
        account: account(by),
        key: SshPublicKey::parse(&format!("{line} {comment}")).expect("a valid key"),
        added_at: minute(1),
    }
}

/// A key is its material: with another comment it is the same. Only what changes is audited.
pub async fn keys_are_added_once_and_removed_once(ledger: &dyn Ledger) {
    assert!(ledger.keys().await.unwrap().is_empty());
    let add = |key: AddedKey| ledger.add_key(key, audit("add"));
    assert!(add(added("north", ONE, "ops@north")).await.unwrap());
    assert!(!add(added("north", ONE, "another comment")).await.unwrap());
    assert!(add(added("north", TWO, "ops@north")).await.unwrap());
    assert!(add(added("south", ONE, "shared")).await.unwrap());
    let keys = ledger.keys().await.unwrap();
    let expect = [
        added("north", ONE, "ops@north"),
        added("north", TWO, "ops@north"),
        added("south", ONE, "shared"),
    ];
    assert_eq!(keys, expect);
    assert_eq!(keys[0].key.comment(), "ops@north");
    assert_eq!(ledger.audit(9).await.unwrap().len(), 3);

    let one = added("north", ONE, "").key;
    let remove = |by: &str| {
        let by = account(by);
        let one = one.clone();
        async move { ledger.remove_key(&by, &one, audit("remove")).await.unwrap() }
    };
    assert!(!remove("west").await);
    assert!(remove("north").await);
    assert!(!remove("north").await);
    assert_eq!(ledger.keys().await.unwrap(), expect[1..]);
    assert_eq!(ledger.audit(9).await.unwrap().len(), 4);
    assert!(add(added("north", ONE, "back")).await.unwrap());
}
