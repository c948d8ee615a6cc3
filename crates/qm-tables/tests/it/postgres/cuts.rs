//! Lines cut at every request of a load: it is tried again or found to be done, and never done twice.

use qm_core::Retry;
use qm_core::config::LoadMode;
use qm_core::delivery::Outcome;
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

async fn cut_everywhere(server: &Server, proxy: &Proxy, scene: &Scene<'_>, expect: [u64; 6]) {
    let mut round = 0;
    for side in [Side::Before, Side::After] {
        let mut is_reached = true;
        for requests in 0..REQUESTS_MAX {
            round += 1;
            server
                .execute(&format!("TRUNCATE {}", scene.table.table))
                .await;
            server
                .execute(&format!(
                    "INSERT INTO {} VALUES ('a', 'old'), ('b', 'y')",
                    scene.table.table
                ))
                .await;
            let file = file(round, "cut.csv", "ID,Title\na,x\nb,y\nc,z\nc,z\n");
            proxy.cut_after(requests, side);
            let done = timeout(RECOVERY_MAX, deliver(scene, &file)).await;
            let counts = done.unwrap_or_else(|_| panic!("stuck after {requests}, {side:?}"));
            assert_eq!(counts, expect, "after {requests}, {side:?}");
            is_reached = !proxy.is_pending();
            let rows = scene.rows(&["ID"]).await.len();
            let more = if scene.table.mode == LoadMode::Append {
                6
            } else {
                3
            };
            assert_eq!(rows, more, "after {requests}, {side:?}");
            if !is_reached {
                break;
            }
        }
        assert!(!is_reached, "a load has more requests than that");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_lines_cut_at_every_request_of_a_load() {
    let mut server = Server::new();
    let proxy = Proxy::start(server.cluster.socket()).await;
    server.way = over(&server.connection, proxy.port());
    server
        .execute(
            "CREATE TABLE merged (\"ID\" text PRIMARY KEY, \"Title\" text);
             CREATE TABLE appended (\"ID\" text, \"Title\" text)",
        )
        .await;
    let merged = Scene::new(&server, "merged");
    cut_everywhere(&server, &proxy, &merged, [4, 1, 1, 1, 0, 1]).await;
    let appended = Scene::appending(&server, "appended");
    cut_everywhere(&server, &proxy, &appended, [4, 4, 0, 0, 0, 0]).await;
}
