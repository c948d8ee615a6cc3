//! An office shares one address: what one of its people does, or what we cannot do for them, must
//! not shut out the others.

use qm_core::Kind;
use qm_core::ports::access::Offence;
use std::sync::atomic::Ordering;

use crate::client::{connect, log_in};
use crate::house::{House, USER, new_key};

async fn gone(house: &House) {
    house
        .wait_until("the connection is gone", |house| {
            house.access.admitted.load(Ordering::SeqCst) == 0
        })
        .await;
}

#[tokio::test]
async fn only_a_refusal_that_is_the_peers_own_is_an_offence() {
    for (kind, expect) in [
        (Kind::Unavailable, &[][..]),
        (Kind::Limit, &[]),
        (Kind::Timeout, &[]),
        (Kind::Bug, &[]),
        (Kind::Unauthenticated, &[Offence::AuthFailure]),
        (Kind::Refused, &[Offence::AuthFailure]),
    ] {
        let house = House::start().await;
        *house.access.fails_with.lock() = Some(kind);
        let mut connection = connect(house.address).await.unwrap();
        let result = log_in(&mut connection, USER, &house.key).await.unwrap();
        assert!(!result.success());
        // An agent goes on with its other keys.
        let result = log_in(&mut connection, USER, &new_key()).await.unwrap();
        assert!(!result.success());
        drop(connection);
        gone(&house).await;
        assert_eq!(*house.access.offences.lock(), expect, "{kind:?}");
    }
}

#[tokio::test]
async fn an_account_with_too_many_connections_is_no_offence() {
    let house = House::start().await;
    house.access.has_too_many.store(true, Ordering::SeqCst);
    let mut connection = connect(house.address).await.unwrap();
    let result = log_in(&mut connection, USER, &house.key).await.unwrap();
    assert!(!result.success());
    drop(connection);
    gone(&house).await;
    assert!(house.access.offences.lock().is_empty());
}
