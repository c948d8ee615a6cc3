//! The listing watch, turn by turn, on real folders; time is in the hands of the test.

use jiff::SignedDuration;
use qm_core::Kind;
use qm_core::id::Sha256Digest;
use qm_core::notification::{Notification, Watched};
use qm_core::ports::clock::Identifiers as _;
use qm_core::ports::ledger::{Inbox as _, Names as _};
use qm_testkit::ledger::sample;
use qm_testkit::{MemoryLedger, TestClock, TestIdentifiers};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

use super::listing::{ListingWatch, Timing};
use super::*;
use crate::{DirectoryBucket, Durability};
use qm_core::name::Prefix;
use qm_core::operation::Version;
use qm_core::ports::bucket::Bucket;

const SETTLE: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_hours(1);

struct Place {
    folder: TempDir,
    bucket: Arc<DirectoryBucket>,
    ledger: MemoryLedger,
    clock: TestClock,
    identifiers: TestIdentifiers,
}

/// How the watch learns of files.
#[derive(Clone, Copy)]
enum Learns {
    ByListening,
    ByListing,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bucket = DirectoryBucket::open(folder.path(), Durability::Full).unwrap();
        Self {
            folder,
            bucket: Arc::new(bucket),
            ledger: MemoryLedger::new(),
            // Later than anything these tests write, as a clock is.
            clock: TestClock::at("2100-01-01T00:00:00Z"),
            identifiers: TestIdentifiers::new(1),
        }
    }

    fn watch(&self, learns: Learns) -> ListingWatch {
        let ports = WatchPorts {
            bucket: sample::bucket(),
            ledger: Arc::new(self.ledger.clone()),
            clock: Arc::new(self.clock.clone()),
            alert: vec![sample::notifier("ops")],
        };
        let timing = Timing {
            every: EVERY,
            settle: SETTLE,
        };
        let bucket = Arc::clone(&self.bucket) as Arc<dyn Bucket>;
        match learns {
            Learns::ByListening => {
                ListingWatch::of_directory(ports, bucket, timing, self.folder.path())
            }
            Learns::ByListing => ListingWatch::new(ports, bucket, timing),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    fn passes(&self, time: Duration) {
        self.clock.advance(SignedDuration::try_from(time).unwrap());
    }

    /// How often each key was told, and its length when it was told last.
    async fn told(&self) -> BTreeMap<String, (usize, u64)> {
        let mut told = BTreeMap::new();
        let root = Prefix::default();
        for row in self
            .ledger
            .events(u32::MAX, None)
            .await
            .unwrap()
            .into_iter()
            .rev()
        {
            let watched = Watched {
                bucket: None,
                prefix: &root,
            };
            let message = Notification::read(&row.event.body, watched).unwrap();
            assert!(message.faults.is_empty() && message.notes.is_empty());
            for sighting in message.sightings {
                let (count, size) = told.entry(sighting.key).or_insert((0, 0));
                *count += 1;
                *size = sighting.size_bytes.unwrap();
            }
        }
        told
    }

    #[track_caller]
    fn check(told: &BTreeMap<String, (usize, u64)>, expect: &[(&str, u64)]) {
        let told: Vec<_> = told
            .iter()
            .map(|(key, told)| (key.as_str(), *told))
            .collect();
        let expect: Vec<_> = expect
            .iter()
            .map(|(key, size)| (*key, (1, *size)))
            .collect();
        assert_eq!(told, expect);
    }

    /// The ledger learns what is under the name, as whoever reads the events does.
    async fn takes_in(&self, name: &str) {
        let path = sample::path(name);
        let identity = self.bucket.identity(&path.key).await.unwrap().unwrap();
        let entry = self
            .bucket
            .stat(&path.key.as_prefix())
            .await
            .unwrap()
            .unwrap();
        let now = self.clock.now();
        let version = Version {
            id: self.identifiers.version(now),
            size_bytes: entry.size_bytes,
            sha256: Sha256Digest([0; 32]),
            identity,
            staged: None,
            received_at: now,
        };
        let current = self.ledger.current(&path).await.unwrap();
        let seen = current.map(|current| current.id);
        let audit = sample::audit(name);
        let taken = self.ledger.found(&path, seen, version, audit).await;
        assert!(taken.unwrap().is_some());
    }
}

/// Turns until there is nothing to do.
async fn rest(watch: &mut ListingWatch) {
    while watch.turn().await.unwrap().is_none() {}
}

#[tokio::test]
async fn a_slow_writer_is_waited_for() {
    for learns in [Learns::ByListening, Learns::ByListing] {
        let place = Place::new();
        let mut watch = place.watch(learns);
        let mut file = File::create(place.path("a.csv")).unwrap();
        rest(&mut watch).await;
        for _ in 0..5 {
            place.passes(Duration::from_secs(SETTLE.as_secs() - 1));
            rest(&mut watch).await;
            file.write_all(b"1234567890").unwrap();
            place.passes(Duration::from_secs(1));
            rest(&mut watch).await;
        }
        assert!(place.told().await.is_empty(), "while it was written");
        drop(file);
        rest(&mut watch).await;
        place.passes(SETTLE);
        rest(&mut watch).await;
        Place::check(&place.told().await, &[("a.csv", 50)]);
        place.passes(EVERY * 2);
        rest(&mut watch).await;
        Place::check(&place.told().await, &[("a.csv", 50)]);
    }
}

#[tokio::test]
async fn what_the_kernel_says_is_looked_at_before_the_next_listing() {
    let place = Place::new();
    let mut watch = place.watch(Learns::ByListening);
    rest(&mut watch).await;
    // Written elsewhere and renamed; empty; linked; in a new folder; in one that was moved in.
    place.write(".in.a.csv", "rows");
    rest(&mut watch).await;
    fs::rename(place.path(".in.a.csv"), place.path("a.csv")).unwrap();
    place.write("done.flag", "");
    fs::hard_link(place.path("a.csv"), place.path("linked.csv")).unwrap();
    place.write("new/below/b.csv", "bb");
    let outside = tempfile::tempdir_in(place.folder.path().parent().unwrap()).unwrap();
    fs::create_dir_all(outside.path().join("moved/deep")).unwrap();
    fs::write(outside.path().join("moved/deep/c.csv"), "ccc").unwrap();
    fs::rename(outside.path().join("moved"), place.path("moved")).unwrap();
    rest(&mut watch).await;
    place.write("moved/deep/later.csv", "later");
    place.passes(SETTLE);
    rest(&mut watch).await;
    place.passes(SETTLE);
    rest(&mut watch).await;
    let expect = [
        ("a.csv", 4),
        ("done.flag", 0),
        ("linked.csv", 4),
        ("moved/deep/c.csv", 3),
        ("moved/deep/later.csv", 5),
        ("new/below/b.csv", 2),
    ];
    Place::check(&place.told().await, &expect);
}

#[tokio::test]
async fn our_own_folder_and_temp_names_are_never_told() {
    for learns in [Learns::ByListening, Learns::ByListing] {
        let place = Place::new();
        let mut watch = place.watch(learns);
        rest(&mut watch).await;
        for name in [
            ".quaymaster/staging/x",
            "deep/.quaymaster/x",
            "a.csv.filepart",
            "a.csv.1f2e3d4c.partial",
            ".hidden",
            "b.tmp",
        ] {
            place.write(name, "bytes");
        }
        place.write("c.csv", "c");
        place.passes(EVERY);
        rest(&mut watch).await;
        place.passes(SETTLE);
        rest(&mut watch).await;
        Place::check(&place.told().await, &[("c.csv", 1)]);
    }
}

#[tokio::test]
async fn names_that_break_our_rules_are_told_once_as_they_are() {
    for learns in [Learns::ByListening, Learns::ByListing] {
        let place = Place::new();
        place.write("a\\b.csv", "x");
        place.write("bad\u{202e}folder/x.csv", "x");
        for _ in 0..3 {
            // A restart does not tell them again.
            let mut watch = place.watch(learns);
            rest(&mut watch).await;
            place.passes(EVERY);
            rest(&mut watch).await;
        }
        let told = place.told().await;
        Place::check(&told, &[("a\\b.csv", 0), ("bad\u{202e}folder", 0)]);
    }
}

#[tokio::test]
async fn many_files_at_once_are_told_once_each() {
    for learns in [Learns::ByListening, Learns::ByListing] {
        let place = Place::new();
        let mut watch = place.watch(learns);
        rest(&mut watch).await;
        for number in 0..2_500 {
            place.write(&format!("in/{number}.csv"), "x");
        }
        place.passes(EVERY);
        rest(&mut watch).await;
        place.passes(SETTLE);
        rest(&mut watch).await;
        let told = place.told().await;
        assert_eq!(told.len(), 2_500);
        assert!(told.values().all(|told| *told == (1, 1)));
    }
}

#[tokio::test]
async fn what_the_kernel_forgot_is_listed() {
    let place = Place::new();
    let mut watch = place.watch(Learns::ByListening);
    place.write("a.tmp", "");
    place.write("b.tmp", "");
    rest(&mut watch).await;
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    for number in 0..=limit {
        let name = if number % 2 == 0 { "a.tmp" } else { "b.tmp" };
        drop(File::options().append(true).open(place.path(name)).unwrap());
    }
    place.write("late.csv", "late");
    fs::create_dir(place.path("late")).unwrap();
    place.write("late/below.csv", "below");
    rest(&mut watch).await;
    place.passes(SETTLE);
    rest(&mut watch).await;
    Place::check(
        &place.told().await,
        &[("late.csv", 4), ("late/below.csv", 5)],
    );
}

#[tokio::test]
async fn what_the_ledger_has_is_not_told() {
    for learns in [Learns::ByListening, Learns::ByListing] {
        let place = Place::new();
        for name in ["same.csv", "rewritten.csv", "longer.csv", "replaced.csv"] {
            place.write(name, "rows");
            place.takes_in(name).await;
        }
        let mut watch = place.watch(learns);
        rest(&mut watch).await;
        place.passes(SETTLE);
        rest(&mut watch).await;
        assert!(place.told().await.is_empty());
        drop(watch);

        // While nobody watches: another file, and with a directory, whose files can be written
        // into, the same one with another length, and with the same length at another time.
        place.write("longer.tmp", "more rows");
        fs::rename(place.path("longer.tmp"), place.path("longer.csv")).unwrap();
        let mut expect = vec![("longer.csv", 9)];
        if matches!(learns, Learns::ByListening) {
            place.write("replaced.csv", "more");
            place.write("replaced.csv", "more rows");
            place.write("rewritten.csv", "swor");
            let file = File::options()
                .write(true)
                .open(place.path("rewritten.csv"));
            let after = place.clock.now() + SignedDuration::from_secs(1);
            file.unwrap().set_modified(after.into()).unwrap();
            expect.extend([("replaced.csv", 9), ("rewritten.csv", 4)]);
        }
        let mut watch = place.watch(learns);
        rest(&mut watch).await;
        place.passes(SETTLE);
        rest(&mut watch).await;
        Place::check(&place.told().await, &expect);
    }
}

#[tokio::test]
async fn a_file_that_was_there_before_and_is_again_is_told_again() {
    let place = Place::new();
    let mut watch = place.watch(Learns::ByListening);
    for bytes in ["one", "two!", "one"] {
        // The same inode, length and time as the first.
        place.write("a.csv", bytes);
        let file = File::options()
            .write(true)
            .open(place.path("a.csv"))
            .unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        drop(file);
        rest(&mut watch).await;
        place.passes(SETTLE);
        rest(&mut watch).await;
        let path = sample::path("a.csv");
        let change = sample::publish("a.csv", u8::try_from(bytes.len()).unwrap());
        if place.ledger.current(&path).await.unwrap().is_none() || bytes.len() == 4 {
            sample::run(&place.ledger, change).await;
        }
    }
    let told = place.told().await;
    assert_eq!(told.get("a.csv"), Some(&(3, 3)));
}

#[tokio::test]
async fn a_watch_that_is_started_again_and_again_tells_everything_once() {
    for seed in 1_u64..=3 {
        let place = Place::new();
        for number in 0..300 {
            place.write(&format!("{}/{number}.csv", number % 7), "x");
        }
        let mut random = seed;
        for _ in 0..20 {
            let mut watch = place.watch(Learns::ByListening);
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            for _ in 0..(random >> 33) % 40 {
                place.ledger.fail_after((random % 3 == 0).then_some(0));
                let _ = watch.turn().await;
                place.passes(SETTLE / 4);
            }
        }
        place.ledger.fail_after(None);
        let mut watch = place.watch(Learns::ByListening);
        rest(&mut watch).await;
        place.passes(SETTLE);
        rest(&mut watch).await;
        let told = place.told().await;
        assert_eq!(told.len(), 300, "seed {seed}");
        assert!(told.values().all(|told| *told == (1, 1)), "seed {seed}");
    }
}

#[tokio::test]
async fn a_ledger_that_fails_loses_nothing() {
    let place = Place::new();
    let mut watch = place.watch(Learns::ByListening);
    place.write("a.csv", "rows");
    rest(&mut watch).await;
    place.passes(SETTLE);
    place.ledger.fail_after(Some(0));
    let refused = watch.turn().await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Unavailable);
    place.ledger.fail_after(None);
    rest(&mut watch).await;
    Place::check(&place.told().await, &[("a.csv", 4)]);
}
