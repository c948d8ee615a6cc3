//! Migrations: numbered files, each run once, in one transaction. A released file is never
//! edited; the checksum of what was run is kept and compared.

use qm_core::id::Sha256Digest;
use qm_core::{Error, Kind, Result};
use rusqlite::{Connection, TransactionBehavior};
use sha2::{Digest as _, Sha256};

use super::fault::{Fault, Sql};
use super::statements::{Statements as _, only};

/// One step of the schema.
#[derive(Clone, Copy)]
pub(super) struct Migration {
    number: i64,
    name: &'static str,
    sql: &'static str,
}

/// All of them, in order; append only.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "ledger",
        sql: include_str!("../../migrations/sqlite/0001_ledger.sql"),
    },
    Migration {
        number: 2,
        name: "loads",
        sql: include_str!("../../migrations/sqlite/0002_loads.sql"),
    },
    Migration {
        number: 3,
        name: "departures",
        sql: include_str!("../../migrations/sqlite/0003_departures.sql"),
    },
    Migration {
        number: 4,
        name: "words",
        sql: include_str!("../../migrations/sqlite/0004_words.sql"),
    },
];

/// Brings the schema to the program's; refuses a ledger that is not a past of it.
pub(super) fn migrate(connection: &mut Connection, migrations: &[Migration]) -> Result<()> {
    run_all(connection, migrations).map_err(|fault| fault.into_error("migrate the ledger"))
}

fn run_all(connection: &mut Connection, migrations: &[Migration]) -> Sql<()> {
    let newest = migrations.last().map_or(0, |migration| migration.number);
    // Even the question is a write transaction: another process may be migrating right now.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.run(
        "CREATE TABLE IF NOT EXISTS migrations (
            number INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            sha256 TEXT NOT NULL
        ) STRICT",
        [],
    )?;
    transaction.commit()?;
    for migration in migrations {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        run_one(&transaction, migration)?;
        transaction.commit()?;
    }
    let found = connection.first(
        "SELECT max(number) FROM migrations",
        [],
        only::value::<Option<i64>>,
    )?;
    match found.flatten() {
        Some(number) if number > newest => Err(newer(number, newest)),
        Some(_) | None => Ok(()),
    }
}

fn run_one(connection: &Connection, migration: &Migration) -> Sql<()> {
    let sha256 = checksum(migration.sql);
    let recorded = connection.first(
        "SELECT sha256 FROM migrations WHERE number = ?1",
        [migration.number],
        only::value::<String>,
    )?;
    match recorded {
        Some(recorded) if recorded == sha256 => Ok(()),
        Some(_) => Err(edited(migration)),
        None => {
            connection.execute_batch(migration.sql)?;
            connection.run(
                "INSERT INTO migrations (number, name, sha256) VALUES (?1, ?2, ?3)",
                (migration.number, migration.name, sha256),
            )?;
            Ok(())
        }
    }
}

fn checksum(sql: &str) -> String {
    Sha256Digest(Sha256::digest(sql).into()).to_string()
}

fn edited(migration: &Migration) -> Fault {
    Error::new(
        Kind::Conflict,
        format!(
            "the ledger was made by another program: its migration {} ({}) differs from this one's",
            migration.number, migration.name
        ),
    )
    .help("run the program that made the ledger, or restore the ledger that belongs to this one")
    .into()
}

fn newer(found: i64, newest: i64) -> Fault {
    Error::new(
        Kind::Conflict,
        format!(
            "the ledger was made by a newer program: it has migration {found}, this program knows {newest}"
        ),
    )
    .help("upgrade the program, or restore a backup of the ledger")
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Migration = Migration {
        number: 1,
        name: "one",
        sql: "CREATE TABLE one (a INTEGER) STRICT;",
    };
    const SECOND: Migration = Migration {
        number: 2,
        name: "two",
        sql: "CREATE TABLE two (a INTEGER) STRICT; INSERT INTO two VALUES (2);",
    };
    const SECOND_EDITED: Migration = Migration {
        sql: "CREATE TABLE two (b INTEGER) STRICT;",
        ..SECOND
    };
    const BROKEN: Migration = Migration {
        number: 2,
        name: "broken",
        sql: "CREATE TABLE three (a INTEGER) STRICT; INSERT INTO nowhere VALUES (1);",
    };

    /// Runs the programs one after the other on one ledger; what the last one said.
    fn check(programs: &[&[Migration]], expect: Result<i64, &str>) {
        let mut connection = Connection::open_in_memory().unwrap();
        let mut last = Ok(());
        for migrations in programs {
            last = migrate(&mut connection, migrations);
        }
        let applied = connection
            .query_row("SELECT count(*) FROM migrations", [], |row| {
                row.get::<_, i64>(0)
            })
            .unwrap();
        match expect {
            Ok(count) => {
                last.unwrap();
                assert_eq!(applied, count);
            }
            Err(words) => {
                let error = last.unwrap_err();
                assert!(error.public_message().contains(words), "{error:?}");
                assert_eq!(error.kind(), Kind::Conflict);
            }
        }
    }

    #[test]
    fn each_runs_once_and_an_edited_or_unknown_one_is_refused() {
        check(&[&[FIRST]], Ok(1));
        check(&[&[FIRST], &[FIRST, SECOND], &[FIRST, SECOND]], Ok(2));
        check(
            &[&[FIRST, SECOND], &[FIRST, SECOND_EDITED]],
            Err("migration 2 (two) differs"),
        );
        check(
            &[&[FIRST, SECOND], &[FIRST]],
            Err("it has migration 2, this program knows 1"),
        );
    }

    #[test]
    fn a_broken_one_leaves_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &[FIRST, BROKEN]).unwrap_err();
        let half_done = connection
            .holds(
                "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'three'",
                [],
            )
            .unwrap();
        assert!(!half_done);
        migrate(&mut connection, &[FIRST, SECOND]).unwrap();
    }

    #[test]
    fn the_programs_own_are_numbered_without_gaps() {
        let numbers: Vec<i64> = MIGRATIONS.iter().map(|m| m.number).collect();
        let expected: Vec<i64> = (1..).take(MIGRATIONS.len()).collect();
        assert_eq!(numbers, expected);
    }
}
