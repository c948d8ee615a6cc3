//! A ledger that has worked since the first migration is brought up to date: every row is there, as it was.

use qm_core::id::Sha256Digest;
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

use crate::postgres::cluster;
use crate::support::open;

/// The rows of each table, and the columns that they have.
type Tables = BTreeMap<String, (Vec<String>, Vec<String>)>;

/// Rows that refer to each other, in an order in which they can be written.
fn rows(of_engine: &str, sha256: &str) -> String {
    let shared = include_str!("rows.sql").replace("$SHA256", sha256);
    let (first, attempts) = shared.split_once("INSERT INTO attempts").unwrap();
    format!(
        "{first}{of_engine}{}INSERT INTO attempts{attempts}",
        include_str!("names.sql")
    )
}

fn recorded(first: &str) -> String {
    let sha256 = Sha256Digest(Sha256::digest(first).into());
    format!("INSERT INTO migrations (number, name, sha256) VALUES (1, 'ledger', '{sha256}');")
}

/// What was there is there, column by column, and no table was forgotten.
fn compare(before: &Tables, after: &Tables) {
    for (table, (columns, rows)) in before {
        assert!(!rows.is_empty(), "no row of {table} is tried");
        let (_, found) = &after[table];
        assert_eq!(found, rows, "{table} ({})", columns.join(", "));
    }
}

fn sqlite_tables(connection: &Connection, known: Option<&Tables>) -> Tables {
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let names = match known {
        Some(known) => known.keys().cloned().collect(),
        None => texts(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'
             AND name <> 'migrations'",
        ),
    };
    let of = |table: String| {
        let columns = known.map_or_else(
            || texts(&format!("SELECT name FROM pragma_table_info('{table}')")),
            |known| known[&table].0.clone(),
        );
        let quoted: Vec<String> = columns
            .iter()
            .map(|name| format!("quote({name})"))
            .collect();
        let rows = texts(&format!(
            "SELECT concat_ws('|', {}) FROM {table} ORDER BY 1",
            quoted.join(", ")
        ));
        (table, (columns, rows))
    };
    names.into_iter().map(of).collect()
}

#[test]
fn a_filled_ledger_of_the_first_migration_keeps_every_row() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    let first = include_str!("../../../migrations/sqlite/0001_ledger.sql");
    let connection = Connection::open(&file).unwrap();
    let migrations = "CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL,
        sha256 TEXT NOT NULL) STRICT;";
    let sha256 = format!("X'{}'", "07".repeat(32));
    for batch in [
        migrations,
        first,
        &recorded(first),
        &rows(include_str!("sqlite.sql"), &sha256),
    ] {
        connection.execute_batch(batch).unwrap();
    }
    let before = sqlite_tables(&connection, None);
    drop(connection);
    drop(open(&file));

    let connection = Connection::open(&file).unwrap();
    let mut after = sqlite_tables(&connection, Some(&before));
    // The writer that opened it has a place of its own there.
    let writers = &mut after.get_mut("commit_groups").unwrap().1;
    writers.retain(|row| row.starts_with("1|'writer'|"));
    compare(&before, &after);
    let count = |sql: &str| -> i64 { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(count("SELECT max(number) FROM migrations"), 4);
    assert_eq!(count("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    let sound: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
    // Numbers go on behind those that were given, and what is new can be written.
    connection
        .execute_batch(
            "UPDATE deliveries SET state = 'purged' WHERE state = 'dead';
             INSERT INTO deliveries SELECT NULL, '07', arrival, version, route, destination, 't7', state, ready_at,
                 node, queue, is_independent, overtaken, has_after, finished, attempts, possible_duplicate, fence,
                 last_error, revision, created_at, updated_at, removes, replaces FROM deliveries WHERE number = 6;
             INSERT INTO notifications (key, notifier, subject, body, state, attempts, ready_at, updated_at)
                 VALUES ('load', 'sre', 's', 'b', 'waiting', 0, 1, 1)",
        )
        .unwrap();
    assert_eq!(count("SELECT max(number) FROM deliveries"), 7);
    assert_eq!(count("SELECT max(id) FROM notifications"), 4);
}

async fn postgres_tables(database: &str, known: Option<&Tables>) -> Tables {
    let client = cluster::client(database).await;
    let texts = async |sql: String| -> Vec<String> {
        let rows = client.query(&sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    let names = if let Some(known) = known {
        known.keys().cloned().collect()
    } else {
        let look = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'
                    AND tablename <> 'migrations'";
        texts(look.to_owned()).await
    };
    let mut tables = Tables::new();
    for table in names {
        let columns = if let Some(known) = known {
            known[&table].0.clone()
        } else {
            let look =
                "SELECT attname::text FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped
                     AND attrelid = ";
            texts(format!("{look}'{table}'::regclass ORDER BY attnum")).await
        };
        let rows = texts(format!(
            "SELECT row_to_json(t)::text FROM (SELECT {} FROM {table}) AS t ORDER BY 1",
            columns.join(", ")
        ))
        .await;
        tables.insert(table, (columns, rows));
    }
    tables
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_a_filled_ledger_of_the_first_migration_keeps_every_row() {
    let cluster = cluster::shared();
    let database = cluster.database();
    let first = include_str!("../../../migrations/postgres/0001_ledger.sql");
    let migrations =
        "CREATE TABLE migrations (number BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL,
        sha256 TEXT NOT NULL);";
    let sha256 = format!("'\\x{}'::bytea", "07".repeat(32));
    let client = cluster::client(&database).await;
    for batch in [
        migrations,
        first,
        &recorded(first),
        &rows(include_str!("postgres.sql"), &sha256),
    ] {
        client.batch_execute(batch).await.unwrap();
    }
    let before = postgres_tables(&database, None).await;
    drop(cluster::open(&database, "one").await);

    let mut after = postgres_tables(&database, Some(&before)).await;
    // The node that opened it has a row of its own, and its sessions have stamps.
    for (table, mine) in [
        ("nodes", "\"other\"|\"third\""),
        ("commit_stamps", "\"session\""),
    ] {
        let rows = &mut after.get_mut(table).unwrap().1;
        rows.retain(|row| {
            mine.split('|')
                .any(|mine| row.contains(&format!(":{mine}")))
        });
    }
    compare(&before, &after);
    client
        .batch_execute(
            "UPDATE deliveries SET state = 'purged' WHERE state = 'dead';
             INSERT INTO notifications (key, notifier, subject, body, state, attempts, ready_at, updated_at)
                 VALUES ('load', 'sre', 's', 'b', 'waiting', 0, 1, 1)",
        )
        .await
        .unwrap();
    let newest = client.query_one(
        "SELECT max(number), (SELECT max(id) FROM notifications) FROM migrations",
        &[],
    );
    let newest = newest.await.unwrap();
    assert_eq!((newest.get::<_, i64>(0), newest.get::<_, i64>(1)), (4, 4));
}
