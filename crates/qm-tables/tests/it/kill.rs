//! Loads whose process is killed, and loads that are killed while they are taken back: after the next
//! attempt the table is the file, each row once.

use qm_core::config::TableEngine;
use rusqlite::Connection;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::postgres::Server;
use crate::sqlite::SqliteFile;
use crate::suite::Database;

const ROWS: u64 = 1_000_000;
/// More of them than the page cache of a load holds, so that the log has some before the commit.
const MERGED: u64 = 600_000;
/// Of the log: a merge is under way.
const WRITTEN_BYTES: u64 = 1024 * 1024;
/// Far more than anything takes that is waited for.
const DEADLINE: Duration = Duration::from_mins(2);

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
enum Point<'a> {
    /// It has read so many rows.
    Read(u64),
    /// A file has that much in it.
    Written(&'a Path),
    /// All but the commit is done.
    Settled,
}

/// The example `load`, beside the running test.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let found = test
        .ancestors()
        .map(|folder| folder.join("examples/load"))
        .find(|file| file.is_file());
    found.expect("`cargo test -p qm-tables` builds the example `load`")
}

/// `mode` and `rows` as the example reads them.
pub(crate) fn start(mode: &str, rows: &str, database: &str) -> Child {
    let mut command = Command::new(program());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut asked = child.stdin.take().unwrap();
    writeln!(asked, "million\n{mode}\n{rows}\n{database}").unwrap();
    child
}

/// Kills it there; false if it had ended before.
fn kill_at(mode: &str, rows: &str, database: &str, point: Point<'_>) -> bool {
    let mut child = start(mode, rows, database);
    match point {
        Point::Written(file) => {
            let is_written =
                || std::fs::metadata(file).is_ok_and(|found| found.len() >= WRITTEN_BYTES);
            let began = Instant::now();
            while child.try_wait().unwrap().is_none() && !is_written() {
                assert!(began.elapsed() < DEADLINE, "nothing is written");
                std::thread::yield_now();
            }
        }
        Point::Read(_) | Point::Settled => {
            let said = BufReader::new(child.stderr.take().unwrap());
            for line in said.lines().map(Result::unwrap) {
                let read = line.strip_suffix(" rows").map(str::parse::<u64>);
                let is_there = match point {
                    Point::Read(rows) => read.is_some_and(|read| read.unwrap() >= rows),
                    Point::Settled => line == "settled",
                    Point::Written(_) => false,
                };
                if is_there {
                    break;
                }
            }
        }
    }
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

pub(crate) fn finish(mode: &str, rows: &str, database: &str) -> String {
    let output = start(mode, rows, database).wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{mode} {rows}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

async fn killed_loads(database: &dyn Database, name: &str, mode: &str) {
    let way = way(database);
    let file = format!("made:{ROWS}:0:n");
    let mut killed = 0;
    // Right after the beginning, in the middle, and when all is read but not all is written.
    let points = [1, ROWS / 2, ROWS];
    for rows in points {
        killed += u32::from(kill_at(mode, &file, &way, Point::Read(rows)));
    }
    assert!(killed >= 2, "{killed} were killed before they ended");
    let said = finish(mode, &file, &way);
    assert!(
        said.starts_with("1000000 rows read: 1000000 inserted"),
        "{said}"
    );
    let again = finish(mode, &file, &way);
    assert_eq!(again.split(';').next(), said.split(';').next());
    let mut numbers: Vec<u64> = database
        .rows("million")
        .await
        .iter()
        .map(|row| {
            let number: u64 = row["id_integer"].parse().unwrap();
            assert_eq!(row["name"], format!("n{number:059}"));
            number
        })
        .collect();
    numbers.sort_unstable();
    let found = numbers.len();
    numbers.dedup();
    let doubled = found - numbers.len();
    let is_lost = |number: &u64| numbers.binary_search(number).is_err();
    let lost = (0..ROWS).filter(is_lost).count();
    qm_testkit::figures::note(&format!(
        "a load of {ROWS} rows into {name}, {mode}: {} attempts, {killed} of them killed, {lost} lost, \
         {doubled} doubled",
        points.len() + 1
    ));
    assert_eq!((lost, doubled), (0, 0));
    assert!(numbers.iter().copied().eq(0..ROWS));
}

/// How the example is told of it.
pub(crate) fn way(database: &dyn Database) -> String {
    match database.engine() {
        TableEngine::Sqlite { file } => file.to_str().unwrap().to_owned(),
        TableEngine::Postgres { url } => url.reveal().to_owned(),
        TableEngine::DynamoDb { .. } => unreachable!("not of SQL"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_load_into_sqlite_is_there_once() {
    killed_loads(&SqliteFile::new(), "SQLite", "upsert").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_a_killed_load_is_there_once() {
    killed_loads(&Server::new(), "PostgreSQL", "append").await;
}

/// A file of `SQLite`, looked at between two processes.
struct Looked {
    way: String,
    log: PathBuf,
}

impl Looked {
    /// So many rows of that text, from that number on, and nothing else; none is in the log afterwards.
    #[track_caller]
    fn check(&self, expect: &[(&str, std::ops::Range<u64>)]) {
        let connection = Connection::open(&self.way).unwrap();
        let count = |condition: &str| {
            let count = format!("SELECT count(*) FROM million WHERE {condition}");
            let count: i64 = connection.query_row(&count, [], |row| row.get(0)).unwrap();
            u64::try_from(count).unwrap()
        };
        let all: u64 = expect.iter().map(|(_, rows)| rows.end - rows.start).sum();
        assert_eq!(count("true"), all);
        for (text, rows) in expect {
            let of = count(&format!(
                "id_integer >= {} AND id_integer < {} AND name = '{text}' || printf('%059d', id_integer)",
                rows.start, rows.end
            ));
            assert_eq!(of, rows.end - rows.start, "of {text}");
        }
        drop(connection);
        assert!(!self.log.exists(), "what is closed last moves the log");
    }

    /// Killed at each point, nothing shows of it.
    #[track_caller]
    fn kill_and_check(&self, mode: &str, rows: &str, expect: &[(&str, std::ops::Range<u64>)]) {
        let mut points = vec![Point::Written(&self.log)];
        if !mode.ends_with("undo") {
            points.extend([Point::Read(MERGED / 2), Point::Settled]);
        }
        for point in points {
            assert!(kill_at(mode, rows, &self.way, point), "{mode}: {point:?}");
            self.check(expect);
        }
    }
}

#[test]
fn a_killed_merge_into_sqlite_and_a_killed_undo_are_there_once_or_not_at_all() {
    let database = SqliteFile::new();
    let way = way(&database);
    let looked = Looked {
        log: PathBuf::from(format!("{way}-wal")),
        way,
    };
    let half = MERGED / 2;
    finish("upsert", &format!("made:{MERGED}:0:a"), &looked.way);
    let before = [("a", 0..MERGED)];
    looked.check(&before);

    let upsert = format!("made:{MERGED}:{half}:b");
    looked.kill_and_check("upsert", &upsert, &before);
    let said = finish("upsert", &upsert, &looked.way);
    let counts = format!("{MERGED} rows read: {half} inserted, {half} updated");
    assert!(said.starts_with(&counts), "{said}");
    let merged = [("a", 0..half), ("b", half..MERGED + half)];
    looked.check(&merged);

    let replace = format!("made:{MERGED}:{MERGED}:c");
    looked.kill_and_check("replace keyed kept", &replace, &merged);
    let said = finish("replace keyed kept", &replace, &looked.way);
    assert!(said.starts_with(&counts), "{said}");
    let replaced = [("c", MERGED..2 * MERGED)];
    looked.check(&replaced);

    looked.kill_and_check("replace keyed kept undo", &replace, &replaced);
    finish("replace keyed kept undo", &replace, &looked.way);
    looked.check(&merged);
}

/// Killed while it waits for a lock of the tests' own, before anything is removed and when all is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_a_killed_undo_is_done_by_the_next() {
    let server = Server::new();
    let way = way(&server);
    let text = |letter: &str, rows: std::ops::Range<u64>| -> Vec<String> {
        rows.map(|number| format!("{number}|{letter}{number:059}"))
            .collect()
    };
    finish("upsert", "made:1000:0:a", &way);
    let replace = "made:1000:500:b";
    for (table, lock, waits) in [
        ("million", "SHARE", "DELETE"),
        ("quaymaster_undo_million", "ACCESS SHARE", "DROP"),
    ] {
        finish("replace keyed kept", replace, &way);
        let blocker = server.client().await;
        blocker
            .batch_execute(&format!("BEGIN; LOCK TABLE {table} IN {lock} MODE"))
            .await
            .unwrap();
        let mut child = start("replace keyed kept undo", replace, &way);
        let look = format!(
            "SELECT count(*) FROM pg_stat_activity
             WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE '{waits}%'"
        );
        // Another than that of the lock: a transaction sees always the same activity.
        let looker = server.client().await;
        let began = Instant::now();
        loop {
            let row = looker.query_one(&look, &[]).await.unwrap();
            if row.get::<_, i64>(0) > 0 {
                break;
            }
            assert!(began.elapsed() < DEADLINE, "it does not come to {waits}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        blocker.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(sorted(&server).await, text("b", 500..1500), "{waits}");
        finish("replace keyed kept undo", replace, &way);
        assert_eq!(sorted(&server).await, text("a", 0..1000), "{waits}");
    }
}

async fn sorted(server: &Server) -> Vec<String> {
    let mut rows: Vec<(u64, String)> = server
        .rows("million")
        .await
        .iter()
        .map(|row| {
            let number = &row["id_integer"];
            (number.parse().unwrap(), format!("{number}|{}", row["name"]))
        })
        .collect();
    rows.sort();
    rows.into_iter().map(|(_, text)| text).collect()
}
