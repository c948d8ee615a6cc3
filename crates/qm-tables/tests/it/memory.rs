//! Memory does not grow with the file, whatever is done with its rows.

use crate::kill::{finish, way};
use crate::postgres::Server;
use crate::sqlite::SqliteFile;
use crate::suite::Database;

/// Ten million by hand: `docs/loading.md`.
const ROWS: u64 = 300_000;
/// Above what a load of few rows takes.
const MORE_KIB: u64 = 64 * 1024;

/// The most memory that the process had.
fn most_kib(said: &str) -> u64 {
    let line = said.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    number.expect(said).parse().unwrap()
}

/// Every row is new, then changes, then goes and comes back; then they are added to.
fn load(database: &dyn Database, wish: &str) {
    let way = way(database);
    let few = most_kib(&finish(&format!("upsert {wish}"), "made:100:0:x", &way));
    for (mode, first, text) in [
        ("upsert", 1_000, "a"),
        ("upsert", 1_000, "b"),
        ("replace keyed kept", 1_000_000, "c"),
        ("replace keyed kept undo", 1_000_000, "c"),
        ("replace kept", 2_000_000, "d"),
    ] {
        let said = finish(
            &format!("{mode} {wish}"),
            &format!("made:{ROWS}:{first}:{text}"),
            &way,
        );
        if mode.ends_with("undo") {
            let back = format!(
                "{ROWS} rows were removed and the {} before them",
                ROWS + 100
            );
            assert!(said.starts_with(&back), "{said}");
        } else {
            let most = most_kib(&said);
            assert!(
                most < few + MORE_KIB,
                "{mode}: {most} KiB, {few} KiB with few rows"
            );
        }
    }
}

/// `SQLite` may allocate 8 MiB and not a byte more: its caches of 32 MiB give way, and what a statement
/// remembers of every row would not.
#[test]
fn memory_of_a_load_into_sqlite_does_not_grow_with_the_file() {
    load(&SqliteFile::new(), "bounded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_postgres_memory_of_a_load_does_not_grow_with_the_file() {
    load(&Server::new(), "");
}
