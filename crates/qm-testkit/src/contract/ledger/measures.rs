//! What alarms and metrics count.

use qm_core::alarm::Metric;
use qm_core::delivery::{DeliveryState, Transition};
use qm_core::load::{Counts, Load};
use qm_core::ports::ledger::{Ledger, StateCount};
use std::time::Duration;

use crate::ledger::sample::{
    arrive, claim, claim_to, deliver_by, destination, finish, ids, minute, transition,
    upload_and_deliver, waiting,
};

async fn measure(ledger: &dyn Ledger, metric: Metric, since: i64) -> u64 {
    let share = destination("share");
    ledger.measure(&share, metric, minute(since)).await.unwrap()
}

async fn all(ledger: &dyn Ledger, since: i64) -> [u64; 5] {
    let mut all = [0; 5];
    for (value, metric) in all.iter_mut().zip(Metric::ALL) {
        *value = measure(ledger, metric, since).await;
    }
    all
}

/// Those after the time, of the destination, and no others.
pub async fn attempts_and_failures_are_counted(ledger: &dyn Ledger) {
    assert_eq!(all(ledger, -99).await, [0; 5]);
    for (number, at, state) in [
        (1, 1, DeliveryState::Delivered),
        (2, 2, DeliveryState::Dead),
        (3, 3, waiting(50)),
        (4, 4, DeliveryState::Superseded),
    ] {
        let name = format!("file-{number}");
        let arrival = arrive(ledger, &name, number).await;
        deliver_by(ledger, &arrival, "products", "share", &name).await;
        let claimed = claim(ledger, at, 1).await.remove(0);
        finish(ledger, &claimed, state, at + 10).await;
    }
    let elsewhere = arrive(ledger, "other", 5).await;
    deliver_by(ledger, &elsewhere, "products", "archive", "other").await;
    let claimed = claim_to(ledger, "archive", 9, 1).await.remove(0);
    finish(ledger, &claimed, DeliveryState::Dead, 9).await;
    for (since, attempts, failures) in [
        (0, 4, 2),
        (1, 3, 2),
        (4, 0, 2),
        (12, 0, 1),
        (13, 0, 0),
        (99, 0, 0),
    ] {
        assert_eq!(
            (
                measure(ledger, Metric::Attempts, since).await,
                measure(ledger, Metric::Failures, since).await
            ),
            (attempts, failures),
            "since {since}"
        );
    }
}

/// Ready, and something else of the destination went on until after that. What waits for its own
/// time, or for a node that was down, is not held back.
pub async fn what_is_held_back_is_counted(ledger: &dyn Ledger) {
    let held_back = || measure(ledger, Metric::HeldBack, -1);
    for number in 1..=4 {
        upload_and_deliver(ledger, &format!("file-{number}"), number).await;
    }
    // Ready since noon, and nothing has run before: the node was down.
    let claimed = claim(ledger, 2, 2).await;
    assert_eq!(claimed.len(), 2);
    assert_eq!(held_back().await, 0);
    finish(ledger, &claimed[0], DeliveryState::Delivered, 3).await;
    let third = claim(ledger, 3, 1).await.remove(0);
    assert_eq!(held_back().await, 1);
    finish(ledger, &claimed[1], DeliveryState::Delivered, 4).await;
    finish(ledger, &third, waiting(8), 5).await;
    let fourth = claim(ledger, 5, 1).await.remove(0);
    assert_eq!(held_back().await, 2);
    finish(ledger, &fourth, DeliveryState::Delivered, 6).await;
    // Its time came at 8, when nothing ran any more.
    let again = claim(ledger, 9, 1).await;
    assert_eq!(ids(&again), [third.id]);
    assert_eq!(held_back().await, 2);
    assert_eq!(measure(ledger, Metric::HeldBack, 3).await, 1);
    finish(ledger, &again[0], DeliveryState::Delivered, 10).await;
}

/// The order within one key holds back as well.
pub async fn one_behind_another_is_held_back(ledger: &dyn Ledger) {
    for number in 1..=2 {
        let arrival = arrive(ledger, &format!("file-{number}"), number).await;
        deliver_by(ledger, &arrival, "products", "share", "one table").await;
    }
    let first = claim(ledger, 0, 9).await;
    assert_eq!(first.len(), 1);
    assert!(claim(ledger, 1, 9).await.is_empty());
    finish(ledger, &first[0], DeliveryState::Delivered, 2).await;
    assert_eq!(claim(ledger, 2, 9).await.len(), 1);
    assert_eq!(measure(ledger, Metric::HeldBack, -1).await, 1);
}

/// Most at a time in the window, which may be over, and those that have run since before it.
pub async fn what_runs_at_a_time_is_counted(ledger: &dyn Ledger) {
    let running = |since| measure(ledger, Metric::Running, since);
    for number in 1..=4 {
        upload_and_deliver(ledger, &format!("file-{number}"), number).await;
    }
    let mut claimed = claim(ledger, 1, 2).await;
    claimed.extend(claim(ledger, 2, 1).await);
    assert_eq!(running(0).await, 3);
    assert_eq!(running(9).await, 3, "they still run");
    finish(ledger, &claimed[0], DeliveryState::Delivered, 3).await;
    finish(ledger, &claimed[1], DeliveryState::Delivered, 3).await;
    assert_eq!(running(0).await, 3);
    assert_eq!(running(1).await, 3);
    assert_eq!(running(2).await, 1);
    assert_eq!(claim(ledger, 4, 1).await.len(), 1);
    assert_eq!(running(2).await, 2);
}

/// An average over rows, not over loads; a small file is not slow because it is small, and one of
/// which nobody knows how long it took does not count.
pub async fn durations_are_averaged_over_rows(ledger: &dyn Ledger) {
    let table = [
        (1, 1_000, Some(300), 300),
        // 300 ms and 2,700 ms over 10,000 rows.
        (2, 9_000, Some(2_700), 300),
        (3, 2, Some(40), 276),
        (4, 10, None, 276),
        (5, 1_000, Some(9_000), 1_003),
    ];
    for (number, rows, took, expect) in table {
        upload_and_deliver(ledger, &format!("file-{number}"), number).await;
        let claimed = claim(ledger, 0, 1).await.remove(0);
        let ended = Transition {
            load: Some(Load {
                engine: "SQLite",
                table: "products".to_owned(),
                counts: Counts {
                    read: rows,
                    inserted: rows,
                    ..Counts::default()
                },
                rejects: None,
            }),
            took: took.map(Duration::from_millis),
            ..transition(DeliveryState::Delivered, "loaded")
        };
        let at = minute(i64::from(number));
        ledger.finish(&claimed, ended, None, at).await.unwrap();
        assert_eq!(
            measure(ledger, Metric::Duration, 0).await,
            expect,
            "{number}"
        );
    }
    assert_eq!(measure(ledger, Metric::Duration, 4).await, 9_000);
    assert_eq!(measure(ledger, Metric::Duration, 5).await, 0);
}

/// By destination and state.
pub async fn deliveries_are_counted_by_destination(ledger: &dyn Ledger) {
    for (number, to, state) in [
        (1, "share", Some(DeliveryState::Delivered)),
        (2, "share", Some(DeliveryState::Dead)),
        (3, "archive", None),
        (4, "share", Some(DeliveryState::Delivered)),
    ] {
        let arrival = arrive(ledger, &format!("file-{number}"), number).await;
        deliver_by(ledger, &arrival, "products", to, &format!("file-{number}")).await;
        if let Some(state) = state {
            let claimed = claim_to(ledger, to, 0, 1).await.remove(0);
            finish(ledger, &claimed, state, 1).await;
        }
    }
    let expect = [
        ("archive", "waiting", 1),
        ("share", "dead", 1),
        ("share", "delivered", 2),
    ];
    let expect = expect.map(|(to, state, count)| StateCount {
        destination: destination(to),
        state: state.to_owned(),
        count,
    });
    assert_eq!(ledger.delivery_counts().await.unwrap(), expect);
}
