//! Loads: what the ledger, and those who want to know, hear of rows that go into a table.

use jiff::SignedDuration;
use qm_core::Kind;
use qm_core::config::{
    AwsAccess, BucketPlace, Config, Declaration, DestinationPlace, LoadMode, OnFailure,
    S3Encryption, S3Place, Table, TableEngine,
};
use qm_core::load::{Counts, Load, LoadStatus};
use qm_core::name::Prefix;
use qm_core::ports::ledger::{Alerts as _, LoadFilter, LoadState, Loads as _, RecordedLoad};
use qm_testkit::outside::Act;
use std::collections::BTreeMap;

use crate::settings::{add_notifier, add_route, bucket, config, limits, notifier, settings};
use crate::world::{World, parse};

/// Files under `raw-data` are loaded into table `products`, one at a time, told to `owner`.
pub(crate) fn loading() -> Config {
    let mut config = config();
    add_notifier(&mut config, "owner");
    let route = add_route(&mut config, "load", "landing/raw-data/*", &["products"]);
    route.on_failure = OnFailure::Block;
    settings(&mut config, "products").place = DestinationPlace::Table(Box::new(Table {
        engine: TableEngine::Sqlite {
            file: "/nowhere".into(),
        },
        table: "products".to_owned(),
        rows: Declaration::default(),
        key: vec!["ID".to_owned()],
        mode: LoadMode::Upsert,
        create: false,
        sequence: None,
        undo: false,
        rejects: None,
        report: vec![notifier("owner")],
    }));
    limits(&mut config, "products").concurrency = 1;
    config
}

/// Every row is new, but for those that are rejected.
pub(crate) fn load(read: u64, rejected: u64) -> Load {
    Load {
        engine: "SQLite",
        table: "products".to_owned(),
        counts: counts(read, rejected),
        rejects: (rejected > 0).then(|| parse("landing/invalid-records/1/invalid_items.json")),
    }
}

fn counts(read: u64, rejected: u64) -> Counts {
    Counts {
        read,
        inserted: read - rejected,
        rejected,
        ..Counts::default()
    }
}

async fn loads(world: &World) -> Vec<RecordedLoad> {
    world.ledger.loads(LoadFilter::default()).await.unwrap()
}

async fn is_quiet(world: &World) -> bool {
    world.ledger.alerts(9).await.unwrap().is_empty()
}

#[tokio::test(start_paused = true)]
async fn a_load_is_recorded_and_told_once() {
    for (read, rejected, status, first_line) in [
        (
            1_000,
            0,
            LoadStatus::Loaded,
            "Data loaded successfully to SQLite table products from s3://landing/raw-data/a.csv",
        ),
        (
            14,
            14,
            LoadStatus::AllRejected,
            "Failed to load all the items and are saved in the s3 bucket \
             s3://landing/invalid-records/1/invalid_items.json",
        ),
        (
            3,
            1,
            LoadStatus::Partly,
            "2 rows loaded to SQLite table products from s3://landing/raw-data/a.csv",
        ),
        (
            0,
            0,
            LoadStatus::NoRows,
            "No rows in s3://landing/raw-data/a.csv: nothing was loaded to SQLite table products",
        ),
    ] {
        let world = World::new(loading());
        world.destination("products").loads(load(read, rejected));
        world.arrives("landing/raw-data/a.csv").await;
        world.settles().await;
        world.after_minutes(600).await;
        assert_eq!(world.mails("owner"), ["SQLite table load status"]);
        let body = &world.notifier("owner").sent()[0].text.body;
        assert_eq!(body.lines().next(), Some(first_line));
        assert!(is_quiet(&world).await, "no alert that nobody resolves");
        let found = loads(&world).await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].state, LoadState::Ended(status));
        assert_eq!(found[0].counts, counts(read, rejected));
    }
}

/// Whoever reads the mail looks for the files where they are, not by a name of the configuration.
#[tokio::test(start_paused = true)]
async fn a_load_is_told_with_the_places_that_s3_has() {
    let mut config = loading();
    let landing = config.buckets.get_mut(&bucket("landing")).unwrap();
    landing.place = BucketPlace::S3(S3Place {
        bucket: "company-landing".to_owned(),
        prefix: Prefix::parse("in/north").unwrap(),
        access: AwsAccess::default(),
        path_style: false,
        encryption: S3Encryption::BucketDefault,
        checksums: true,
        tags: BTreeMap::new(),
    });
    let world = World::new(config);
    world.destination("products").loads(load(3, 1));
    world.arrives("landing/raw-data/a.csv").await;
    world.settles().await;
    let body = &world.notifier("owner").sent()[0].text.body;
    let said = body.split_once("\n\n").map(|(said, _)| said);
    assert_eq!(
        said,
        Some(
            "2 rows loaded to SQLite table products from s3://company-landing/in/north/raw-data/a.csv\n1 rows rejected, \
             saved in the s3 bucket s3://company-landing/in/north/invalid-records/1/invalid_items.json"
        )
    );
}

/// The rows are in the table, and the answer, or the process, is lost before anybody counted them.
#[tokio::test(start_paused = true)]
async fn a_load_whose_answer_was_lost_is_counted_and_told_once() {
    let world = World::new(loading());
    let products = world.destination("products");
    products.loads(load(10, 0));
    products.acts([Act::LoseAnswer]);
    world.arrives("landing/raw-data/a.csv").await;
    world.settles().await;
    assert!(world.mails("owner").is_empty());
    world.after_minutes(1).await;
    assert_eq!(world.mails("owner"), ["SQLite table load status"]);
    assert_eq!(loads(&world).await[0].counts, counts(10, 0));
    assert_eq!(products.landed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_a_crash_interrupts_is_counted_and_told_once() {
    /// More than the ledger makes of a load.
    const WRITES: u64 = 40;
    let mut was_interrupted = 0;
    for writes in 0..WRITES {
        let mut world = World::new(loading());
        world.destination("products").loads(load(10, 0));
        world.arrives("landing/raw-data/a.csv").await;
        world.ledger.fail_after(Some(writes));
        // Attempts that cannot record their outcome are cut off by the drain.
        was_interrupted += u64::from(world.try_settle().await.is_err());
        world.restarts();
        world.ledger.fail_after(None);
        world.settles().await;
        world.after_minutes(30).await;
        assert_eq!(loads(&world).await.len(), 1, "after {writes} writes");
        assert_eq!(loads(&world).await[0].counts, counts(10, 0));
        let told = world.ledger.notifications(9).await.unwrap();
        let reports = told.iter().filter(|n| n.notifier == notifier("owner"));
        assert_eq!(reports.count(), 1, "after {writes} writes");
        assert_eq!(world.destination("products").landed().len(), 1);
    }
    assert!((3..WRITES).contains(&was_interrupted), "{was_interrupted}");
}

#[tokio::test(start_paused = true)]
async fn a_load_tells_how_far_it_is() {
    let world = World::new(loading());
    let products = world.destination("products");
    products.loads(load(500, 0));
    products.says([counts(100, 0), counts(200, 1)]);
    products.hold();
    world.arrives("landing/raw-data/a.csv").await;
    world.runs_until(|_| products.attempts() == 1).await;
    assert!(loads(&world).await.is_empty());
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let running = loads(&world).await.remove(0);
    assert_eq!(running.state, LoadState::Running);
    assert_eq!(running.counts, counts(200, 1));
    assert_eq!(running.table, "products");
    products.release();
    world.settles().await;
    let ended = loads(&world).await.remove(0);
    assert_eq!(ended.state, LoadState::Ended(LoadStatus::Loaded));
    assert_eq!(ended.counts, counts(500, 0));
}

/// As dead letters are, and those who want to know of every load hear of it too.
#[tokio::test(start_paused = true)]
async fn a_load_that_failed_for_good_is_told() {
    let world = World::new(loading());
    let products = world.destination("products");
    products.says([counts(100, 0)]);
    products.acts([Act::FailForNow(Kind::Unavailable); 3]);
    products.set_down(Some(Kind::Unavailable));
    world.arrives("landing/raw-data/a.csv").await;
    world.settles().await;
    for (minutes, attempts) in [(0, 1), (1, 2), (1, 2), (1, 3), (60, 3)] {
        world.after_minutes(minutes).await;
        assert_eq!(products.attempts(), attempts);
    }
    let subject = "Delivery of landing/raw-data/a.csv to products failed";
    assert_eq!(world.mails("owner"), [subject]);
    assert_eq!(world.mails("ops"), [subject]);
}

/// Twenty files with a limit of one: each has its turn, in order, and none is lost.
#[tokio::test(start_paused = true)]
async fn twenty_files_with_a_limit_of_one_all_load() {
    let world = World::new(loading());
    let products = world.destination("products");
    products.loads(load(10, 0));
    for number in 0..20 {
        world
            .arrives(&format!("landing/raw-data/{number:02}.csv"))
            .await;
    }
    world.settles().await;
    assert_eq!(products.at_once_max(), 1);
    let targets: Vec<String> = products.landed().into_iter().map(|l| l.target).collect();
    assert_eq!(targets.len(), 20);
    assert_eq!(loads(&world).await.len(), 20);
    assert_eq!(world.mails("owner").len(), 20);
}

/// One that hangs holds up the others; they are given up, and told of, when their time is over and
/// not when their turn comes.
#[tokio::test(start_paused = true)]
async fn loads_that_wait_too_long_expire_in_time() {
    let mut config = loading();
    let route = config.routes.values_mut().next().unwrap();
    route.max_age = Some(std::time::Duration::from_mins(30));
    let world = World::new(config);
    let products = world.destination("products");
    products.loads(load(10, 0));
    products.hold();
    world.arrives("landing/raw-data/a.csv").await;
    world.runs_until(|_| products.attempts() == 1).await;
    world.clock.advance(SignedDuration::from_mins(1));
    world.arrives("landing/raw-data/b.csv").await;
    for _ in 0..30 {
        world.runs_until(|_| true).await;
        world.clock.advance(SignedDuration::from_mins(1));
        assert!(is_quiet_but_stalled(&world).await);
    }
    world
        .runs_until(|world| world.mails("owner").len() == 1)
        .await;
    assert_eq!(
        world.mails("owner"),
        ["Delivery of landing/raw-data/b.csv to products expired"]
    );
    // What was begun in time is not cut off.
    products.release();
    world.settles().await;
    assert_eq!(
        world.table().await,
        [
            "landing/raw-data/a.csv products delivered 1",
            "landing/raw-data/b.csv products dead 0",
        ]
    );
}

async fn is_quiet_but_stalled(world: &World) -> bool {
    let alerts = world.ledger.alerts(9).await.unwrap();
    alerts
        .iter()
        .all(|alert| !alert.key.starts_with("delivery:"))
}
