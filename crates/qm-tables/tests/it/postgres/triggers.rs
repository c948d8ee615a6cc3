//! Triggers of a table that leave rows out: what they leave out is not counted as written.

use qm_core::config::LoadMode;

use super::Server;
use crate::suite::scene::{Scene, counts, csv};

/// A table whose trigger leaves out what is titled `no`.
async fn selective(server: &Server, name: &str, constraint: &str) {
    server
        .execute(&format!(
            "CREATE TABLE {name} (\"ID\" text {constraint}, \"Title\" text, seen bigint);
             CREATE FUNCTION {name}_keeps() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN IF NEW.\"Title\" = ''no'' THEN RETURN NULL; END IF; RETURN NEW; END';
             CREATE TRIGGER keeps BEFORE INSERT OR UPDATE ON {name}
                 FOR EACH ROW EXECUTE FUNCTION {name}_keeps()"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_rows_that_a_trigger_leaves_out_are_not_counted_as_written() {
    let server = Server::new();
    selective(&server, "appended", "").await;
    let mut scene = Scene::appending(&server, "appended");
    let two = csv(1, "ID,Title\na,1\nb,no\nc,3\n");
    assert_eq!(counts(scene.load(&two).await.counts), [3, 2, 0, 1, 0, 0]);
    scene.table.mode = LoadMode::Replace;
    let one = csv(2, "ID,Title\na,1\nb,no\n");
    assert_eq!(counts(scene.load(&one).await.counts), [2, 1, 0, 1, 0, 0]);
    assert_eq!(scene.texts(&["ID"]).await, ["a"]);

    for (name, sequence) in [("merged", None), ("ordered", Some("seen"))] {
        selective(&server, name, "PRIMARY KEY").await;
        let mut scene = Scene::new(&server, name);
        scene.table.sequence = sequence.map(str::to_owned);
        let first = csv(1, "ID,Title\na,1\nb,1\nc,no\n");
        let load = scene.load(&first).await;
        assert_eq!(counts(load.counts), [3, 2, 0, 1, 0, 0], "{name}");
        // One changes, one would, one is new, one would be.
        let second = csv(2, "ID,Title\na,2\nb,no\nd,1\ne,no\n");
        let load = scene.load(&second).await;
        assert_eq!(counts(load.counts), [4, 1, 1, 2, 0, 0], "{name}");
        let found = scene.texts(&["ID", "Title"]).await;
        assert_eq!(found, ["a|2", "b|1", "d|1"], "{name}");
    }
}
