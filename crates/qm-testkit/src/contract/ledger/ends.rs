//! Attempts that end at the same time.

use futures_util::future::join_all;
use qm_core::delivery::{Delivery, DeliveryState};
use qm_core::id::DeliveryId;
use qm_core::ports::ledger::{DeliveryFilter, Ledger};
use qm_core::{Kind, Result};

use crate::ledger::sample::{
    REVISION, alert, arrive, claim, deliver_new, delivery, destination, ids, minute, new_delivery,
    transition, upload_and_deliver, waiting,
};

async fn end(ledger: &dyn Ledger, claimed: &Delivery, state: DeliveryState) -> Result<()> {
    let is_dead = state == DeliveryState::Dead;
    let told = is_dead.then(|| alert(&format!("delivery:{}", claimed.id)));
    let note = format!("ended as {}", state.as_str());
    let ended = ledger.finish(claimed, transition(state, &note), told, minute(5));
    ended.await
}

/// However each of them ends, and whatever is refused beside them.
pub async fn many_end_at_once_each_as_it_ended(ledger: &dyn Ledger) {
    const COUNT: u8 = 40;
    for number in 1..=COUNT {
        upload_and_deliver(ledger, &number.to_string(), number).await;
    }
    let claimed = claim(ledger, 0, u32::from(COUNT)).await;
    assert_eq!(claimed.len(), usize::from(COUNT));
    let unended = end(ledger, &claimed[0], claimed[0].state.clone()).await;
    assert_eq!(unended.unwrap_err().kind(), Kind::Bug);
    let states = [
        DeliveryState::Delivered,
        waiting(9),
        DeliveryState::Dead,
        DeliveryState::Superseded,
    ];
    let to = |index: usize| states[index % states.len()].clone();
    let ends = claimed
        .iter()
        .enumerate()
        .map(|(index, one)| end(ledger, one, to(index)));
    // Of what another has by now nothing counts.
    let foreign: Vec<Delivery> = claimed
        .iter()
        .map(|one| Delivery {
            fence: one.fence + 1,
            ..one.clone()
        })
        .collect();
    let foreign = foreign
        .iter()
        .map(|one| end(ledger, one, DeliveryState::Delivered));
    let (ended, refused) = tokio::join!(join_all(ends), join_all(foreign));
    for ended in ended {
        ended.unwrap();
    }
    for refused in refused {
        assert_eq!(refused.unwrap_err().kind(), Kind::Conflict);
    }

    for (index, one) in claimed.iter().enumerate() {
        let state = to(index);
        let note = format!("ended as {}", state.as_str());
        let kept = delivery(ledger, one.id).await;
        let is_well = state == DeliveryState::Delivered;
        assert_eq!(kept.last_error, (!is_well).then(|| note.clone()));
        assert_eq!((kept.state, kept.updated_at), (state, minute(5)));
        let attempts = ledger.attempts(one.id).await.unwrap();
        assert_eq!(attempts.len(), 1);
        assert_eq!(
            (attempts[0].ended_at, attempts[0].note.as_ref()),
            (Some(minute(5)), Some(&note))
        );
    }
    assert_eq!(ledger.firing("delivery:").await.unwrap().len(), 10);
    // Their lines are free, and those that wait have their turn.
    let again = claim(ledger, 9, 99).await;
    let expect: Vec<_> = claimed.iter().skip(1).step_by(4).cloned().collect();
    assert_eq!(ids(&again), ids(&expect));
}

/// Of two that tell the end of the same attempt one is right.
pub async fn an_attempt_ends_once(ledger: &dyn Ledger) {
    upload_and_deliver(ledger, "a", 1).await;
    upload_and_deliver(ledger, "b", 2).await;
    let claimed = claim(ledger, 0, 2).await;
    let ends = claimed.iter().chain(&claimed);
    let ends = ends.map(|one| end(ledger, one, DeliveryState::Delivered));
    let ended = join_all(ends).await;
    for index in 0..2 {
        let both = [&ended[index], &ended[index + 2]];
        let done = both.iter().filter(|ended| ended.is_ok());
        assert_eq!(done.count(), 1);
        let refused = both.into_iter().find_map(|ended| ended.as_ref().err());
        assert_eq!(refused.map(qm_core::Error::kind), Some(Kind::Conflict));
    }
}

/// The last of a version's deliveries marks what is to be done to the object, also if it ends together
/// with the others.
pub async fn the_last_of_those_at_once_finishes_the_object(ledger: &dyn Ledger) {
    let arrival = arrive(ledger, "a", 1).await;
    let mut new: Vec<_> = (0..8)
        .map(|number| new_delivery(&arrival, "products", "share", &number.to_string()))
        .collect();
    for (number, new) in (0..).zip(&mut new) {
        let to = destination(&format!("share-{number}"));
        new.id = DeliveryId::derive(arrival.version.id, &new.route, &to);
        new.has_after = true;
    }
    let routed = ledger.route(arrival.seq, new, REVISION, minute(0));
    assert_eq!(routed.await.unwrap(), 8);
    let other = arrive(ledger, "b", 2).await;
    deliver_new(
        ledger,
        &other,
        new_delivery(&other, "products", "share", "b"),
    )
    .await;
    let claimed = claim(ledger, 0, 99).await;
    assert_eq!(claimed.len(), 9);
    let ends = claimed
        .iter()
        .map(|one| end(ledger, one, DeliveryState::Delivered));
    for ended in join_all(ends).await {
        ended.unwrap();
    }
    let finished = ledger.finished(99).await.unwrap();
    assert_eq!(finished.len(), 8);
    assert!(finished.iter().all(|one| one.source == arrival.path));
    let open = DeliveryFilter {
        state: Some("running"),
        ..DeliveryFilter::default()
    };
    assert!(ledger.deliveries(open).await.unwrap().is_empty());
}
