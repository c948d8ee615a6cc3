//! Several nodes on one ledger: one dies, or is frozen and wakes up.

use jiff::SignedDuration;
use qm_core::Kind;
use qm_core::config::Config;
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::{NodeReport, Nodes as _};

use crate::settings::{add_route, config};
use crate::world::{LEASE, World, node};

fn copying() -> Config {
    let mut config = config();
    add_route(&mut config, "copy", "landing/**", &["share"]);
    config
}

impl World {
    /// The node says that it lives.
    async fn lives(&self, name: &str) -> qm_core::Result<()> {
        let now = self.clock.now();
        let report = NodeReport {
            node: node(name),
            sftp_address: "127.0.0.1:0".parse().unwrap(),
            fingerprints: vec![],
            process: 1,
            version: "0".to_owned(),
            started_at: now,
            alive_at: Some(now),
        };
        self.ledger.report(report).await
    }
}

/// Node `one` is in an attempt, before its effect; then `two` comes, and nobody hears of `one` until
/// its lease is over.
async fn one_is_silent() -> (World, World) {
    let one = World::of_many(copying());
    let share = one.destination("share");
    share.hold();
    one.arrives("landing/north/a.csv").await;
    one.runs_until(|_| share.attempts() == 1).await;
    let two = one.beside();
    two.settles().await;
    assert_eq!((share.attempts(), share.questions()), (1, 0));
    one.clock.advance(LEASE - SignedDuration::from_secs(1));
    two.lives("two").await.unwrap();
    two.settles().await;
    assert_eq!(share.questions(), 0, "the lease is not over yet");
    one.clock.advance(SignedDuration::from_secs(10));
    (one, two)
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_node_had_begun_is_asked_about_and_done_by_another() {
    let (one, two) = one_is_silent().await;
    let share = two.destination("share");
    drop(one);
    share.release();
    two.settles().await;
    assert_eq!((share.questions(), share.landed().len()), (1, 1));
    assert_eq!(two.table().await, ["landing/north/a.csv share delivered 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_wakes_up_late_does_nothing_twice() {
    let (one, two) = one_is_silent().await;
    let share = two.destination("share");
    two.runs_until(|_| share.attempts() == 2).await;
    share.release();
    for world in [&one, &two] {
        world.reconciler("deliver").drain().await;
    }
    two.settles().await;
    assert_eq!(share.landed().len(), 1);
    assert_eq!(two.table().await, ["landing/north/a.csv share delivered 2"]);

    // It learns that it was taken for dead, and goes on.
    let taken_for_dead = one.lives("one").await.unwrap_err();
    assert_eq!(taken_for_dead.kind(), Kind::Conflict);
    one.arrives("landing/north/b.csv").await;
    one.settles().await;
    assert_eq!(share.landed().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_nobody_stood_in_for_takes_up_its_own_again() {
    let (one, two) = one_is_silent().await;
    let share = one.destination("share");
    drop(two);
    one.lives("one").await.unwrap_err();
    for _ in 0..3 {
        one.pass("deliver").await.unwrap();
    }
    assert_eq!(share.attempts(), 1, "the attempt from before still runs");
    share.release();
    one.reconciler("deliver").drain().await;
    assert_eq!(share.landed().len(), 0, "and is fenced off");
    one.clock.advance(SignedDuration::from_secs(10));
    one.lives("one").await.unwrap();
    one.settles().await;
    assert_eq!((share.questions(), share.landed().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn nodes_share_the_work_and_deliver_nothing_twice() {
    let one = World::of_many(copying());
    let two = one.beside();
    let share = one.destination("share");
    share.hold();
    for number in 0..20 {
        one.arrives(&format!("landing/north/{number}.csv")).await;
    }
    for world in [&one, &two] {
        world.runs_until(|_| share.attempts() >= 4).await;
    }
    two.runs_until(|_| share.attempts() == 8).await;
    share.release();
    for _ in 0..20 {
        for world in [&one, &two] {
            world.settles().await;
        }
    }
    assert_eq!((share.landed().len(), share.attempts()), (20, 20));
}
