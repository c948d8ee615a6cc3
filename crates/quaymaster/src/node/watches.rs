//! The watches of the running revision: one for each bucket that others put files into.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{OpenLedger, Running};
use crate::system::SystemClock;
use qm_core::config::{self, BucketPlace, Config, Watch};
use qm_core::id::{BucketName, NotifierName};
use qm_core::ports::bucket::Buckets as _;
use qm_store::{ListingWatch, SqsWatch, Timing, WatchPorts};

/// Between tries to set up a watch that could not be: credentials or network may come back.
const OPEN_AGAIN: Duration = Duration::from_secs(10);

/// A watch that runs, and what it was started with.
struct Started {
    bucket: config::Bucket,
    told: Vec<NotifierName>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Keeps one watch a bucket running as the revision in force says, until the node stops.
pub(super) async fn keep(
    ledger: OpenLedger,
    running: Arc<Running>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut revisions = running.watch();
    let mut started: BTreeMap<BucketName, Started> = BTreeMap::new();
    loop {
        let config = Arc::clone(&revisions.borrow_and_update().1);
        stop_others(&mut started, &config).await;
        for (name, bucket) in &config.buckets {
            if bucket.watch.is_some() && !started.contains_key(name) {
                let watch = start(name, bucket, &config, &ledger, &running);
                started.insert(name.clone(), watch);
            }
        }
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => break,
            changed = revisions.changed() => if changed.is_err() { break },
        }
    }
    for (_, watch) in started {
        watch.end().await;
    }
}

impl Started {
    async fn end(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "A watch failed");
        }
    }
}

/// Ends the watches that the revision lacks or has otherwise.
async fn stop_others(started: &mut BTreeMap<BucketName, Started>, config: &Config) {
    let is_other = |name: &BucketName, watch: &Started| {
        watch.task.is_finished()
            || watch.told != config.node.alert
            || config.buckets.get(name) != Some(&watch.bucket)
    };
    let others: Vec<BucketName> = started
        .iter()
        .filter(|(name, watch)| is_other(name, watch))
        .map(|(name, _)| name.clone())
        .collect();
    for name in others {
        if let Some(watch) = started.remove(&name) {
            watch.end().await;
        }
    }
}

fn start(
    name: &BucketName,
    bucket: &config::Bucket,
    config: &Config,
    ledger: &OpenLedger,
    running: &Arc<Running>,
) -> Started {
    let ports = WatchPorts {
        bucket: name.clone(),
        ledger: ledger.rows(),
        clock: Arc::new(SystemClock),
        alert: config.node.alert.clone(),
    };
    let (stop, stopping) = watch::channel(false);
    let task = tokio::spawn(watch_bucket(
        ports,
        bucket.clone(),
        Arc::clone(running),
        stopping,
    ));
    Started {
        bucket: bucket.clone(),
        told: config.node.alert.clone(),
        stop,
        task,
    }
}

async fn watch_bucket(
    ports: WatchPorts,
    bucket: config::Bucket,
    running: Arc<Running>,
    mut stopping: watch::Receiver<bool>,
) {
    match bucket.watch {
        None => {}
        Some(Watch::Listing { every, settle }) => {
            let Some(open) = running.get(&ports.bucket) else {
                return;
            };
            let timing = Timing { every, settle };
            let watch = match &bucket.place {
                BucketPlace::Directory(folder) => {
                    ListingWatch::of_directory(ports, open, timing, folder)
                }
                BucketPlace::S3(_) | BucketPlace::Gcs(_) | BucketPlace::Azure(_) => {
                    ListingWatch::new(ports, open, timing)
                }
            };
            watch.run(stopping).await;
        }
        Some(Watch::Sqs { queue, access }) => {
            let watch = loop {
                match SqsWatch::open(ports.clone(), queue.clone(), &access).await {
                    Ok(watch) => break watch,
                    Err(error) => tracing::error!(
                        bucket = %ports.bucket, error = error.chain(),
                        "The queue of a bucket cannot be set up; it is tried again"
                    ),
                }
                tokio::select! {
                    _ = stopping.wait_for(|stop| *stop) => return,
                    () = tokio::time::sleep(OPEN_AGAIN) => {}
                }
            };
            watch.run(stopping).await;
        }
    }
}
