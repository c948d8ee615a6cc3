//! Workbooks are held in memory while they are loaded: four at a time, whatever tables they go to.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use qm_core::Result;
use qm_core::delivery::Outcome;
use qm_core::ports::bucket::Content;
use qm_core::ports::encryption::Envelope;
use qm_testkit::outside::{MemoryContent, OpenFence};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

use crate::sqlite::SqliteFile;
use crate::suite::scene::{Scene, counts, csv, file, say};

const WORKBOOK: &[u8] = include_bytes!("../../../qm-rows/tests/it/data/products.xlsx");
const LOADS: usize = 7;
const AT_A_TIME: usize = 4;
/// Far more than anything takes that is waited for.
const DEADLINE: Duration = Duration::from_mins(1);

/// Where workbooks stand before they are read.
struct Door {
    come: AtomicUsize,
    open: Semaphore,
}

struct Held<'a> {
    bytes: MemoryContent,
    door: &'a Door,
}

#[async_trait]
impl Content for Held<'_> {
    fn size_bytes(&self) -> u64 {
        self.bytes.size_bytes()
    }

    fn envelope(&self) -> Option<&Envelope> {
        None
    }

    async fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        if offset == 0 {
            self.door.come.fetch_add(1, Ordering::Relaxed);
            self.door.open.acquire().await.unwrap().forget();
        }
        self.bytes.read(offset, length).await
    }
}

impl Door {
    /// Waits until so many have come, and sees that no more have.
    async fn come(&self, count: usize) {
        let began = Instant::now();
        while self.come.load(Ordering::Relaxed) < count {
            assert!(began.elapsed() < DEADLINE, "{count} do not come");
            tokio::task::yield_now().await;
        }
        assert_eq!(self.come.load(Ordering::Relaxed), count);
    }
}

async fn load(database: &SqliteFile, number: usize, door: &Door) -> Outcome {
    let mut scene = Scene::new(database, &format!("book{number}"));
    scene.table.rows.sheet = Some("Data".to_owned());
    let content = Held {
        bytes: MemoryContent::new(WORKBOOK),
        door,
    };
    let file = file(1, &format!("{number}.xlsx"), WORKBOOK);
    scene.outcome_of(&file, &content, &OpenFence, None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_workbooks_are_loaded_at_a_time_and_other_files_do_not_wait() {
    let database = SqliteFile::new();
    let door = Door {
        come: AtomicUsize::new(0),
        open: Semaphore::new(0),
    };
    let watch = async {
        door.come(AT_A_TIME).await;
        for number in 0..LOADS {
            // A whole load comes and goes, and no other workbook with it.
            let text = Scene::new(&database, &format!("text{number}"));
            let loaded = text.load(&csv(1, "ID,Title\na,x\n")).await;
            assert_eq!(counts(loaded.counts), [1, 1, 0, 0, 0, 0]);
            door.come(LOADS.min(AT_A_TIME + number)).await;
            door.open.add_permits(1);
            door.come(LOADS.min(AT_A_TIME + number + 1)).await;
        }
    };
    let loads = (0..LOADS).map(|number| load(&database, number, &door));
    let (outcomes, ()) = tokio::join!(join_all(loads), watch);
    for outcome in outcomes {
        let Outcome::Loaded(load) = outcome else {
            panic!("{}", say(&outcome));
        };
        assert_eq!(counts(load.counts), [3, 2, 0, 0, 1, 0]);
    }
}
