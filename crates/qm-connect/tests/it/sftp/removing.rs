//! What was delivered is taken away again, as far as it can be recognised.

use qm_core::Kind;
use qm_core::delivery::{Delivery, DeliveryState};
use qm_core::ports::connector::{Connector as _, Fence};
use qm_testkit::outside::{ClosedFence, OpenFence};
use std::fs;

use super::sshd::Sshd;
use super::world::{connector, content, deliver, delivery, ended, shipment};

async fn remove(sshd: &Sshd, copies: &[Delivery], fence: &dyn Fence) -> qm_core::Result<String> {
    let connector = connector(sshd.config());
    let removal = copies.first().unwrap();
    ended(connector.remove(&shipment(removal), copies, fence).await)
}

#[tokio::test]
async fn foreign_a_copy_is_removed_from_a_server() {
    let sshd = Sshd::start();
    let connector = connector(sshd.config());
    let bytes = content(300_000);
    for target in ["a.csv", "b.csv"] {
        deliver(&connector, target, &bytes).await.unwrap();
    }
    let copy = delivery("a.csv", &bytes);
    let closed = remove(&sshd, std::slice::from_ref(&copy), &ClosedFence).await;
    assert_eq!(closed.unwrap_err().kind(), Kind::Conflict);
    let note = remove(&sshd, std::slice::from_ref(&copy), &OpenFence).await;
    assert!(note.unwrap().starts_with("removed"));
    assert_eq!(sshd.names().len(), 1);
    let again = remove(&sshd, &[copy], &OpenFence).await.unwrap();
    assert!(again.contains("not there"), "{again}");
}

#[tokio::test]
async fn foreign_what_the_partner_put_there_stays() {
    let sshd = Sshd::start();
    let connector = connector(sshd.config());
    deliver(&connector, "a.csv", b"ours").await.unwrap();
    let copy = delivery("a.csv", b"ours");
    let received = copy.version.received_at;
    let file = sshd.files().join("a.csv");
    // As large and as old as ours.
    fs::write(&file, b"them").unwrap();
    fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(std::time::SystemTime::from(received))
        .unwrap();
    let note = remove(&sshd, std::slice::from_ref(&copy), &OpenFence).await;
    assert!(note.unwrap().contains("left where it is"));
    assert_eq!(fs::read(&file).unwrap(), b"them");
}

/// A push that broke off and was given up leaves nothing, either.
#[tokio::test]
async fn foreign_what_a_broken_off_attempt_left_is_removed() {
    let sshd = Sshd::start();
    let mut copy = delivery("a.csv", b"ours");
    copy.state = DeliveryState::Superseded;
    let id = copy.id.to_string();
    let part = sshd.files().join(format!(".a.csv.{id:.8}.part"));
    fs::write(&part, b"ou").unwrap();
    let note = remove(&sshd, &[copy], &OpenFence).await.unwrap();
    assert!(note.contains("not there"), "{note}");
    assert!(!part.exists());
}
