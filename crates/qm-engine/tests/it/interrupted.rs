use qm_core::config::Config;
use qm_core::{Kind, ports::ledger::Deliveries as _};
use qm_testkit::outside::Act;

use crate::settings::{add_route, config, limits};
use crate::world::World;

fn copying() -> Config {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    config
}

/// The node dies in the first attempt: before its effect, or after it and before the record.
async fn dies_in_attempt(has_effect: bool) -> World {
    let mut world = World::new(copying());
    let share = world.destination("share");
    share.hold();
    world.arrives("landing/north/a.csv").await;
    world.runs_until(|_| share.attempts() == 1).await;
    if has_effect {
        world.ledger.fail_after(Some(0));
        share.release();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(share.landed().len(), 1);
    }
    world.restarts();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    world.ledger.fail_after(None);
    share.release();
    assert_eq!(world.table().await, ["landing/north/a.csv share running 1"]);
    world
}

#[tokio::test(start_paused = true)]
async fn what_is_there_already_is_not_sent_again() {
    let world = dies_in_attempt(true).await;
    world.settles().await;
    let share = world.destination("share");
    assert_eq!((share.landed().len(), share.questions()), (1, 1));
    assert_eq!(
        world.table().await,
        ["landing/north/a.csv share delivered 1"]
    );
    let id = world.deliveries().await[0].id;
    let attempts = world.ledger.attempts(id).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(
        attempts[0].note.as_deref(),
        Some("found at the destination after a restart")
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_sent_at_once() {
    let world = dies_in_attempt(false).await;
    world.settles().await;
    let share = world.destination("share");
    assert_eq!((share.landed().len(), share.questions()), (1, 1));
    assert_eq!(
        world.table().await,
        ["landing/north/a.csv share delivered 2"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_cannot_be_asked_is_asked_again_before_anything_is_sent() {
    let world = dies_in_attempt(true).await;
    let share = world.destination("share");
    share.set_down(Some(Kind::Unavailable));
    world.settles().await;
    assert_eq!(world.table().await, ["landing/north/a.csv share waiting 2"]);
    assert!(world.deliveries().await[0].possible_duplicate);
    share.set_down(None);
    world.after_minutes(2).await;
    assert_eq!(
        world.table().await,
        ["landing/north/a.csv share delivered 3"]
    );
    assert_eq!((share.landed().len(), share.attempts()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_taken_away_is_sent_again_and_flagged() {
    let world = dies_in_attempt(true).await;
    let share = world.destination("share");
    share.emptied_by_others();
    share.take_away("north/a.csv");
    world.settles().await;
    assert_eq!(
        world.table().await,
        ["landing/north/a.csv share delivered 2"]
    );
    assert_eq!(share.landed().len(), 2);
    assert!(world.deliveries().await[0].possible_duplicate);
}

#[tokio::test(start_paused = true)]
async fn what_was_certainly_not_delivered_is_not_flagged() {
    for may_be_taken_away in [false, true] {
        let world = dies_in_attempt(false).await;
        if may_be_taken_away {
            world.destination("share").emptied_by_others();
        }
        world.settles().await;
        assert_eq!(world.destination("share").landed().len(), 1);
        assert_eq!(
            world.deliveries().await[0].possible_duplicate,
            may_be_taken_away
        );
    }
}

#[tokio::test(start_paused = true)]
async fn many_questions_are_asked_no_faster_than_the_destination_may_be_used() {
    let mut config = copying();
    limits(&mut config, "share").concurrency = 100;
    let mut world = World::new(config.clone());
    let share = world.destination("share");
    share.hold();
    for number in 0..100 {
        world.arrives(&format!("landing/north/{number}.csv")).await;
    }
    world.runs_until(|_| share.attempts() == 100).await;
    limits(&mut config, "share").concurrency = 3;
    world.applies(config);
    world.restarts();
    world.pass("deliver").await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(share.questions(), 3);
    share.release();
    world.settles().await;
    assert_eq!((share.questions(), share.landed().len()), (100, 100));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_brings_the_node_down_each_time_ends_as_a_dead_letter() {
    let mut world = World::new(copying());
    let share = world.destination("share");
    share.hold();
    world.arrives("landing/north/a.csv").await;
    for attempt in 1..=3 {
        world.runs_until(|_| share.attempts() == attempt).await;
        world.restarts();
    }
    world.settles().await;
    assert_eq!(world.table().await, ["landing/north/a.csv share dead 3"]);
    assert_eq!(world.mails("ops").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_was_lost_is_found_again() {
    let world = World::new(copying());
    world.arrives("landing/north/a.csv").await;
    world.pass("route").await.unwrap();
    // Another worker's claim stands for one of ours that was committed without our knowing.
    let now = qm_core::ports::clock::Clock::now(&world.clock);
    let claim = qm_core::ports::ledger::Claim {
        destination: crate::settings::destination("share"),
        limit: 1,
        now,
    };
    world.pass("deliver").await.unwrap();
    world.reconciler("deliver").drain().await;
    world.arrives("landing/north/b.csv").await;
    world.pass("route").await.unwrap();
    assert_eq!(world.ledger.claim(claim).await.unwrap().len(), 1);
    world.arrives("landing/north/c.csv").await;
    world.pass("route").await.unwrap();
    world.destination("share").acts([Act::Fail(Kind::Refused)]);
    world.ledger.fail_after(Some(0));
    world.pass("deliver").await.unwrap_err();
    world.ledger.fail_after(None);
    world.settles().await;
    let states: Vec<String> = world.table().await;
    assert!(
        states.iter().all(|row| !row.contains("running")),
        "{states:?}"
    );
}
