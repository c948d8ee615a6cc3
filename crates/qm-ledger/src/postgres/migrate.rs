//! Migrations: numbered files, each run once, all in one transaction under a lock that other nodes
//! wait for. A released file is never edited; the checksum of what was run is kept and compared.

use qm_core::id::Sha256Digest;
use qm_core::{Error, Kind};
use sha2::{Digest as _, Sha256};

use super::connection::Connection;
use super::fault::{Fault, Sql};
use super::statements::only;

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
        sql: include_str!("../../migrations/postgres/0001_ledger.sql"),
    },
    Migration {
        number: 2,
        name: "loads",
        sql: include_str!("../../migrations/postgres/0002_loads.sql"),
    },
    Migration {
        number: 3,
        name: "departures",
        sql: include_str!("../../migrations/postgres/0003_departures.sql"),
    },
    Migration {
        number: 4,
        name: "holds",
        sql: include_str!("../../migrations/postgres/0004_holds.sql"),
    },
];

/// The key of the advisory lock under which nodes migrate: "qm" and a number.
const MIGRATION_LOCK: i64 = 0x716d_0002;

/// Brings the schema to the program's; refuses a ledger that is not a past of it. After an error
/// the connection is not fit for anything else.
pub(super) async fn migrate(connection: &Connection, migrations: &[Migration]) -> Sql<()> {
    connection.batch("BEGIN").await?;
    let lock = "SELECT 1 FROM (SELECT pg_advisory_xact_lock($1)) AS taken";
    connection.run(lock, &[&MIGRATION_LOCK]).await?;
    connection
        .batch(
            "CREATE TABLE IF NOT EXISTS migrations (
                number BIGINT NOT NULL PRIMARY KEY,
                name TEXT NOT NULL,
                sha256 TEXT NOT NULL
            )",
        )
        .await?;
    let newest = migrations.last().map_or(0, |migration| migration.number);
    let found: Option<i64> = connection
        .one("SELECT max(number) FROM migrations", &[])
        .await?;
    if let Some(found) = found.filter(|found| *found > newest) {
        return Err(newer(found, newest));
    }
    for migration in migrations {
        run_one(connection, migration).await?;
    }
    connection.batch("COMMIT").await
}

async fn run_one(connection: &Connection, migration: &Migration) -> Sql<()> {
    let sha256 = checksum(migration.sql);
    let recorded = connection
        .first(
            "SELECT sha256 FROM migrations WHERE number = $1",
            &[&migration.number],
            only::value::<String>,
        )
        .await?;
    match recorded {
        Some(recorded) if recorded == sha256 => Ok(()),
        Some(_) => Err(edited(migration)),
        None => {
            connection.batch(migration.sql).await?;
            connection
                .run(
                    "INSERT INTO migrations (number, name, sha256) VALUES ($1, $2, $3)",
                    &[&migration.number, &migration.name, &sha256],
                )
                .await?;
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
