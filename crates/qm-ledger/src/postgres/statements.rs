//! Reading rows: every column becomes a type here or the row is refused.

use jiff::Timestamp;
use qm_core::id::{BucketName, Sha256Digest};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::{StagedToken, Version};
use qm_core::{Error, Kind};
use std::borrow::Cow;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql};

use super::fault::Sql;

/// What a statement is given.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The columns of a row, taken one after the other in the order of the SELECT.
pub(super) struct Columns<'row> {
    row: &'row Row,
    next: usize,
}

impl<'row> Columns<'row> {
    pub(super) fn of(row: &'row Row) -> Self {
        Self { row, next: 0 }
    }

    /// A value that needs no check.
    pub(super) fn value<T: FromSql<'row>>(&mut self) -> Sql<T> {
        let value = self.row.try_get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    /// A text that one of our types is made of.
    pub(super) fn parsed<T, P: Parsed<T>>(&mut self, parse: impl FnOnce(&str) -> P) -> Sql<T> {
        let text: &str = self.value()?;
        parse(text).parsed().ok_or_else(|| unknown(text).into())
    }

    /// The same, if it is there.
    pub(super) fn parsed_if_any<T, P: Parsed<T>>(
        &mut self,
        parse: impl FnOnce(&str) -> P,
    ) -> Sql<Option<T>> {
        let text: Option<&str> = self.value()?;
        text.map(|text| parse(text).parsed().ok_or_else(|| unknown(text).into()))
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

    /// A number that is never below zero.
    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Sql<T> {
        let number: i64 = self.value()?;
        T::try_from(number).map_err(|_| unknown(&number.to_string()).into())
    }

    /// The same, if it is there.
    pub(super) fn number_if_any<T: TryFrom<i64>>(&mut self) -> Sql<Option<T>> {
        let number: Option<i64> = self.value()?;
        number
            .map(|number| T::try_from(number).map_err(|_| unknown(&number.to_string()).into()))
            .transpose()
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
            size_bytes: self.number()?,
            sha256: self.digest()?,
            identity: self.value()?,
            staged: self.value::<Option<String>>()?.map(StagedToken),
            received_at: self.time()?,
        })
    }

    fn digest(&mut self) -> Sql<Sha256Digest> {
        let bytes: &[u8] = self.value()?;
        let digest = bytes
            .try_into()
            .map_err(|_| unknown(&format!("{} bytes", bytes.len())))?;
        Ok(Sha256Digest(digest))
    }
}

/// Rows that are one thing only.
pub(super) mod only {
    use super::{Columns, FromSql, ObjectPath, Sql, Timestamp, Version};

    pub(in super::super) fn value<T: for<'row> FromSql<'row>>(columns: &mut Columns<'_>) -> Sql<T> {
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

/// A text that others wrote: the server stores every character but one.
pub(super) fn stored_text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// How many rows, as the ports count them.
pub(super) fn count(rows: u64) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
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
