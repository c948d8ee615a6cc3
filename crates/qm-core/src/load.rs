//! Loads: what became of the rows of a file that went into a table.

use crate::alert::Text;
use crate::message_text::{Fact, MessageKind};
use crate::name::ObjectPath;

/// Rows by what became of them. Each row read is counted once more, as one of the others.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Rows of the file.
    pub read: u64,
    /// Not in the table before.
    pub inserted: u64,
    /// In the table before, with other values.
    pub updated: u64,
    /// In the table before, just so.
    pub unchanged: u64,
    /// Not loaded: they are not what the declaration says.
    pub rejected: u64,
    /// Not loaded: a later row of the file, or the table's row of a later arrival, has their key.
    pub superseded: u64,
}

impl Counts {
    /// Rows whose values the table has now.
    pub fn loaded(&self) -> u64 {
        self.inserted + self.updated + self.unchanged
    }

    /// A sentence for the record.
    pub fn note(&self) -> String {
        let Self {
            read,
            inserted,
            updated,
            unchanged,
            rejected,
            superseded,
        } = self;
        format!(
            "{read} rows read: {inserted} inserted, {updated} updated, {unchanged} unchanged, {rejected} rejected, \
             {superseded} superseded"
        )
    }

    /// How a load ended that has counted so.
    pub fn status(&self) -> LoadStatus {
        match *self {
            Self { read: 0, .. } => LoadStatus::NoRows,
            Self { rejected: 0, .. } => LoadStatus::Loaded,
            Self { read, rejected, .. } if read == rejected => LoadStatus::AllRejected,
            Self { .. } => LoadStatus::Partly,
        }
    }
}

/// How a load ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Load {
    /// The kind of table, as people call it: `DynamoDB`, `PostgreSQL`, `SQLite`.
    pub engine: &'static str,
    /// The table.
    pub table: String,
    /// The rows.
    pub counts: Counts,
    /// Where the rejected ones are.
    pub rejects: Option<ObjectPath>,
}

/// How a load ended, in a word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LoadStatus {
    /// Every row counts.
    Loaded,
    /// Some rows were rejected.
    Partly,
    /// All rows were rejected.
    AllRejected,
    /// The file has no rows.
    NoRows,
}

impl LoadStatus {
    /// The word in the ledger and on the terminal.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Partly => "partly",
            Self::AllRejected => "all rejected",
            Self::NoRows => "no rows",
        }
    }
}

impl Load {
    /// How it ended.
    pub fn status(&self) -> LoadStatus {
        self.counts.status()
    }

    /// A sentence for the record.
    pub fn note(&self) -> String {
        self.counts.note()
    }

    /// Which message those get who want to know of every load.
    pub fn message(&self) -> MessageKind {
        match self.status() {
            LoadStatus::Loaded => MessageKind::Loaded,
            LoadStatus::Partly => MessageKind::PartlyLoaded,
            LoadStatus::AllRejected => MessageKind::AllRejected,
            LoadStatus::NoRows => MessageKind::NoRows,
        }
    }

    /// What the placeholders of a configured text stand for; objects are named by `link`.
    pub fn facts(&self, source: &ObjectPath, link: &dyn Fn(&ObjectPath) -> String) -> Vec<Fact> {
        let counts = self.counts;
        let rejects = self.rejects.as_ref().map(link);
        vec![
            ("engine", self.engine.to_owned()),
            ("table", self.table.clone()),
            ("source", link(source)),
            ("rejects", rejects.unwrap_or_else(|| "nowhere".to_owned())),
            ("counts", self.note()),
            ("read", counts.read.to_string()),
            ("inserted", counts.inserted.to_string()),
            ("updated", counts.updated.to_string()),
            ("unchanged", counts.unchanged.to_string()),
            ("rejected", counts.rejected.to_string()),
            ("superseded", counts.superseded.to_string()),
        ]
    }

    /// What they are told unless the configuration has a text of its own.
    pub fn text(&self, source: &ObjectPath, link: &dyn Fn(&ObjectPath) -> String) -> Text {
        let (table, engine) = (&self.table, self.engine);
        let from = link(source);
        let saved = self
            .rejects
            .as_ref()
            .map(|path| format!("in the s3 bucket {}", link(path)));
        let body = match (self.status(), saved) {
            (LoadStatus::Loaded, _) => {
                format!("Data loaded successfully to {engine} table {table} from {from}")
            }
            (LoadStatus::AllRejected, Some(saved)) => {
                format!("Failed to load all the items and are saved {saved}")
            }
            (LoadStatus::AllRejected, None) => {
                format!("Failed to load all the items of {from} to {engine} table {table}")
            }
            (LoadStatus::Partly, saved) => format!(
                "{} rows loaded to {engine} table {table} from {from}\n{} rows rejected, {}",
                self.counts.read - self.counts.rejected,
                self.counts.rejected,
                saved.map_or_else(
                    || "not saved: the destination has no `rejects`".to_owned(),
                    |saved| format!("saved {saved}")
                ),
            ),
            (LoadStatus::NoRows, _) => {
                format!("No rows in {from}: nothing was loaded to {engine} table {table}")
            }
        };
        Text {
            subject: format!("{engine} table load status"),
            body: format!("{body}\n\n{}", self.note()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::BucketName;
    use crate::name::ObjectKey;

    fn path(key: &str) -> ObjectPath {
        ObjectPath {
            bucket: BucketName::parse("landing").unwrap(),
            key: ObjectKey::parse(key).unwrap(),
        }
    }

    #[track_caller]
    fn check(read: u64, rejected: u64, expect: (LoadStatus, &str)) {
        let load = Load {
            engine: "DynamoDB",
            table: "products".to_owned(),
            counts: Counts {
                read,
                inserted: read - rejected,
                rejected,
                ..Counts::default()
            },
            rejects: (rejected > 0).then(|| path("invalid-records/1/invalid_items.json")),
        };
        let link = |path: &ObjectPath| format!("s3://{path}");
        let text = load.text(&path("raw-data/products.csv"), &link);
        assert_eq!(text.subject, "DynamoDB table load status");
        let said = text.body.strip_suffix(&format!("\n\n{}", load.note()));
        assert_eq!((load.status(), said), (expect.0, Some(expect.1)));
        let facts = load.facts(&path("raw-data/products.csv"), &link);
        let named: Vec<&str> = facts.iter().map(|(name, _)| *name).collect();
        assert_eq!(named, load.message().placeholders());
    }

    #[test]
    fn the_originals_mails_and_those_for_what_it_did_not_say() {
        check(
            1000,
            0,
            (
                LoadStatus::Loaded,
                "Data loaded successfully to DynamoDB table products from s3://landing/raw-data/products.csv",
            ),
        );
        check(
            14,
            14,
            (
                LoadStatus::AllRejected,
                "Failed to load all the items and are saved in the s3 bucket \
                 s3://landing/invalid-records/1/invalid_items.json",
            ),
        );
        check(
            3,
            1,
            (
                LoadStatus::Partly,
                "2 rows loaded to DynamoDB table products from s3://landing/raw-data/products.csv\n1 rows rejected, \
                 saved in the s3 bucket s3://landing/invalid-records/1/invalid_items.json",
            ),
        );
        check(
            0,
            0,
            (
                LoadStatus::NoRows,
                "No rows in s3://landing/raw-data/products.csv: nothing was loaded to DynamoDB table products",
            ),
        );
    }
}
