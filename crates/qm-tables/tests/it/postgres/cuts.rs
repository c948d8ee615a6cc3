//! Lines cut at every request of a load, and of one that is taken back: it is tried again or found to
//! be done, and never done twice.

use qm_core::config::{LoadMode, TableEngine};
use qm_core::delivery::Outcome;
use qm_core::ports::access::Secret;
use qm_core::{Kind, Retry};
use qm_testkit::outside::postgres::{Proxy, RECOVERY_MAX, Side, over};
use tokio::time::timeout;

use super::Server;
use crate::suite::scene::{File, Scene, counts, file, say};

/// Far more than a load has requests.
const REQUESTS_MAX: u32 = 200;
/// As the retry of a route makes them.
const ATTEMPTS: u32 = 3;

/// Attempts until the load is done, as the engine makes them.
async fn deliver(scene: &Scene<'_>, file: &File) -> [u64; 6] {
    let mut said = String::new();
    for _ in 0..ATTEMPTS {
        match scene.outcome(file).await {
            Outcome::Loaded(load) => return counts(load.counts),
            Outcome::Failed(error) | Outcome::Unclear(error) => {
                said = error.chain();
                assert_ne!(error.retry_verdict(), Retry::Never, "{said}");
            }
            outcome @ (Outcome::Delivered(_) | Outcome::Rejected(_)) => {
                panic!("{}", say(&outcome))
            }
        }
    }
    panic!("not loaded: {said}");
}

/// Attempts until the load is taken back.
async fn undo(scene: &Scene<'_>, file: &File) {
    let mut said = String::new();
    for attempt in 0..ATTEMPTS {
        match scene.connector().undo(&file.delivery).await {
            Ok(_) => return,
            // The answer of the attempt before was lost, or what it did.
            Err(error) if attempt > 0 && error.kind() == Kind::NotFound => return,
            Err(error) => {
                said = error.chain();
                assert_ne!(error.retry_verdict(), Retry::Never, "{said}");
            }
        }
    }
    panic!("not taken back: {said}");
}

/// Does something once for each of its requests, cut there on either side; it is given a number of its own
/// and, where it comes to what is cut, what is to be called.
async fn cut_everywhere(proxy: &Proxy, mut act: impl AsyncFnMut(u8, &dyn Fn())) {
    let mut round = 0;
    for side in [Side::Before, Side::After] {
        let mut is_reached = true;
        for requests in 0..REQUESTS_MAX {
            round += 1;
            let cut = || proxy.cut_after(requests, side);
            let done = timeout(2 * RECOVERY_MAX, act(round, &cut)).await;
            assert!(done.is_ok(), "stuck after {requests}, {side:?}");
            is_reached = !proxy.is_pending();
            if !is_reached {
                break;
            }
        }
        assert!(!is_reached, "there are more requests than that");
    }
}

const FILE: &str = "ID,Title\na,x\nb,y\nc,z\nc,z\n";

/// Puts the rows there that every round begins with.
async fn refill(server: &Server, table: &str) {
    let rows = "('a', 'old'), ('b', 'y'), ('d', 'z')";
    server
        .execute(&format!(
            "TRUNCATE {table}; INSERT INTO {table} VALUES {rows}"
        ))
        .await;
}

async fn cut_loads(
    server: &Server,
    proxy: &Proxy,
    scene: &Scene<'_>,
    expect: [u64; 6],
    rows: &[&str],
) {
    cut_everywhere(proxy, async |round: u8, cut: &dyn Fn()| {
        refill(server, &scene.table.table).await;
        let file = file(round, "cut.csv", FILE);
        cut();
        assert_eq!(deliver(scene, &file).await, expect, "round {round}");
        let found = scene.texts(&["ID", "Title"]).await;
        assert_eq!(found, rows, "round {round}");
    })
    .await;
}

async fn cut_undo(server: &Server, proxy: &Proxy, scene: &Scene<'_>) {
    let mut direct = Scene::new(server, &scene.table.table);
    direct.table = scene.table.clone();
    direct.table.engine = TableEngine::Postgres {
        url: Secret::new(server.connection.clone()),
    };
    cut_everywhere(proxy, async |round: u8, cut: &dyn Fn()| {
        refill(server, &scene.table.table).await;
        let file = file(round, "cut.csv", FILE);
        direct.load(&file).await;
        cut();
        undo(scene, &file).await;
        let found = scene.texts(&["ID", "Title"]).await;
        assert_eq!(found, ["a|old", "b|y", "d|z"], "round {round}");
    })
    .await;
}

/// Loads go by way of the proxy.
async fn behind_a_proxy() -> (Server, Proxy) {
    let mut server = Server::new();
    let proxy = Proxy::start(server.cluster.socket()).await;
    server.way = over(&server.connection, proxy.port());
    server
        .execute(
            "CREATE TABLE merged (\"ID\" text PRIMARY KEY, \"Title\" text, delivery text);
             CREATE TABLE appended (\"ID\" text, \"Title\" text, delivery text)",
        )
        .await;
    (server, proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_lines_cut_at_every_request_of_a_load() {
    let (server, proxy) = behind_a_proxy().await;
    let merged = Scene::new(&server, "merged");
    let rows = ["a|x", "b|y", "c|z", "d|z"];
    cut_loads(&server, &proxy, &merged, [4, 1, 1, 1, 0, 1], &rows).await;
    let appended = Scene::appending(&server, "appended");
    let rows = ["a|old", "a|x", "b|y", "b|y", "c|z", "c|z", "d|z"];
    cut_loads(&server, &proxy, &appended, [4, 4, 0, 0, 0, 0], &rows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_lines_cut_at_every_request_of_a_replacement() {
    let (server, proxy) = behind_a_proxy().await;
    let mut merged = Scene::new(&server, "merged");
    let mut all = Scene::appending(&server, "appended");
    for scene in [&mut merged, &mut all] {
        scene.table.mode = LoadMode::Replace;
        scene.table.undo = true;
    }
    let rows = ["a|x", "b|y", "c|z"];
    cut_loads(&server, &proxy, &merged, [4, 1, 1, 1, 0, 1], &rows).await;
    let rows = ["a|x", "b|y", "c|z", "c|z"];
    cut_loads(&server, &proxy, &all, [4, 4, 0, 0, 0, 0], &rows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_lines_cut_at_every_request_of_an_undo() {
    let (server, proxy) = behind_a_proxy().await;
    let mut appended = Scene::appending(&server, "appended");
    let mut merged = Scene::new(&server, "merged");
    merged.table.mode = LoadMode::Replace;
    for scene in [&mut appended, &mut merged] {
        scene.table.undo = true;
    }
    cut_undo(&server, &proxy, &appended).await;
    cut_undo(&server, &proxy, &merged).await;
}
