//! Loads of one table take turns, and who has lost the turn or the fence writes nothing more.

use qm_core::{Kind, Retry};
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use super::server::Server;
use super::wire::Wire;
use super::world::{ClosesAfter, Open, World, again, counts, delivery};
use crate::engine::Engine as _;

const ROWS: &str = "ID,Title\n1,a\n2,a\n3,a\n4,a\n5,a\n6,a\n";

#[tokio::test]
async fn foreign_a_load_that_lives_is_waited_for_and_one_that_does_not_is_not() {
    let server = Server::dynalite();
    let world = World::at(&server.endpoint).await;
    let (first, second) = (delivery("a.csv", 1), delivery("b.csv", 2));
    // The first one has begun, and shows a sign of life at every look.
    let (mut load, file) = world.begin(&first, ROWS).await;
    let control = world.engine().control().await.unwrap();
    let beats = async {
        loop {
            let turn = control
                .holder(&world.table.table)
                .await
                .unwrap()
                .unwrap()
                .turn;
            assert!(control.beat(&world.table.table, turn).await.unwrap());
            tokio::task::yield_now().await;
        }
    };
    let other = async { world.engine().begin(&second, &file.columns).await.err() };
    let error = tokio::select! {
        error = other => error.unwrap(),
        () = beats => unreachable!("it goes on for ever"),
    };
    assert_eq!(
        (error.kind(), error.retry_verdict()),
        (Kind::Unavailable, Retry::Later)
    );
    // Now it shows none; and when it wakes up, it is not its turn any more.
    let loaded = world.attempt(&again(&second), "ID,Title\n1,b\n").await;
    assert_eq!(loaded.unwrap(), counts(1, 0, 0, 0));
    let mut lost = None;
    for batch in file.batches {
        lost = lost.or(load.write(batch, &Open).await.err());
    }
    let lost = lost.unwrap();
    assert_eq!(
        (lost.kind(), lost.retry_verdict()),
        (Kind::Conflict, Retry::Later)
    );
    assert_eq!(world.items().await.len(), 1);
    drop(load);
    // It gets another attempt.
    let loaded = world.attempt(&again(&first), ROWS).await;
    assert_eq!(loaded.unwrap(), counts(5, 1, 0, 0));
}

#[tokio::test]
async fn foreign_a_load_that_broke_off_between_chunks_lets_the_next_begin() {
    let server = Server::dynalite();
    let mut world = World::at(&server.endpoint).await;
    // Nobody is waited for in vain here.
    world.limits.courtesy.looks = u32::MAX;
    let (mut load, file) = world.begin(&delivery("a.csv", 1), ROWS).await;
    for batch in file.batches {
        load.write(batch, &Open).await.unwrap();
    }
    drop(load);
    let loaded = world
        .attempt(&delivery("b.csv", 2), "ID,Title\n9,b\n")
        .await;
    assert_eq!(loaded.unwrap(), counts(1, 0, 0, 0));
}

#[tokio::test]
async fn foreign_an_attempt_that_was_overtaken_writes_nothing_more() {
    let server = Server::dynalite();
    let world = World::at(&server.endpoint).await;
    let first = delivery("a.csv", 1);
    let (mut load, file) = world.begin(&first, ROWS).await;
    let (second, _) = world.begin(&again(&first), ROWS).await;
    for batch in file.batches {
        let lost = load.write(batch, &Open).await.err().unwrap();
        assert_eq!(lost.kind(), Kind::Conflict);
    }
    let lost = load.finish(6, 0, &Open).await.unwrap_err();
    assert_eq!(lost.kind(), Kind::Conflict);
    // Nor does it begin again.
    let lost = world.engine().begin(&first, &file.columns).await.err();
    assert_eq!(lost.unwrap().kind(), Kind::Conflict);
    assert!(world.items().await.is_empty());
    drop(second);
    let loaded = world.attempt(&again(&again(&first)), ROWS).await;
    assert_eq!(loaded.unwrap(), counts(6, 0, 0, 0));
}

#[tokio::test]
async fn foreign_behind_a_closed_fence_nothing_is_written() {
    let server = Server::dynalite();
    let wire = Wire::to(Some(&server.endpoint)).await;
    // Asked before each chunk of four rows and before the end.
    for (looks, rows) in [(0, 0), (1, 4), (2, 6)] {
        for in_batches in [false, true] {
            let mut world = World::at(&wire.endpoint).await;
            if in_batches {
                world = world.in_batches();
            }
            let first = delivery("a.csv", 1);
            let fence = ClosesAfter(AtomicI64::new(looks));
            let closed = world.attempt_with(&first, ROWS, &fence).await.unwrap_err();
            assert_eq!(closed.kind(), Kind::Conflict);
            assert_eq!(world.items().await.len(), rows, "{looks} {in_batches}");
            let loaded = world.attempt(&again(&first), ROWS).await;
            assert_eq!(loaded.unwrap(), counts(6, 0, 0, 0), "{looks} {in_batches}");
        }
    }
}

/// A chunk that takes long is not written blindly to its end.
#[tokio::test]
async fn foreign_within_a_chunk_it_is_looked_again() {
    let server = Server::dynalite();
    let mut world = World::at(&server.endpoint).await;
    world.limits.look_every = Duration::ZERO;
    world.limits.rows_in_flight = 1;
    let first = delivery("a.csv", 1);
    // Once before the rows are read, twice while, once before the first row is put.
    let fence = ClosesAfter(AtomicI64::new(4));
    let closed = world.attempt_with(&first, ROWS, &fence).await.unwrap_err();
    assert_eq!(closed.kind(), Kind::Conflict);
    assert_eq!(world.items().await.len(), 1);
    let loaded = world.attempt(&again(&first), ROWS).await;
    assert_eq!(loaded.unwrap(), counts(6, 0, 0, 0));
}
