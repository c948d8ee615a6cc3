//! Running statements and reading rows: every statement is prepared once a connection, every
//! column becomes a type here or the row is refused.

use jiff::Timestamp;
use qm_core::id::{BucketName, Sha256Digest};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::{StagedToken, Version};
use qm_core::{Error, Kind};
use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row};

use super::fault::Sql;

/// What the nouns need of a connection.
pub(super) trait Statements {
    /// Runs it; how many rows it changed.
    fn run(&self, sql: &str, params: impl Params) -> Sql<usize>;

    /// Its first row, if it has one.
    fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&mut Columns<'_>) -> Sql<T>,
    ) -> Sql<Option<T>>;

    /// All its rows.
    fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&mut Columns<'_>) -> Sql<T>,
    ) -> Sql<Vec<T>>;

    /// The truth of its one value.
    fn holds(&self, sql: &str, params: impl Params) -> Sql<bool>;
}

impl Statements for Connection {
    fn run(&self, sql: &str, params: impl Params) -> Sql<usize> {
        Ok(self.prepare_cached(sql)?.execute(params)?)
    }

    fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&mut Columns<'_>) -> Sql<T>,
    ) -> Sql<Option<T>> {
        let mut statement = self.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?
            .map(|row| read(&mut Columns { row, next: 0 }))
            .transpose()
    }

    fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(&mut Columns<'_>) -> Sql<T>,
    ) -> Sql<Vec<T>> {
        let mut statement = self.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(&mut Columns { row, next: 0 })?);
        }
        Ok(found)
    }

    fn holds(&self, sql: &str, params: impl Params) -> Sql<bool> {
        Ok(self.first(sql, params, only::value)?.unwrap_or(false))
    }
}

/// The columns of a row, taken one after the other in the order of the SELECT.
pub(super) struct Columns<'row> {
    row: &'row Row<'row>,
    next: usize,
}

impl Columns<'_> {
    /// A value that needs no check.
    pub(super) fn value<T: FromSql>(&mut self) -> Sql<T> {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    /// A text that one of our types is made of.
    pub(super) fn parsed<T, P: Parsed<T>>(&mut self, parse: impl FnOnce(&str) -> P) -> Sql<T> {
        let text: String = self.value()?;
        match parse(&text).parsed() {
            Some(value) => Ok(value),
            None => Err(unknown(&text).into()),
        }
    }

    /// The same, if it is there.
    pub(super) fn parsed_if_any<T, P: Parsed<T>>(
        &mut self,
        parse: impl FnOnce(&str) -> P,
    ) -> Sql<Option<T>> {
        let text: Option<String> = self.value()?;
        text.map(|text| parse(&text).parsed().ok_or_else(|| unknown(&text).into()))
            .transpose()
    }

    /// A time.
    pub(super) fn time(&mut self) -> Sql<Timestamp> {
        let micros: i64 = self.value()?;
        time(micros)
    }

    /// A time, if it is there.
    pub(super) fn time_if_any(&mut self) -> Sql<Option<Timestamp>> {
        let micros: Option<i64> = self.value()?;
        micros.map(time).transpose()
    }

    /// A number of bytes.
    pub(super) fn size(&mut self) -> Sql<u64> {
        let size: i64 = self.value()?;
        u64::try_from(size).map_err(|_| unknown(&size.to_string()).into())
    }

    /// The two columns bucket and key.
    pub(super) fn path(&mut self) -> Sql<ObjectPath> {
        Ok(ObjectPath {
            bucket: self.parsed(BucketName::parse)?,
            key: self.parsed(ObjectKey::parse)?,
        })
    }

    /// The columns of `version_columns!`.
    pub(super) fn version(&mut self) -> Sql<Version> {
        Ok(Version {
            id: self.parsed(str::parse)?,
            size_bytes: self.size()?,
            sha256: Sha256Digest(self.value()?),
            identity: self.value()?,
            staged: self.value::<Option<String>>()?.map(StagedToken),
            received_at: self.time()?,
        })
    }
}

/// Rows that are one thing only.
pub(super) mod only {
    use super::{Columns, FromSql, ObjectPath, Sql, Timestamp, Version};

    pub(in super::super) fn value<T: FromSql>(columns: &mut Columns<'_>) -> Sql<T> {
        columns.value()
    }

    pub(in super::super) fn path(columns: &mut Columns<'_>) -> Sql<ObjectPath> {
        columns.path()
    }

    pub(in super::super) fn time(columns: &mut Columns<'_>) -> Sql<Timestamp> {
        columns.time()
    }

    pub(in super::super) fn time_if_any(columns: &mut Columns<'_>) -> Sql<Option<Timestamp>> {
        columns.time_if_any()
    }

    pub(in super::super) fn version(columns: &mut Columns<'_>) -> Sql<Version> {
        columns.version()
    }
}

/// The columns of a version in the order in which [`Columns::version`] takes them.
macro_rules! version_columns {
    () => {
        "v.id, v.size_bytes, v.sha256, v.identity, v.staged, v.received_at"
    };
}
pub(super) use version_columns;

/// What a parser may return.
pub(super) trait Parsed<T> {
    fn parsed(self) -> Option<T>;
}

impl<T> Parsed<T> for Option<T> {
    fn parsed(self) -> Self {
        self
    }
}

impl<T, E> Parsed<T> for Result<T, E> {
    fn parsed(self) -> Option<T> {
        self.ok()
    }
}

/// A time as it is stored.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// A size as it is stored.
pub(super) fn stored_size(size_bytes: u64) -> Sql<i64> {
    i64::try_from(size_bytes).map_err(|e| {
        Error::new(Kind::Limit, "the file is too large")
            .source(e)
            .into()
    })
}

fn time(micros: i64) -> Sql<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|_| unknown(&micros.to_string()).into())
}

fn unknown(value: &str) -> Error {
    Error::new(
        Kind::Bug,
        "the ledger holds a value that this program does not know",
    )
    .with("value", value.escape_debug())
}

#[cfg(test)]
mod tests {
    use crate::sqlite::connection::{Missing, open_writer};
    use rusqlite::StatementStatus;

    #[test]
    fn no_statement_is_prepared_twice() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open_writer(&folder.path().join("rows"), Missing::Create).unwrap();
        let sql = "SELECT name FROM sqlite_schema WHERE type = ?1 ORDER BY name LIMIT ?2";
        for limit in 1..5 {
            let mut statement = connection.prepare_cached(sql).unwrap();
            let rows = statement.query_map(("table", limit), |_| Ok(()));
            assert_eq!(rows.unwrap().count(), 0);
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        }
    }
}
