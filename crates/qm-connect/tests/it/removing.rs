//! What was delivered into a folder is taken away again, and nothing else.

use qm_core::Kind;
use qm_core::delivery::Delivery;
use qm_core::ports::connector::{Connector as _, Fence};
use qm_testkit::outside::{ClosedFence, OpenFence};
use std::fs;

use crate::share::{Share, delivery, ended, shipment};

async fn remove(share: &Share, copies: &[Delivery], fence: &dyn Fence) -> qm_core::Result<String> {
    let removal = copies.first().unwrap();
    let removed = share.connector();
    ended(removed.remove(&shipment(removal), copies, fence).await)
}

#[tokio::test]
async fn a_copy_is_removed_from_a_folder_and_nothing_else() {
    let share = Share::new();
    for name in ["in/a.csv", "in/b.csv"] {
        share.deliver(name, b"a\n").await.unwrap();
    }
    let copy = delivery("in/a.csv", b"a\n");
    let note = remove(&share, std::slice::from_ref(&copy), &OpenFence)
        .await
        .unwrap();
    assert!(note.starts_with("removed"), "{note}");
    assert_eq!(share.names(), ["in/", "in/b.csv"]);
    // Done again, and where the folder is not there any more.
    for _ in 0..2 {
        let note = remove(&share, std::slice::from_ref(&copy), &OpenFence)
            .await
            .unwrap();
        assert!(note.contains("not there"), "{note}");
        fs::remove_dir_all(share.path("in")).unwrap_or_default();
    }
    assert!(share.names().is_empty());
}

#[tokio::test]
async fn what_others_put_in_its_place_stays() {
    let share = Share::new();
    let old = delivery("a.csv", b"old");
    let new = delivery("a.csv", b"new");
    share.deliver("a.csv", b"old").await.unwrap();
    fs::write(share.path("a.csv"), b"NEW").unwrap();
    let copies = [new, old.clone()];
    let note = remove(&share, &copies, &OpenFence).await.unwrap();
    assert!(note.contains("left where it is"), "{note}");
    // An earlier copy is one as well.
    share.deliver("a.csv", b"old").await.unwrap();
    remove(&share, &copies, &OpenFence).await.unwrap();
    assert!(share.names().is_empty());

    share.deliver("a.csv", b"old").await.unwrap();
    let late = remove(&share, &[old], &ClosedFence).await.unwrap_err();
    assert_eq!(late.kind(), Kind::Conflict);
    assert_eq!(share.names(), ["a.csv"]);
    let nobody: [Delivery; 0] = [];
    let removal = delivery("a.csv", b"old");
    let connector = share.connector();
    let outcome = connector
        .remove(&shipment(&removal), &nobody, &OpenFence)
        .await;
    assert!(ended(outcome).unwrap().contains("left"));
}

#[tokio::test]
async fn nothing_outside_the_folder_is_removed() {
    let share = Share::new();
    let outside = share.outside();
    fs::write(outside.join("a.csv"), b"a\n").unwrap();
    std::os::unix::fs::symlink(&outside, share.path("link")).unwrap();
    std::os::unix::fs::symlink(outside.join("a.csv"), share.path("a.csv")).unwrap();
    for target in ["link/a.csv", "a.csv"] {
        let copy = delivery(target, b"a\n");
        let refused = remove(&share, &[copy], &OpenFence).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Refused, "{target}");
    }
    assert!(outside.join("a.csv").exists());
}
