//! Several loads into one table at once, and a server that dies.

use qm_core::delivery::Outcome;
use qm_testkit::outside::OpenFence;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::Server;
use crate::suite::scene::{Gate, Scene, Waits, counts, csv, file, say};

/// Far more than anything takes that is waited for.
const DEADLINE: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_two_loads_of_one_table() {
    let server = Server::new();
    let mut text = "ID,Title\n".to_owned();
    for number in 0..20_000 {
        writeln!(text, "{number},t").unwrap();
    }
    // Two destinations: nothing but the table keeps them apart, and it is not there yet.
    let (one, other) = (
        Scene::new(&server, "products"),
        Scene::new(&server, "products"),
    );
    let (first, second) = (csv(1, &text), file(2, "other.csv", text.clone()));
    let (first, second) = tokio::join!(one.load(&first), other.load(&second));
    assert_eq!(first.counts.inserted + second.counts.inserted, 20_000);
    assert_eq!(first.counts.unchanged + second.counts.unchanged, 20_000);
    assert_eq!(one.rows(&["ID"]).await.len(), 20_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_a_load_says_that_it_waits_for_its_turn_at_the_merge() {
    let server = Server::new();
    let (one, other) = (
        Scene::new(&server, "products"),
        Scene::new(&server, "products"),
    );
    one.load(&csv(1, "ID,Title\na,x\n")).await;
    let first = csv(2, "ID,Title\na,y\nb,y\n");
    let second = file(3, "other.csv", "ID,Title\na,z\nc,z\n");
    let (gate, waits) = (Gate::default(), Waits::default());
    let behind = async {
        gate.come.acquire().await.unwrap().forget();
        let load = other.outcome_with(&second, &OpenFence, Some(&waits));
        let watch = async {
            stands_in_line(&server).await;
            // It has begun, and now the table is another's.
            assert_eq!(*waits.0.lock(), [true, false, true]);
            gate.open.add_permits(1);
        };
        tokio::join!(load, watch).0
    };
    let (first, second) = tokio::join!(one.outcome_with(&first, &gate, None), behind);
    for (outcome, expect) in [(first, [2, 1, 1, 0, 0, 0]), (second, [2, 1, 1, 0, 0, 0])] {
        let Outcome::Loaded(load) = outcome else {
            panic!("{}", say(&outcome));
        };
        assert_eq!(counts(load.counts), expect);
    }
    assert_eq!(*waits.0.lock(), [true, false, true, false]);
    assert_eq!(one.texts(&["ID", "Title"]).await, ["a|z", "b|y", "c|z"]);
}

/// Until a load waits for another.
async fn stands_in_line(server: &Server) {
    const LOOK: &str = "SELECT count(*) FROM pg_stat_activity
        WHERE wait_event = 'advisory' AND datname = current_database()";
    let client = server.client().await;
    let began = Instant::now();
    while client.query_one(LOOK, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(began.elapsed() < DEADLINE, "it does not wait");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_one_delivery_twice_at_once() {
    let server = Server::new();
    let scene = Scene::appending(&server, "products");
    let file = csv(1, "ID,Title\na,1\nb,2\n");
    let (one, other) = tokio::join!(scene.outcome(&file), scene.outcome(&file));
    // Each takes the other for one that was left behind, so both may be ended.
    for outcome in [&one, &other] {
        let is_told = matches!(outcome, Outcome::Loaded(_) | Outcome::Failed(_));
        assert!(is_told, "{}", say(outcome));
    }
    let load = scene.load(&file).await;
    assert_eq!(counts(load.counts), [2, 2, 0, 0, 0, 0]);
    assert_eq!(scene.rows(&["ID"]).await.len(), 2);
}
