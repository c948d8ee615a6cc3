//! Opening connections, with the settings that the promises of this room rest on.

use qm_core::{Error, Kind, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::time::Duration;

use super::fault::{Sql, from_sqlite};

/// Another process may hold the write lock for a whole group, or for a migration.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// A log that a long read has let grow is cut to this size afterwards.
const JOURNAL_SIZE_LIMIT_BYTES: i64 = 64 * 1024 * 1024;
/// Page cache of one connection: holds the inner pages of the indexes of a million rows.
const CACHE_KIB: i64 = 16 * 1024;
/// More than the number of different statements, so that each is prepared once.
const STATEMENTS_MAX: usize = 256;
/// The switch to WAL does not wait for a lock by itself; two first starts at once meet here.
const WAL_SWITCH_TRIES: u32 = 200;
const WAL_SWITCH_PAUSE: Duration = Duration::from_millis(50);

/// Whether a ledger that is not there is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Missing {
    Create,
    Refuse,
}

/// The connection that writes.
pub(super) fn open_writer(file: &Path, missing: Missing) -> Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if missing == Missing::Create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let open = || {
        let connection = Connection::open_with_flags(file, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        switch_to_wal(&connection)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "journal_size_limit", JOURNAL_SIZE_LIMIT_BYTES)?;
        prepare(&connection)?;
        Ok(connection)
    };
    open().map_err(|e| failed_to_open(file, e))
}

/// Takes durability from the connection, to measure what it costs.
pub(super) fn sync_nothing(connection: &Connection) -> Result<()> {
    connection
        .pragma_update(None, "synchronous", "OFF")
        .map_err(|e| from_sqlite("switch off syncs", e))
}

/// A connection that cannot write.
pub(super) fn open_reader(file: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(file, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        prepare(&connection)?;
        Ok(connection)
    };
    open().map_err(|e| failed_to_open(file, e))
}

/// Changes when another connection has committed; commits of this one do not show.
pub(super) fn data_version(connection: &Connection) -> Sql<i64> {
    Ok(connection
        .prepare_cached("PRAGMA data_version")?
        .query_row([], |row| row.get(0))?)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Without it a statement with a LIMIT is prepared again whenever it is run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(())
}

fn switch_to_wal(connection: &Connection) -> rusqlite::Result<()> {
    let mut tries = 0;
    loop {
        let mode = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            // Without WAL readers would block the writer, and a reader's copy would be no copy.
            Ok(_) => {
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
                    Some("the file system does not allow a write-ahead log".to_owned()),
                ));
            }
            Err(e) if is_busy(&e) && tries < WAL_SWITCH_TRIES => {
                tries += 1;
                std::thread::sleep(WAL_SWITCH_PAUSE);
            }
            Err(e) => return Err(e),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

fn failed_to_open(file: &Path, error: rusqlite::Error) -> Error {
    let cause = from_sqlite("open the ledger", error);
    let kind = if cause.kind() == Kind::Limit {
        Kind::Limit
    } else {
        Kind::Unavailable
    };
    Error::new(kind, "the ledger cannot be opened")
        .help("check that the file is a ledger, and that the server may read and write it and its folder")
        .during("open the ledger")
        .with("file", file.display())
        .source(cause)
}
