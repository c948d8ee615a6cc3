//! A destination that is a table: the rows of a file, not its bytes, go there.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::{AwsAccess, Declaration};
use crate::id::{BucketName, NotifierName};
use crate::name::Prefix;

/// A table. `S` is a secret's name in the configuration and the secret itself where it is used.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(
    clippy::struct_field_names,
    reason = "`table` is the word of the configuration"
)]
pub struct Table<S> {
    /// Which database.
    pub engine: TableEngine<S>,
    /// The table; in PostgreSQL `schema.table`, or `table` in the search path.
    pub table: String,
    /// What the rows of a file are.
    pub rows: Declaration,
    /// The columns that make a row the same row; a row without one is rejected.
    pub key: Vec<String>,
    /// What a file does to the rows that are there.
    pub mode: LoadMode,
    /// Make the table as the declaration says if it is not there.
    pub create: bool,
    /// A column that holds the arrival's sequence number: a row of a later arrival is never
    /// overwritten by one of an earlier.
    pub sequence: Option<String>,
    /// Keep what `quaymaster load undo` needs: a column `delivery` when rows are appended, the rows
    /// before when they are replaced. SQL only.
    pub undo: bool,
    /// Where rejected rows are written.
    pub rejects: Option<Rejects>,
    /// Who is told of every load, good or bad.
    pub report: Vec<NotifierName>,
}

/// Which database.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum TableEngine<S> {
    /// A file on this machine.
    Sqlite {
        /// The database; made if it is not there.
        file: PathBuf,
    },
    /// A server, by its connection string.
    Postgres {
        /// The connection string.
        url: S,
    },
    /// Amazon DynamoDB, or what speaks like it.
    DynamoDb {
        /// Where and as whom.
        access: AwsAccess,
        /// The table in which loads of this one take turns and leave off; never the table itself.
        control: String,
        /// In which order rows are written.
        order: RowOrder,
    },
}

impl<S> TableEngine<S> {
    /// As people call it.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "SQLite",
            Self::Postgres { .. } => "PostgreSQL",
            Self::DynamoDb { .. } => "DynamoDB",
        }
    }
}

/// What a file does to the rows that are there.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum LoadMode {
    /// Rows with the key of one that is there replace it; others are added.
    Upsert,
    /// All rows are added.
    Append,
    /// All rows that were there go.
    Replace,
}

/// In which order DynamoDB gets rows.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum RowOrder {
    /// One put a row, with its condition and the old item back: exact counts.
    #[default]
    ByRow,
    /// Batches of 25, which know neither: cheaper; rows are counted as written.
    None,
}

/// Where rejected rows are written: `<prefix>/<delivery id>/invalid_items.json` or `rejected.csv`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Rejects {
    /// The bucket.
    pub bucket: BucketName,
    /// The folder in it.
    pub prefix: Prefix,
    /// As what.
    pub format: RejectsFormat,
}

/// What rejected rows are written as.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum RejectsFormat {
    /// An array of items as DynamoDB types them.
    #[default]
    Json,
    /// The cells of the row, after line, column and reason.
    Csv,
}

impl RejectsFormat {
    /// The file's name.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Json => "invalid_items.json",
            Self::Csv => "rejected.csv",
        }
    }
}
