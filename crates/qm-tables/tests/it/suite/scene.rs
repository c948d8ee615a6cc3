//! A table, the bucket its rejects go to, and files that arrive one after the other.

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use qm_core::Error;
use qm_core::config::{
    Column, ColumnSource, ColumnType, Declaration, LoadMode, Rejects, RejectsFormat, Table,
};
use qm_core::delivery::{Delivery, DeliveryState, Effect, Outcome};
use qm_core::id::{
    ArrivalSeq, BucketName, DeliveryId, DestinationName, NodeName, PartnerName, RevisionNumber,
    RouteName, Sha256Digest, VersionId,
};
use qm_core::load::{Counts, Load};
use qm_core::name::{ObjectKey, ObjectPath, Prefix};
use qm_core::operation::Version;
use qm_core::ports::access::Secret;
use qm_core::ports::bucket::Content;
use qm_core::ports::connector::{Connector as _, Fence, RowProgress, Shipment};
use qm_core::template::Facts;
use qm_tables::TableConnector;
use qm_testkit::ledger::sample::minute;
use qm_testkit::outside::{MemoryBucket, MemoryContent, OneBucket, OpenFence};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Semaphore;

use super::{Database, Found};

/// One table and what goes into it.
pub(crate) struct Scene<'a> {
    pub(crate) database: &'a dyn Database,
    pub(crate) bucket: OneBucket,
    pub(crate) table: Table<Secret>,
    /// Whose files come.
    pub(crate) partner: Option<PartnerName>,
}

impl<'a> Scene<'a> {
    /// A table with key `ID`, made by the first load, its columns text as the header names them.
    pub(crate) fn new(database: &'a dyn Database, table: &str) -> Self {
        Self {
            database,
            bucket: OneBucket::default(),
            partner: None,
            table: Table {
                engine: database.engine(),
                table: table.to_owned(),
                rows: Declaration::default(),
                key: vec!["ID".to_owned()],
                mode: LoadMode::Upsert,
                create: true,
                sequence: None,
                undo: false,
                rejects: Some(Rejects {
                    bucket: BucketName::parse("rejects").unwrap(),
                    prefix: Prefix::parse("invalid-records").unwrap(),
                    format: RejectsFormat::Json,
                }),
                report: Vec::new(),
            },
        }
    }

    /// The same for appended rows, which have no key.
    pub(crate) fn appending(database: &'a dyn Database, table: &str) -> Self {
        let mut scene = Self::new(database, table);
        scene.table.mode = LoadMode::Append;
        scene.table.key.clear();
        scene
    }

    pub(crate) fn bucket(&self) -> &MemoryBucket {
        &self.bucket.0
    }

    pub(crate) fn connector(&self) -> TableConnector {
        TableConnector::new(self.table.clone(), Arc::new(self.bucket.clone())).unwrap()
    }

    /// Delivers a file.
    pub(crate) async fn outcome(&self, file: &File) -> Outcome {
        self.outcome_with(file, &OpenFence, None).await
    }

    pub(crate) async fn outcome_with(
        &self,
        file: &File,
        fence: &dyn Fence,
        progress: Option<&dyn RowProgress>,
    ) -> Outcome {
        let content = MemoryContent::new(file.bytes.clone());
        self.outcome_of(file, &content, fence, progress).await
    }

    /// The same with content of the test's own.
    pub(crate) async fn outcome_of(
        &self,
        file: &File,
        content: &dyn Content,
        fence: &dyn Fence,
        progress: Option<&dyn RowProgress>,
    ) -> Outcome {
        let shipment = Shipment {
            delivery: &file.delivery,
            target: &self.table.table,
            facts: Facts {
                path: &file.delivery.source,
                partner: self.partner.as_ref(),
                arrived_at: file.delivery.arrived_at,
            },
            pace: None,
            progress,
        };
        self.connector().deliver(&shipment, content, fence).await
    }

    /// Delivers a file that is loaded.
    #[track_caller]
    pub(crate) fn load(&self, file: &File) -> impl Future<Output = Load> {
        let at = std::panic::Location::caller();
        async move {
            let outcome = self.outcome(file).await;
            let Outcome::Loaded(load) = outcome else {
                panic!("{at}: {}", say(&outcome));
            };
            load
        }
    }

    /// Delivers a file that is not; the error's whole text.
    pub(crate) async fn fail(&self, file: &File) -> String {
        match self.outcome(file).await {
            Outcome::Failed(error) | Outcome::Rejected(error) => error.chain(),
            outcome @ (Outcome::Delivered(_) | Outcome::Loaded(_) | Outcome::Unclear(_)) => {
                panic!("{}", say(&outcome))
            }
        }
    }

    /// The table's rows, by the columns that are asked for, sorted.
    pub(crate) async fn rows(&self, columns: &[&str]) -> Vec<Vec<Option<String>>> {
        let found = self.database.rows(&self.table.table).await;
        let of = |row: Found| columns.iter().map(|name| row.get(*name).cloned()).collect();
        let mut rows: Vec<_> = found.into_iter().map(of).collect();
        rows.sort();
        rows
    }

    /// The same where nothing is null.
    pub(crate) async fn texts(&self, columns: &[&str]) -> Vec<String> {
        let rows = self.rows(columns).await;
        let text = |row: Vec<Option<String>>| {
            let cells: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
            cells.join("|")
        };
        rows.into_iter().map(text).collect()
    }

    /// What the rejects of a delivery say.
    pub(crate) fn rejects(&self, file: &File) -> Option<String> {
        let key = format!("invalid-records/{}/invalid_items.json", file.delivery.id);
        let bytes = self.bucket().bytes(&key)?;
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }
}

/// A file that arrived.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) delivery: Delivery,
    pub(crate) bytes: Vec<u8>,
}

/// `raw-data/NAME`, the arrival of that number: a version, and a delivery, of its own at every call.
pub(crate) fn file(number: u8, name: &str, bytes: impl Into<Vec<u8>>) -> File {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let bytes = bytes.into();
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = VersionId::from_parts(1_763_640_000_000, u128::from(next));
    let (route, destination) = (
        RouteName::parse("products").unwrap(),
        DestinationName::parse("table").unwrap(),
    );
    let delivery = Delivery {
        id: DeliveryId::derive(id, &route, &destination),
        arrival: ArrivalSeq(i64::from(number)),
        source: ObjectPath {
            bucket: BucketName::parse("landing").unwrap(),
            key: ObjectKey::parse(&format!("raw-data/{name}")).unwrap(),
        },
        version: Version {
            id,
            size_bytes: bytes.len() as u64,
            sha256: Sha256Digest(digest(&SHA256, &bytes).as_ref().try_into().unwrap()),
            identity: id.to_string(),
            staged: None,
            received_at: minute(0),
        },
        route,
        destination,
        target: "products".to_owned(),
        effect: Effect::Put,
        state: DeliveryState::Running {
            node: NodeName::parse("node").unwrap(),
        },
        attempts: 1,
        possible_duplicate: false,
        fence: 1,
        last_error: None,
        revision: RevisionNumber(1),
        arrived_at: minute(i64::from(number)),
        created_at: minute(i64::from(number)),
        updated_at: minute(i64::from(number)),
    };
    File { delivery, bytes }
}

/// `products.csv`, the arrival of that number.
pub(crate) fn csv(number: u8, text: &str) -> File {
    file(number, "products.csv", text)
}

/// A column as the header of the same name says.
pub(crate) fn column(name: &str, kind: ColumnType) -> Column {
    Column {
        name: name.to_owned(),
        source: ColumnSource::Header(name.to_owned()),
        kind,
        required: false,
        default: None,
        format: None,
        zone: None,
    }
}

/// `read inserted updated unchanged rejected superseded`.
pub(crate) fn counts(counts: Counts) -> [u64; 6] {
    [
        counts.read,
        counts.inserted,
        counts.updated,
        counts.unchanged,
        counts.rejected,
        counts.superseded,
    ]
}

pub(crate) fn say(outcome: &Outcome) -> String {
    let of = |what: &str, error: &Error| format!("{what}: {}", error.chain());
    match outcome {
        Outcome::Delivered(note) => format!("delivered: {note}"),
        Outcome::Loaded(load) => format!("loaded: {}", load.note()),
        Outcome::Failed(error) => of("failed", error),
        Outcome::Unclear(error) => of("unclear", error),
        Outcome::Rejected(error) => of("rejected", error),
    }
}

/// Lets a load come to its commit, and no further before it is opened.
pub(crate) struct Gate {
    pub(crate) come: Semaphore,
    pub(crate) open: Semaphore,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            come: Semaphore::new(0),
            open: Semaphore::new(0),
        }
    }
}

#[async_trait]
impl Fence for Gate {
    async fn check(&self) -> qm_core::Result<()> {
        self.come.add_permits(1);
        self.open.acquire().await.unwrap().forget();
        Ok(())
    }
}

/// Remembers when it was told that the load waits.
#[derive(Debug, Default)]
pub(crate) struct Waits(pub(crate) Mutex<Vec<bool>>);

impl RowProgress for Waits {
    fn rows(&self, _: Counts) {}

    fn waits(&self, is_waiting: bool) {
        self.0.lock().push(is_waiting);
    }
}

/// Remembers what it was told last.
#[derive(Debug, Default)]
pub(crate) struct Heard(pub(crate) Mutex<Vec<Counts>>);

impl RowProgress for Heard {
    fn rows(&self, counts: Counts) {
        self.0.lock().push(counts);
    }
}
