//! A load that is gone at any of its requests, before or after its effect: what goes on ends with the
//! table that the file says, and with the counts of one load.

use qm_core::load::Counts;

use super::sample;
use super::server::Server;
use super::wire::{Verdict, Wire};
use super::world::{World, again, counts, delivery};

/// A load has not more requests.
const MOST: usize = 200;

/// Kills an attempt at request number `at`; true if it had ended before.
async fn is_over(wire: &Wire, world: &World, attempt: u32, at: usize, is_passed_on: bool) -> bool {
    wire.follow(move |number, _, _| {
        if number == at {
            Verdict::Hang { is_passed_on }
        } else {
            Verdict::Pass
        }
    });
    let delivery = (1..attempt).fold(delivery("a.csv", 1), |delivery, _| again(&delivery));
    tokio::select! {
        loaded = world.attempt(&delivery, sample::FILE) => {
            loaded.unwrap();
            true
        }
        () = wire.hangs() => false,
    }
}

async fn goes_on(wire: &Wire, world: World, attempt: u32, expect: Counts) {
    wire.follow(|_, _, _| Verdict::Pass);
    let first = delivery("a.csv", 1);
    let delivery = (1..attempt).fold(first.clone(), |delivery, _| again(&delivery));
    let loaded = world.attempt(&delivery, sample::FILE).await.unwrap();
    assert_eq!((loaded, world.items().await), (expect, sample::after()));
    // It is done for good, and the next load has its turn.
    let more = world
        .attempt(&super::world::delivery("b.csv", 2), "ID\nmore\n")
        .await;
    assert_eq!(more.unwrap(), counts(1, 0, 0, 0));
}

async fn killed_at_every(
    nth: usize,
    (server, name): (&Server, &str),
    expect: Counts,
    world: impl AsyncFn(&str) -> World,
) {
    let wire = Wire::to(Some(&server.endpoint)).await;
    let (mut loads, mut killed) = (0, 0);
    for is_passed_on in [false, true] {
        for at in (1..).step_by(nth) {
            assert!(at < MOST, "a load of 14 rows does not end");
            let world = world(&wire.endpoint).await;
            wire.follow(|_, _, _| Verdict::Pass);
            sample::prepare(&world).await;
            if is_over(&wire, &world, 1, at, is_passed_on).await {
                break;
            }
            // The second attempt comes about as far as the first, if there is so much to do.
            let attempts = if is_over(&wire, &world, 2, at, !is_passed_on).await {
                2
            } else {
                3
            };
            goes_on(&wire, world, attempts, expect).await;
            loads += 1;
            killed += attempts - 1;
        }
    }
    qm_testkit::figures::note(&format!(
        "loads of 14 rows into DynamoDB ({name}): {loads} loads, {} attempts, {killed} of them killed, \
         0 lost, 0 doubled",
        loads + killed
    ));
}

#[tokio::test]
async fn foreign_killed_at_every_request_on_dynalite() {
    let world = async |endpoint: &str| World::at(endpoint).await;
    killed_at_every(
        1,
        (&Server::dynalite(), "dynalite"),
        sample::by_row(),
        world,
    )
    .await;
}

#[tokio::test]
async fn foreign_killed_at_every_request_in_batches_on_dynalite() {
    let world = async |endpoint: &str| World::at(endpoint).await.in_batches();
    killed_at_every(
        1,
        (&Server::dynalite(), "dynalite, in batches"),
        sample::in_batches(),
        world,
    )
    .await;
}

#[tokio::test]
async fn foreign_killed_at_every_fifth_request_on_moto() {
    let world = async |endpoint: &str| World::at(endpoint).await;
    killed_at_every(5, (&Server::moto(), "moto"), sample::by_row(), world).await;
}

/// The declaration was changed between two attempts: what the first recorded is not gone on with.
#[tokio::test]
async fn foreign_a_file_that_is_read_otherwise_begins_anew() {
    let server = Server::dynalite();
    let wire = Wire::to(Some(&server.endpoint)).await;
    let mut world = World::at(&wire.endpoint).await;
    sample::prepare(&world).await;
    let mut puts = 0;
    wire.follow(move |_, operation, _| {
        puts += usize::from(operation == "PutItem");
        match puts {
            6 => Verdict::Hang { is_passed_on: true },
            _ => Verdict::Pass,
        }
    });
    let first = delivery("a.csv", 1);
    tokio::select! {
        loaded = world.attempt(&first, sample::FILE) => panic!("{loaded:?}"),
        () = wire.hangs() => {}
    }
    wire.follow(|_, _, _| Verdict::Pass);
    world.table.rows.delimiter = Some(',');
    let loaded = world.attempt(&again(&first), sample::FILE).await.unwrap();
    assert_eq!((loaded.read, loaded.superseded), (14, 4));
    assert_eq!(world.items().await, sample::after());
    assert!(
        loaded.unchanged > 1,
        "rows of the first attempt are there already"
    );
}
