//! Opening the file, with the settings that the promises of a load rest on.

use parking_lot::Mutex;
use qm_core::{Error, Kind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::fault::Sql;

/// Others that write into the file may take as long; our own loads wait for each other before.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// A log that a load has let grow is cut to this size afterwards.
const JOURNAL_SIZE_LIMIT_BYTES: i64 = 64 * 1024 * 1024;
/// Page cache of a load: what does not fit goes to the log early.
const CACHE_KIB: i64 = 24 * 1024;
/// More statements than a load has.
const STATEMENTS_MAX: usize = 64;

/// The database, made if it is not there.
pub(super) fn open(file: &Path) -> Sql<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Error::new(
            Kind::Unavailable,
            "the file system of the database does not allow a write-ahead log",
        )
        .into());
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_SIZE_LIMIT_BYTES)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    // Nothing of a file's rows is written beside the database's own folder.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Names in quotes are names, never text.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

/// For this transaction: rows that refer to each other may come in any order, and be of different pieces.
pub(super) fn let_rows_refer(connection: &Connection) -> Sql<()> {
    Ok(connection.pragma_update(None, "defer_foreign_keys", true)?)
}

/// The same for looking only; `None` if there is no file.
pub(super) fn open_reader(file: &Path) -> Sql<Option<Connection>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if !file.exists() {
        return Ok(None);
    }
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(Some(connection))
}

/// Who loads into a file waits here, not in the database: a load may take longer than anybody
/// waits for a lock.
pub(super) fn turns(file: &Path) -> Arc<tokio::sync::Mutex<()>> {
    type Turns = Weak<tokio::sync::Mutex<()>>;
    static TURNS: Mutex<Option<HashMap<PathBuf, Turns>>> = Mutex::new(None);
    let mut turns = TURNS.lock();
    let turns = turns.get_or_insert_default();
    turns.retain(|_, turn| turn.strong_count() > 0);
    if let Some(turn) = turns.get(file).and_then(Weak::upgrade) {
        return turn;
    }
    let turn = Arc::new(tokio::sync::Mutex::new(()));
    turns.insert(file.to_owned(), Arc::downgrade(&turn));
    turn
}
