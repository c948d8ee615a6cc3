//! Several loads into one table at once, and a server that dies.

use qm_core::delivery::Outcome;
use std::fmt::Write as _;

use super::Server;
use crate::suite::scene::{Scene, counts, csv, file, say};

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
