//! Loads of a million rows whose process is killed: after the next attempt the table is the file, each
//! row once.

use qm_core::config::TableEngine;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::postgres::Server;
use crate::sqlite::SqliteFile;
use crate::suite::Database;

const ROWS: u64 = 1_000_000;

/// The example `load`, beside the running test.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let found = test
        .ancestors()
        .map(|folder| folder.join("examples/load"))
        .find(|file| file.is_file());
    found.expect("`cargo test -p qm-tables` builds the example `load`")
}

fn start(mode: &str, file: &Path, database: &str) -> Child {
    let mut command = Command::new(program());
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut asked = child.stdin.take().unwrap();
    writeln!(asked, "million\n{mode}\n{}\n{database}", file.display()).unwrap();
    child
}

/// Kills a load once it has read so many rows; false if it had ended before.
fn kill_at(mode: &str, file: &Path, database: &str, rows: u64) -> bool {
    let mut child = start(mode, file, database);
    let said = BufReader::new(child.stderr.take().unwrap());
    for line in said.lines() {
        let line = line.unwrap();
        let read = line.strip_suffix(" rows").expect(&line);
        if read.parse::<u64>().unwrap() >= rows {
            break;
        }
    }
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

fn finish(mode: &str, file: &Path, database: &str) -> String {
    let output = start(mode, file, database).wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn million(folder: &Path) -> PathBuf {
    let mut text = b"id_integer,name\n".to_vec();
    for number in 0..ROWS {
        writeln!(text, "{number},n{number}").unwrap();
    }
    let file = folder.join("million.csv");
    std::fs::write(&file, text).unwrap();
    file
}

async fn killed_loads(database: &dyn Database, mode: &str) {
    let way = match database.engine() {
        TableEngine::Sqlite { file } => file.to_str().unwrap().to_owned(),
        TableEngine::Postgres { url } => url.reveal().to_owned(),
        TableEngine::DynamoDb { .. } => unreachable!("not of SQL"),
    };
    let folder = tempfile::tempdir().unwrap();
    let file = million(folder.path());
    let mut killed = 0;
    // Right after the beginning, in the middle, and when all is read but not all is written.
    for rows in [1, ROWS / 2, ROWS] {
        killed += u32::from(kill_at(mode, &file, &way, rows));
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
            let number = &row["id_integer"];
            assert_eq!(row["name"], format!("n{number}"));
            number.parse().unwrap()
        })
        .collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..ROWS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_load_into_sqlite_is_there_once() {
    killed_loads(&SqliteFile::new(), "upsert").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_a_killed_load_is_there_once() {
    killed_loads(&Server::new(), "append").await;
}
