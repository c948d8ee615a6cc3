//! A table on a server, engines that load it, and somebody else who looks into it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use qm_core::config::{AwsAccess, Declaration, LoadMode, RowOrder, Table, TableEngine};
use qm_core::delivery::{Delivery, DeliveryState};
use qm_core::id::{
    ArrivalSeq, BucketName, DeliveryId, DestinationName, NodeName, RevisionNumber, RouteName,
    Sha256Digest, VersionId,
};
use qm_core::load::Counts;
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::Version;
use qm_core::ports::connector::Fence;
use qm_core::{Error, Kind, Result};
use qm_rows::{Batch, Finish, Output, Reject, Rows, RowsFile};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::OnceCell;

use super::super::item::Item;
use super::super::pressure::Patience;
use super::super::turn::Courtesy;
use super::super::{DynamoDb, Limits, settings};
use crate::engine::{Engine, Loading};

/// So that everything that is tried again is, and nobody waits for it.
pub(super) const LIMITS: Limits = Limits {
    chunk_rows: 4,
    rows_in_flight: 3,
    patience: Patience {
        first: Duration::from_micros(100),
        longest: Duration::from_micros(100),
        waits: 4,
    },
    courtesy: Courtesy {
        pause: Duration::from_millis(1),
        looks: 5,
        most_looks: 200,
    },
    // Only before each chunk.
    look_every: Duration::MAX,
};

pub(super) struct World {
    /// The settings of the destination; tests change them.
    pub(super) table: Table<()>,
    pub(super) limits: Limits,
    pub(super) client: Client,
}

/// A file as the reader gives it.
pub(super) struct File {
    pub(super) columns: Vec<String>,
    pub(super) batches: Vec<Batch>,
    pub(super) rejects: Vec<Reject>,
    pub(super) read: u64,
}

impl World {
    /// With a table of a name of its own, made by the first load.
    pub(super) async fn at(endpoint: &str) -> Self {
        static NUMBER: AtomicI64 = AtomicI64::new(0);
        let table = format!("products-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        Self {
            table: Table {
                engine: TableEngine::DynamoDb {
                    access: access(endpoint),
                    control: format!("{table}-loads"),
                    order: RowOrder::ByRow,
                },
                table,
                rows: Declaration::default(),
                key: vec!["ID".to_owned()],
                mode: LoadMode::Upsert,
                create: true,
                sequence: None,
                undo: false,
                rejects: None,
                report: Vec::new(),
            },
            limits: LIMITS,
            client: client(endpoint).await,
        }
    }

    pub(super) fn in_batches(mut self) -> Self {
        if let TableEngine::DynamoDb { order, .. } = &mut self.table.engine {
            *order = RowOrder::None;
        }
        self
    }

    pub(super) fn with_sequence(mut self) -> Self {
        self.table.sequence = Some("arrival".to_owned());
        self
    }

    /// As made by a node that has just started.
    pub(super) fn engine(&self) -> DynamoDb {
        let mut engine = DynamoDb::new(&self.table).unwrap();
        engine.limits = self.limits;
        engine.client = OnceCell::new_with(Some(self.client.clone()));
        engine
    }

    pub(super) fn read(&self, csv: &str) -> File {
        let file = RowsFile {
            name: "a.csv",
            facts: None,
        };
        let mut rows = Rows::new(&self.table.rows, &self.table.key, &file).unwrap();
        let (mut batches, mut rejects) = (Vec::new(), Vec::new());
        let mut take = |output: &mut Output| {
            rejects.append(&mut output.rejects);
            if !output.batch.is_empty() {
                batches.push(std::mem::take(&mut output.batch));
            }
            *output = Output::default();
        };
        let mut output = Output::default();
        let mut rest = csv.as_bytes();
        while !rest.is_empty() {
            let taken = rows.push(rest, &mut output).unwrap();
            rest = &rest[taken..];
            take(&mut output);
        }
        while rows.finish(&mut output).unwrap() == Finish::More {
            take(&mut output);
        }
        take(&mut output);
        File {
            columns: rows.columns().map(<[String]>::to_vec).unwrap_or_default(),
            batches,
            rejects,
            read: rows.read(),
        }
    }

    /// One attempt, by an engine of its own.
    pub(super) async fn attempt(&self, delivery: &Delivery, csv: &str) -> Result<Counts> {
        self.attempt_with(delivery, csv, &Open).await
    }

    pub(super) async fn attempt_with(
        &self,
        delivery: &Delivery,
        csv: &str,
        fence: &dyn Fence,
    ) -> Result<Counts> {
        let engine = self.engine();
        if let Some(counts) = engine.loaded(delivery).await? {
            return Ok(counts);
        }
        let file = self.read(csv);
        let (read, rejected) = (file.read, file.rejects.len() as u64);
        let columns = if file.batches.is_empty() {
            &[]
        } else {
            &file.columns[..]
        };
        let mut load = engine.begin(delivery, columns).await?;
        for batch in file.batches {
            load.write(batch, fence).await?;
        }
        load.finish(read, rejected, fence).await
    }

    /// A load of a delivery that has all that it needs.
    pub(super) async fn begin(&self, delivery: &Delivery, csv: &str) -> (Box<dyn Loading>, File) {
        let file = self.read(csv);
        let load = self.engine().begin(delivery, &file.columns).await.unwrap();
        (load, file)
    }

    /// All items, by the text of their key.
    pub(super) async fn items(&self) -> BTreeMap<String, Item> {
        let mut items = BTreeMap::new();
        let mut from = None;
        loop {
            let page = self
                .client
                .scan()
                .table_name(&self.table.table)
                .consistent_read(true)
                .set_exclusive_start_key(from)
                .send()
                .await
                .unwrap();
            for item in page.items.unwrap_or_default() {
                let key = &item[&self.table.key[0]];
                let key = key.as_s().or_else(|_| key.as_n()).unwrap().clone();
                items.insert(key, item);
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                return items;
            }
        }
    }

    /// What somebody else puts there.
    pub(super) async fn put(&self, cells: &[(&str, &str)]) {
        let request = self.client.put_item().table_name(&self.table.table);
        let request = request.set_item(Some(item(cells)));
        request.send().await.unwrap();
    }
}

/// An item of texts.
pub(super) fn item(cells: &[(&str, &str)]) -> Item {
    let cells = cells.iter();
    cells
        .map(|(name, text)| ((*name).to_owned(), AttributeValue::S((*text).to_owned())))
        .collect()
}

/// The version of `key` that arrived as number `arrival`.
pub(super) fn delivery(key: &str, arrival: i64) -> Delivery {
    let version = Version {
        id: VersionId::from_parts(1, u128::try_from(arrival).unwrap()),
        size_bytes: 1,
        sha256: Sha256Digest([7; 32]),
        identity: String::new(),
        staged: None,
        received_at: Timestamp::UNIX_EPOCH,
    };
    let (route, destination) = (
        RouteName::parse("products").unwrap(),
        DestinationName::parse("products").unwrap(),
    );
    Delivery {
        id: DeliveryId::derive(version.id, &route, &destination),
        arrival: ArrivalSeq(arrival),
        source: ObjectPath {
            bucket: BucketName::parse("landing").unwrap(),
            key: ObjectKey::parse(key).unwrap(),
        },
        version,
        route,
        destination,
        target: "products".to_owned(),
        effect: qm_core::delivery::Effect::Put,
        state: DeliveryState::Running {
            node: NodeName::parse("here").unwrap(),
        },
        attempts: 1,
        possible_duplicate: false,
        fence: 1,
        last_error: None,
        revision: RevisionNumber(1),
        arrived_at: Timestamp::UNIX_EPOCH,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

/// The same, claimed once more.
pub(super) fn again(delivery: &Delivery) -> Delivery {
    Delivery {
        attempts: delivery.attempts + 1,
        fence: delivery.fence + 1,
        ..delivery.clone()
    }
}

/// Counts of rows that are all good.
pub(super) fn counts(inserted: u64, updated: u64, unchanged: u64, superseded: u64) -> Counts {
    Counts {
        read: inserted + updated + unchanged + superseded,
        inserted,
        updated,
        unchanged,
        rejected: 0,
        superseded,
    }
}

/// A fence that stays open.
pub(super) struct Open;

#[async_trait::async_trait]
impl Fence for Open {
    async fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// A fence that is closed after so many looks.
pub(super) struct ClosesAfter(pub(super) AtomicI64);

#[async_trait::async_trait]
impl Fence for ClosesAfter {
    async fn check(&self) -> Result<()> {
        if self.0.fetch_sub(1, Ordering::Relaxed) > 0 {
            return Ok(());
        }
        Err(Error::new(Kind::Conflict, "another node has taken over"))
    }
}

pub(super) fn access(endpoint: &str) -> AwsAccess {
    AwsAccess {
        endpoint: Some(endpoint.to_owned()),
        region: Some("us-east-1".to_owned()),
        ..AwsAccess::default()
    }
}

/// With credentials of its own, whatever the machine has.
pub(super) async fn client(endpoint: &str) -> Client {
    let shared = qm_aws::sdk_config(&access(endpoint)).await.unwrap();
    let credentials = Credentials::new("testing", "testing", None, None, "test");
    Client::from_conf(settings(&shared).credentials_provider(credentials).build())
}
