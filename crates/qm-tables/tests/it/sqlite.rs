//! A file of `SQLite`.

use async_trait::async_trait;
use qm_core::config::{ColumnType, LoadMode, TableEngine};
use qm_core::delivery::Outcome;
use qm_core::ports::access::Secret;
use qm_core::{Kind, Retry};
use qm_testkit::outside::OpenFence;
use rusqlite::Connection;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

use crate::suite::scene::{Gate, Scene, Waits, column, counts, csv, file, say};
use crate::suite::{self, Ability, Database, Found};

/// Far more than anything takes that is waited for.
const DEADLINE: Duration = Duration::from_mins(1);

pub(crate) struct SqliteFile {
    folder: TempDir,
}

impl SqliteFile {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tables.sqlite")
    }

    fn connection(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

#[async_trait]
impl Database for SqliteFile {
    fn engine(&self) -> TableEngine<Secret> {
        TableEngine::Sqlite { file: self.path() }
    }

    fn can(&self, ability: Ability) -> bool {
        match ability {
            Ability::AppendAndReplace | Ability::Atomic | Ability::Zeros => true,
        }
    }

    async fn rows(&self, table: &str) -> Vec<Found> {
        let connection = self.connection();
        let Ok(statement) = connection.prepare(&format!("SELECT * FROM \"{table}\"")) else {
            return Vec::new();
        };
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let texts: Vec<String> = names
            .iter()
            .map(|name| format!("CAST(\"{name}\" AS TEXT)"))
            .collect();
        let select = format!("SELECT {} FROM \"{table}\"", texts.join(", "));
        let mut statement = connection.prepare(&select).unwrap();
        let rows = statement.query_map([], |row| {
            let mut found = Found::new();
            for (index, name) in names.iter().enumerate() {
                if let Some(text) = row.get(index)? {
                    found.insert(name.clone(), text);
                }
            }
            Ok(found)
        });
        rows.unwrap().map(Result::unwrap).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_in_a_sqlite_file() {
    suite::run(&SqliteFile::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_says_that_it_waits_while_another_has_the_file() {
    let database = SqliteFile::new();
    let (one, other) = (
        Scene::new(&database, "products"),
        Scene::new(&database, "offers"),
    );
    let (first, second) = (csv(1, "ID,Title\na,x\n"), csv(2, "ID,Title\nb,y\n"));
    let gate = Gate::default();
    let waits = Waits::default();
    let behind = async {
        gate.come.acquire().await.unwrap().forget();
        let load = other.outcome_with(&second, &OpenFence, Some(&waits));
        let watch = async {
            let began = Instant::now();
            while waits.0.lock().is_empty() {
                assert!(began.elapsed() < DEADLINE, "it does not wait");
                tokio::task::yield_now().await;
            }
            assert_eq!(*waits.0.lock(), [true], "the file is another's");
            gate.open.add_permits(1);
        };
        tokio::join!(load, watch).0
    };
    let (first, second) = tokio::join!(one.outcome_with(&first, &gate, None), behind);
    for outcome in [first, second] {
        assert!(matches!(outcome, Outcome::Loaded(_)), "{}", say(&outcome));
    }
    // Nobody is in its way at the end.
    assert_eq!(*waits.0.lock(), [true, false, true, false]);
}

#[tokio::test]
async fn a_load_needs_no_second_thread() {
    let database = SqliteFile::new();
    let scene = Scene::new(&database, "products");
    let load = scene.load(&csv(1, "ID,Title\na,1\n")).await;
    assert_eq!(counts(load.counts), [1, 1, 0, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tables_of_one_file_are_loaded_in_turn() {
    let database = SqliteFile::new();
    let mut text = "ID,Title\n".to_owned();
    for number in 0..20_000 {
        writeln!(text, "{number},t").unwrap();
    }
    let (one, two) = (Scene::new(&database, "one"), Scene::new(&database, "two"));
    let (first, second) = (csv(1, &text), file(2, "other.csv", text.clone()));
    let third = file(3, "third.csv", text.clone());
    let (first, second, third) =
        tokio::join!(one.load(&first), two.load(&second), one.load(&third));
    let all = [20_000, 20_000, 0, 0, 0, 0];
    assert_eq!(counts(second.counts), all);
    // Whoever came first: each key is once in the table.
    assert_eq!(first.counts.inserted + third.counts.inserted, 20_000);
    assert_eq!(first.counts.unchanged + third.counts.unchanged, 20_000);
    assert_eq!(one.rows(&["ID"]).await.len(), 20_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_beside_the_database() {
    let database = SqliteFile::new();
    let scene = Scene::new(&database, "products");
    scene.load(&csv(1, "ID,Title\na,1\n")).await;
    scene.load(&csv(2, "ID,Title\na,2\nb,2\n")).await;
    let names = std::fs::read_dir(database.folder.path()).unwrap();
    let names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("tables.sqlite-wal") && !name.ends_with("-shm"))
        .collect();
    assert_eq!(names, ["tables.sqlite"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_of_the_table_fails_the_file_and_leaves_nothing() {
    let database = SqliteFile::new();
    let mut scene = Scene::appending(&database, "ruled");
    scene.table.create = false;
    database
        .connection()
        .execute_batch("CREATE TABLE ruled (ID TEXT CHECK (ID <> 'c'), Title TEXT NOT NULL)")
        .unwrap();
    let said = scene.fail(&csv(1, "ID,Title\na,1\nc,1\n")).await;
    assert!(said.contains("a row breaks a rule of the table"), "{said}");
    assert!(scene.rows(&["ID"]).await.is_empty());
    // A missing value is one row's fault.
    let load = scene
        .load(&file(
            2,
            "x.json",
            "{\"ID\": \"a\", \"Title\": \"1\"}\n{\"ID\": \"b\", \"Title\": null}\n",
        ))
        .await;
    assert_eq!(counts(load.counts), [2, 1, 0, 0, 1, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_column_would_not_keep_rejects_its_row() {
    let database = SqliteFile::new();
    database
        .connection()
        .execute_batch("CREATE TABLE narrow (ID TEXT PRIMARY KEY, price REAL NOT NULL)")
        .unwrap();
    let mut scene = Scene::new(&database, "narrow");
    scene.table.create = false;
    scene.table.rows.columns = vec![
        column("ID", ColumnType::Text),
        column("price", ColumnType::Decimal),
    ];
    let narrow = csv(1, "ID,price\na,123456789012.5\nb,1234567890123456.5\nc,\n");
    let load = scene.load(&narrow).await;
    assert_eq!(counts(load.counts), [3, 1, 0, 0, 2, 0]);
    assert_eq!(scene.texts(&["ID"]).await, ["a"]);
    let rejects = scene.rejects(&narrow).unwrap();
    for reason in [
        "the table's column keeps numbers of up to 15 digits exactly",
        "the table's column must have a value",
    ] {
        assert!(rejects.contains(reason), "{reason}: {rejects}");
        assert!(suite::is_documented(reason), "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_all_pieces_are_told_to_triggers_and_refer_to_each_other() {
    const ROWS: u32 = 25_000;
    let database = SqliteFile::new();
    let connection = database.connection();
    connection
        .execute_batch(
            "CREATE TABLE tree (ID INTEGER PRIMARY KEY, up INTEGER NOT NULL REFERENCES tree (ID));
             CREATE INDEX tree_up ON tree (up);
             CREATE TABLE gone (ID INTEGER);
             CREATE TRIGGER told AFTER DELETE ON tree BEGIN INSERT INTO gone VALUES (old.ID); END",
        )
        .unwrap();
    // The first refers to the last.
    let text = |first: u32| {
        let mut text = "ID,up\n".to_owned();
        for number in 0..ROWS {
            writeln!(text, "{},{}", first + number, first + ROWS - 1 - number).unwrap();
        }
        text
    };
    let mut scene = Scene::new(&database, "tree");
    scene.table.create = false;
    scene.table.mode = LoadMode::Replace;
    scene.table.rows.columns = ["ID", "up"]
        .map(|name| column(name, ColumnType::Integer))
        .to_vec();
    let counted = |table: &str| -> u32 {
        let count = format!("SELECT count(*) FROM {table}");
        connection.query_row(&count, [], |row| row.get(0)).unwrap()
    };
    for (number, key) in [(0, true), (1, true), (2, false)] {
        if !key {
            scene.table.key.clear();
        }
        scene
            .load(&csv(number, &text(u32::from(number) * 100_000)))
            .await;
        assert_eq!(counted("tree"), ROWS);
        assert_eq!(counted("gone"), u32::from(number) * ROWS);
    }
    let said = scene.fail(&csv(3, "ID,up\n1,2\n")).await;
    assert!(said.contains("a row breaks a rule of the table"), "{said}");
    assert_eq!(counted("tree"), ROWS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_be_loaded_into() {
    let database = SqliteFile::new();
    let scene = Scene::new(&database, "products");
    std::fs::write(
        database.path(),
        "this is no database at all, but longer than a header",
    )
    .unwrap();
    let outcome = scene.outcome(&csv(1, "ID,Title\na,1\n")).await;
    let Outcome::Failed(error) = outcome else {
        panic!("{}", say(&outcome));
    };
    assert!(error.chain().contains("is not a database"), "{error:?}");
    assert_eq!(error.retry_verdict(), Retry::Never);

    let mut scene = Scene::new(&database, "products");
    let missing = database.folder.path().join("missing/tables.sqlite");
    scene.table.engine = TableEngine::Sqlite { file: missing };
    let outcome = scene.outcome(&csv(1, "ID,Title\na,1\n")).await;
    let Outcome::Failed(error) = outcome else {
        panic!("{}", say(&outcome));
    };
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.retry_verdict(), Retry::Later);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_trigger_refuses_fails_the_file() {
    let database = SqliteFile::new();
    let scene = Scene::new(&database, "products");
    scene.load(&csv(1, "ID,Title\na,1\n")).await;
    let connection = database.connection();
    connection
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON products WHEN new.Title = 'full'
             BEGIN SELECT raise(ABORT, 'no'); END",
        )
        .unwrap();
    let said = scene.fail(&csv(2, "ID,Title\nb,2\nc,full\n")).await;
    assert!(said.contains("rule of the table"), "{said}");
    assert_eq!(scene.texts(&["ID"]).await, ["a"]);
    connection.execute_batch("DROP TRIGGER full").unwrap();
    scene.load(&csv(3, "ID,Title\nb,2\nc,full\n")).await;
    assert_eq!(scene.texts(&["ID"]).await, ["a", "b", "c"]);
}
