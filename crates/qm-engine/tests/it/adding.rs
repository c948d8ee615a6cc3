//! Destinations that add the rows of a file to those that are there: no version takes the place of another.

use qm_core::Kind;
use qm_core::config::{Config, DestinationPlace, LoadMode, OnFailure};
use qm_core::ports::ledger::{LoadFilter, Loads as _};
use qm_testkit::outside::Act;

use crate::loading::{load, loading};
use crate::settings::settings;
use crate::world::World;

const FILE: &str = "landing/raw-data/a.csv";

fn loading_by(mode: LoadMode, on_failure: OnFailure) -> Config {
    let mut config = loading();
    for route in config.routes.values_mut() {
        route.on_failure = on_failure;
    }
    let DestinationPlace::Table(table) = &mut settings(&mut config, "products").place else {
        panic!("it is no table");
    };
    table.mode = mode;
    config
}

#[tokio::test(start_paused = true)]
async fn every_version_is_loaded_and_a_redriven_one_after_newer_ones() {
    for (on_failure, expect) in [
        (OnFailure::SkipSuperseded, [2, 3, 1]),
        (OnFailure::Block, [2, 3, 1]),
        (OnFailure::Independent, [3, 2, 1]),
    ] {
        let world = World::new(loading_by(LoadMode::Append, on_failure));
        let products = world.destination("products");
        products.loads(load(10, 0));
        products.acts([Act::Fail(Kind::Refused), Act::Fail(Kind::Unavailable)]);
        let mut versions = Vec::new();
        for _ in 0..3 {
            versions.push(world.arrives(FILE).await.id);
            world.settles().await;
        }
        world.after_minutes(1).await;
        let states = ["dead 1", "delivered 2", "delivered 1"];
        let states = states.map(|state| format!("{FILE} products {state}"));
        assert_eq!(world.table().await, states);
        assert_eq!(world.redrives().await, 1);
        world.settles().await;
        let landed = products.landed().into_iter().map(|landed| landed.version);
        let expect = expect.map(|number| versions[number - 1]);
        assert_eq!(landed.collect::<Vec<_>>(), expect, "{on_failure:?}");
        let loads = world.ledger.loads(LoadFilter::default()).await.unwrap();
        assert_eq!(loads.len(), 3);
    }
}

/// An older version that is redriven is added, or gives way to a newer one, as the configuration has it by
/// then. One whose place a newer one took when it arrived has nothing to be redriven.
#[tokio::test(start_paused = true)]
async fn what_a_redriven_version_does_is_said_by_the_mode_of_its_attempt() {
    let (block, skip) = (OnFailure::Block, OnFailure::SkipSuperseded);
    let (append, upsert) = (LoadMode::Append, LoadMode::Upsert);
    for (on_failure, before, then, redriven, expect) in [
        (block, upsert, append, 1, "delivered"),
        (block, append, upsert, 1, "superseded"),
        (skip, upsert, append, 0, "superseded"),
        (skip, append, upsert, 1, "superseded"),
    ] {
        let world = World::new(loading_by(before, on_failure));
        let products = world.destination("products");
        products.loads(load(10, 0));
        products.acts([Act::Fail(Kind::Refused)]);
        for _ in 0..2 {
            world.arrives(FILE).await;
            world.settles().await;
        }
        world.applies(loading_by(then, on_failure));
        assert_eq!(world.redrives().await, redriven);
        world.settles().await;
        let expect = [
            format!("{FILE} products {expect} 1"),
            format!("{FILE} products delivered 1"),
        ];
        assert_eq!(
            world.table().await,
            expect,
            "{on_failure:?}: {before:?}, then {then:?}"
        );
    }
}
