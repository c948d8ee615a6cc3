//! A folder on a real disk, a real ledger: what others put there arrives once.

use anyhow::ensure;
use async_trait::async_trait;
use qm_core::arrival::Arrival;
use qm_core::config::Config;
use qm_core::delivery::Delivery;
use qm_core::id::{BucketName, NotifierName, RevisionNumber, VersionId};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::ports::bucket::{Bucket, Buckets};
use qm_core::ports::clock::Identifiers;
use qm_core::ports::connector::NotifierPort;
use qm_core::ports::ledger::Arrivals as _;
use qm_core::ports::source::Sources;
use qm_core::{Error, Kind};
use qm_e2e::wait;
use qm_engine::{NoticeReconciler, Outside, Ports, Running, Wake, Way, run_one};
use qm_ledger::{SqliteLedger, SqliteOptions};
use qm_store::{DirectoryBucket, Durability, ListingWatch, Timing, WatchPorts};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

use super::{LIMIT, WallClock};
use crate::support::Outcome;

const FILES: usize = 2_500;

/// The rooms that notice, over one folder; without fronts and destinations.
struct House {
    ledger: Arc<SqliteLedger>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    _config: watch::Sender<Running>,
    _stop: watch::Sender<bool>,
}

struct Nobody;

#[async_trait]
impl Outside for Nobody {
    async fn way(&self, delivery: &Delivery) -> qm_core::Result<Way> {
        let sentence = format!("there is no destination `{}`", delivery.destination);
        Err(Error::new(Kind::NotFound, sentence))
    }

    fn notifier(&self, _: &NotifierName) -> Option<Arc<dyn NotifierPort>> {
        None
    }
}

#[async_trait]
impl Sources for Nobody {
    async fn remove(&self, _: &ObjectPath, _: VersionId, _: &str) -> qm_core::Result<bool> {
        Ok(false)
    }

    async fn move_to(
        &self,
        _: &ObjectPath,
        _: VersionId,
        _: &ObjectKey,
        _: &str,
    ) -> qm_core::Result<Option<ObjectKey>> {
        Ok(None)
    }
}

#[derive(Default)]
struct Counted(AtomicU64);

impl Identifiers for Counted {
    fn version(&self, now: jiff::Timestamp) -> VersionId {
        // The moment a process starts tells its identifiers from those of the one before.
        let moment = u128::from(now.as_microsecond().unsigned_abs());
        let count = u128::from(self.0.fetch_add(1, Ordering::Relaxed));
        let milliseconds = now.as_millisecond().unsigned_abs();
        VersionId::from_parts(milliseconds, (moment << 20 | count) & ((1 << 80) - 1))
    }
}

impl House {
    fn starts(root: &Path) -> anyhow::Result<Self> {
        let name = BucketName::parse("landing")?;
        let folder = root.join("bucket");
        // What the one before had begun on other threads ends soon after it.
        let bucket = tokio::task::block_in_place(|| {
            wait::until("the bucket is free", || {
                match DirectoryBucket::open(&folder, Durability::Full) {
                    Ok(bucket) => Ok(Some(Arc::new(bucket))),
                    Err(error) if error.kind() == Kind::Conflict => Ok(None),
                    Err(error) => Err(error.into()),
                }
            })
        })?;
        let file = root.join("ledger.sqlite");
        let ledger = Arc::new(SqliteLedger::open(&file, SqliteOptions::default())?);
        let watched = Arc::clone(&bucket) as Arc<dyn Bucket>;
        let buckets: BTreeMap<BucketName, Arc<dyn Bucket>> = [(name.clone(), bucket as _)].into();
        let config = watch::Sender::new((RevisionNumber(1), Arc::new(config(&folder)?)));
        let ports = Ports {
            ledger: ledger.clone(),
            buckets: Arc::new(buckets) as Arc<dyn Buckets>,
            outside: Arc::new(Nobody),
            sources: Arc::new(Nobody),
            clock: Arc::new(WallClock),
            config: config.subscribe(),
            wake: Wake::default(),
        };
        let watch_ports = WatchPorts {
            bucket: name,
            ledger: ledger.clone(),
            clock: Arc::new(WallClock),
            alert: vec![],
        };
        let timing = Timing {
            every: Duration::from_mins(1),
            settle: Duration::from_millis(100),
        };
        let stop = watch::Sender::new(false);
        let watching = ListingWatch::of_directory(watch_ports, watched, timing, &folder);
        let reading = NoticeReconciler::new(ports.clone(), Arc::new(Counted::default()));
        let wake = ports.wake.clone();
        let mut changes = ledger.changes();
        let tasks = vec![
            tokio::spawn(watching.run(stop.subscribe())),
            tokio::spawn(run_one(Arc::new(reading), ports, stop.subscribe())),
            tokio::spawn(async move {
                while changes.changed().await.is_ok() {
                    wake.wake();
                }
            }),
        ];
        Ok(Self {
            ledger,
            tasks,
            _config: config,
            _stop: stop,
        })
    }

    /// Waits until so many have arrived; oldest first.
    async fn arrived(&self, count: usize) -> anyhow::Result<Vec<Arrival>> {
        let mut changes = self.ledger.changes();
        let waiting = async {
            loop {
                let mut arrived = self.ledger.latest(u32::MAX).await?;
                if arrived.len() >= count {
                    arrived.reverse();
                    return anyhow::Ok(arrived);
                }
                changes.changed().await?;
            }
        };
        tokio::time::timeout(LIMIT, waiting).await?
    }

    /// Ends where it stands.
    async fn dies(self) {
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
    }
}

fn config(folder: &Path) -> anyhow::Result<Config> {
    let bucket = serde_json::json!({
        "place": { "Directory": folder }, "encryption_key": null, "keep_versions": 0,
        "keep_for": null, "watch": null, "is_shared": false,
    });
    let no_time = serde_json::json!({ "secs": 0, "nanos": 0 });
    Ok(serde_json::from_value(serde_json::json!({
        "node": {
            "data": "/nowhere", "secrets": null, "encryption_keys": "/nowhere", "alert": [],
            "partial_kept": no_time, "partial_alert_after": no_time, "ledger": "Sqlite",
        },
        "sftp": {
            "address": "127.0.0.1:0", "connections_max": 1, "connections_per_account_max": 1,
            "idle": no_time,
        },
        "buckets": { "landing": bucket },
        "encryption_keys": {}, "accounts": {}, "expectations": {}, "notifiers": {}, "routes": {},
        "destinations": {},
    }))?)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_others_arrive_once_though_the_house_dies_again_and_again() -> Outcome {
    let root = tempfile::tempdir()?;
    let folder = root.path().join("bucket");
    let mut house = House::starts(root.path())?;
    let file = |number: usize| format!("in/{}/{number} é+.csv", number % 5);
    for part in 0..5 {
        fs::create_dir_all(folder.join(format!("in/{part}")))?;
    }
    for number in 0..FILES {
        // As careful writers do: elsewhere, then renamed.
        let temp = folder.join(".in.next");
        fs::write(&temp, file(number))?;
        fs::rename(&temp, folder.join(file(number)))?;
        if number % 700 == 699 {
            house.arrived(number / 4).await?;
            house.dies().await;
            house = House::starts(root.path())?;
        }
    }
    let arrived = house.arrived(FILES).await?;
    let found: BTreeMap<&str, _> = arrived.iter().map(|a| (a.path.key.as_str(), a)).collect();
    ensure!(
        found.len() == FILES && arrived.len() == FILES,
        "something arrived twice"
    );
    for number in 0..FILES {
        let key = file(number);
        let version = &found[key.as_str()].version;
        ensure!(
            version.sha256.to_string() == qm_e2e::digest(key.as_bytes()),
            "{key}"
        );
    }
    house.dies().await;
    Ok(())
}
