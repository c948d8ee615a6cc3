//! A destination that is a table: what comes in is a file, what goes out are its rows.
//!
//! Content is read piece by piece, made into rows as the declaration says, and written in batches
//! while the next are read. Bad rows go to a bucket; the load shows when it is whole, and the fact that
//! it is done shows with it.

mod attempt;
mod rejects;

use async_trait::async_trait;
use qm_core::config::{LoadMode, Rejects, Table, TableEngine};
use qm_core::delivery::{Delivery, Outcome};
use qm_core::load::{Counts, Load};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::ports::access::Secret;
use qm_core::ports::bucket::{Bucket, Buckets, Content};
use qm_core::ports::connector::{Connector, Fence, Finding, Shipment};
use qm_core::{Error, Kind, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::Engine;
use attempt::{Attempt, Ended};

/// Loads files into one table.
pub struct TableConnector {
    table: Table<()>,
    engine: Box<dyn Engine>,
    buckets: Arc<dyn Buckets>,
}

impl TableConnector {
    /// For one configured table. Connects to nothing yet.
    pub fn new(table: Table<Secret>, buckets: Arc<dyn Buckets>) -> Result<Self> {
        let (source, table) = split(table);
        check(&table)?;
        Ok(Self {
            engine: engine(source, &table)?,
            table,
            buckets,
        })
    }

    /// With tags for what it makes in a cloud.
    #[must_use]
    pub fn tagged(mut self, tags: &BTreeMap<String, String>) -> Self {
        self.engine.tag(tags);
        self
    }

    /// Takes back what the delivery loaded, in one transaction; a sentence that says what went and
    /// what came back, or, as the error, why it cannot be taken back.
    pub async fn undo(&self, delivery: &Delivery) -> Result<String> {
        self.engine.undo(delivery).await
    }

    /// A sentence for each difference between the declaration and the table that is there.
    pub async fn differences(&self) -> Result<Vec<String>> {
        self.engine.differences().await
    }

    fn load(&self, delivery: &Delivery, counts: Counts) -> Result<Load> {
        let rejects = match &self.table.rejects {
            Some(rejects) if counts.rejected > 0 => Some(rejects::path(rejects, delivery)?),
            Some(_) | None => None,
        };
        Ok(Load {
            engine: self.engine.name(),
            table: self.table.table.clone(),
            counts,
            rejects,
        })
    }

    fn rejects_file(&self, delivery: &Delivery) -> Result<Option<rejects::RejectsFile>> {
        let Some(rejects) = &self.table.rejects else {
            return Ok(None);
        };
        let bucket = self.buckets.get(&rejects.bucket).ok_or_else(|| {
            Error::new(
                Kind::Unavailable,
                "the bucket for rejected rows is not open",
            )
            .with("bucket", &rejects.bucket)
        })?;
        rejects::RejectsFile::new(rejects, bucket, delivery).map(Some)
    }
}

#[async_trait]
impl Connector for TableConnector {
    async fn deliver(
        &self,
        shipment: &Shipment<'_>,
        content: &dyn Content,
        fence: &dyn Fence,
    ) -> Outcome {
        let delivery = shipment.delivery;
        match self.engine.loaded(delivery).await {
            Ok(Some(counts)) => return self.outcome(delivery, counts),
            Ok(None) => {}
            Err(error) => return Outcome::Failed(error),
        }
        let attempt = Attempt {
            connector: self,
            shipment,
            content,
            fence,
        };
        match attempt.run().await {
            Ok(counts) => self.outcome(delivery, counts),
            Err(Ended::Failed(error)) => Outcome::Failed(error),
            Err(Ended::Rejected(error)) => Outcome::Rejected(error),
            // The last answer may have been lost with the line: the load's own row knows.
            Err(Ended::Unfinished(error)) => match self.engine.loaded(delivery).await {
                Ok(Some(counts)) => self.outcome(delivery, counts),
                Ok(None) => Outcome::Failed(error),
                Err(_) => Outcome::Unclear(error),
            },
        }
    }

    async fn is_delivered(&self, shipment: &Shipment<'_>) -> Result<bool> {
        let counts = self.engine.loaded(shipment.delivery).await?;
        Ok(counts.is_some())
    }

    async fn loaded(&self, shipment: &Shipment<'_>) -> Result<Option<Load>> {
        let delivery = shipment.delivery;
        let counts = self.engine.loaded(delivery).await?;
        counts.map(|counts| self.load(delivery, counts)).transpose()
    }

    /// The row that says so is written together with the rows.
    fn proves_absence(&self) -> bool {
        true
    }

    async fn test(&self) -> Vec<Finding> {
        self.engine.test().await
    }
}

impl TableConnector {
    fn outcome(&self, delivery: &Delivery, counts: Counts) -> Outcome {
        match self.load(delivery, counts) {
            Ok(load) => Outcome::Loaded(load),
            Err(error) => Outcome::Failed(error),
        }
    }
}

fn engine(source: TableEngine<Secret>, table: &Table<()>) -> Result<Box<dyn Engine>> {
    match source {
        TableEngine::Sqlite { file } => {
            Ok(Box::new(crate::sqlite::Sqlite::new(file, table.clone())))
        }
        TableEngine::Postgres { url } => Ok(Box::new(crate::postgres::Postgres::new(
            url,
            table.clone(),
        )?)),
        TableEngine::DynamoDb { .. } => Ok(Box::new(crate::dynamodb::DynamoDb::new(table)?)),
    }
}

/// The way to the database apart from what is loaded: secrets go no further than to the engine.
fn split(table: Table<Secret>) -> (TableEngine<Secret>, Table<()>) {
    let Table {
        engine,
        table,
        rows,
        key,
        mode,
        create,
        sequence,
        undo,
        rejects,
        report,
    } = table;
    let plain = match &engine {
        TableEngine::Sqlite { file } => TableEngine::Sqlite { file: file.clone() },
        TableEngine::Postgres { url: _ } => TableEngine::Postgres { url: () },
        TableEngine::DynamoDb {
            access,
            control,
            order,
        } => TableEngine::DynamoDb {
            access: access.clone(),
            control: control.clone(),
            order: *order,
        },
    };
    let table = Table {
        engine: plain,
        table,
        rows,
        key,
        mode,
        create,
        sequence,
        undo,
        rejects,
        report,
    };
    (engine, table)
}

/// What no load can make up for; the plan says the same, with file and line.
fn check(table: &Table<()>) -> Result<()> {
    let says = |message: &str| Err(Error::new(Kind::Invalid, message));
    if table.mode == LoadMode::Upsert && table.key.is_empty() {
        return says("a table that rows are merged into needs a `key`");
    }
    let name = table.table.rsplit('.').next().unwrap_or_default();
    if name.starts_with("quaymaster_") {
        return says("tables whose names begin with `quaymaster_` are this program's own");
    }
    Ok(())
}

/// Where rejects of a delivery are, in its bucket.
fn rejects_key(rejects: &Rejects, delivery: &Delivery) -> Result<ObjectKey> {
    use qm_core::config::RejectsFormat;
    let name = match rejects.format {
        RejectsFormat::Json => "invalid_items.json",
        RejectsFormat::Csv => "rejected.csv",
    };
    rejects.prefix.join(&format!("{}/{name}", delivery.id))
}

/// A bucket and a key in it.
fn path_of(rejects: &Rejects, key: ObjectKey) -> ObjectPath {
    ObjectPath {
        bucket: rejects.bucket.clone(),
        key,
    }
}

type OpenBucket = Arc<dyn Bucket>;
