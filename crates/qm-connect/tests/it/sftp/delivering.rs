//! What a delivery leaves on the server, and what it costs.

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use qm_core::config::Sftp;
use qm_core::ports::bucket::Content;
use qm_core::ports::connector::{Connector as _, Fence, Pace};
use qm_core::ports::encryption::Envelope;
use qm_core::temp_name::is_temp;
use qm_core::template::Template;
use qm_core::{Error, Kind, Result, Retry};
use qm_testkit::outside::{ClosedFence, MemoryContent, OpenFence};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::front::{Act, At, Door, Front, OPEN};
use super::line::{Fate, Line};
use super::sshd::Sshd;
use super::world::{
    connector, content, deliver, deliver_content, delivery, ended, is_delivered, shipment,
};

#[tokio::test]
async fn foreign_files_of_every_size_arrive_whole() {
    let sshd = Sshd::start();
    let connector = connector(sshd.config());
    for size_bytes in [0, 1, 261_119, 261_120, 261_121, 3_000_000, 9_000_000] {
        let bytes = content(size_bytes);
        let target = format!("{size_bytes} bytes é.csv");
        let note = deliver(&connector, &target, &bytes).await.unwrap();
        assert!(sshd.read(&target) == bytes);
        assert!(
            note.contains("verified by size; named by posix-rename"),
            "{note}"
        );
        let delivery = delivery(&target, &bytes);
        let about = fs::metadata(sshd.files().join(&target)).unwrap();
        assert_eq!(about.mtime(), delivery.version.received_at.as_second());
        assert!(is_delivered(&connector, &delivery).await.unwrap());
    }
    assert_eq!(sshd.names().len(), 7);
}

#[tokio::test]
async fn foreign_small_files_share_one_login() {
    let sshd = Sshd::start();
    let line = Line::to(sshd.port, Fate::Whole).await;
    let connector = connector(sshd.config_at(line.port));
    for number in 0..100 {
        deliver(&connector, &format!("{number}.csv"), b"a;b\n")
            .await
            .unwrap();
    }
    assert_eq!((sshd.names().len(), line.connections()), (100, 1));
    // Four at a time need four, and they rest afterwards.
    let many: Vec<String> = (100..140).map(|number| format!("{number}.csv")).collect();
    for four in many.chunks(4) {
        let [a, b, c, d] = four else { panic!() };
        let all = tokio::join!(
            deliver(&connector, a, b"x"),
            deliver(&connector, b, b"x"),
            deliver(&connector, c, b"x"),
            deliver(&connector, d, b"x"),
        );
        assert!(all.0.and(all.1).and(all.2).and(all.3).is_ok());
    }
    assert_eq!((sshd.names().len(), line.connections()), (140, 4));
}

#[tokio::test]
async fn foreign_folders_with_placeholders_are_made_if_asked() {
    let sshd = Sshd::start();
    let config = Sftp {
        folder: Template::parse("in/{path.0}/{arrived:%Y-%m}").unwrap(),
        ..sshd.config()
    };
    let error = deliver(&connector(config.clone()), "a.csv", b"x")
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_verdict()),
        (Kind::NotFound, Retry::Later)
    );
    assert!(error.chain().contains("create_folders = true"), "{error:?}");
    assert!(sshd.names().is_empty());
    let making = connector(Sftp {
        create_folders: true,
        ..config
    });
    for target in ["a.csv", "sub/b.csv", "sub/c.csv"] {
        deliver(&making, target, b"x").await.unwrap();
        assert_eq!(sshd.read(&format!("in/north/2023-11/{target}")), b"x");
    }
    let absolute = format!("{}/abs", sshd.files().display());
    let config = Sftp {
        folder: Template::parse(&absolute).unwrap(),
        create_folders: true,
        ..sshd.config()
    };
    deliver(&connector(config), "a.csv", b"x").await.unwrap();
    assert_eq!(sshd.read("abs/a.csv"), b"x");
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_refused_before_anything_is_reached() {
    let config = super::world::config(9, "SHA256:AAAA");
    for target in ["../a.csv", "/etc/passwd", "a//b", "", "a\0b"] {
        let error = deliver(&connector(config.clone()), target, b"x")
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.retry_verdict()),
            (Kind::Refused, Retry::Never),
            "{target}"
        );
    }
}

/// Looks at the folder whenever it is read from.
struct Watched {
    bytes: MemoryContent,
    target: PathBuf,
    before: Option<&'static [u8]>,
}

#[async_trait]
impl Content for Watched {
    fn size_bytes(&self) -> u64 {
        self.bytes.size_bytes()
    }

    fn envelope(&self) -> Option<&Envelope> {
        None
    }

    async fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        assert_eq!(fs::read(&self.target).ok().as_deref(), self.before);
        self.bytes.read(offset, length).await
    }
}

#[tokio::test]
async fn foreign_final_name_never_shows_a_part() {
    let sshd = Sshd::start();
    let connector = connector(sshd.config());
    let bytes = content(8_000_000);
    let target = sshd.files().join("a.csv");
    for before in [None, Some(&b"the older one"[..])] {
        if let Some(before) = before {
            fs::write(&target, before).unwrap();
        }
        let watched = Watched {
            bytes: MemoryContent::new(bytes.clone()),
            target: target.clone(),
            before,
        };
        let (sizes, stop) = watch_sizes(target.clone());
        let delivery = delivery("a.csv", &bytes);
        ended(deliver_content(&connector, &delivery, &watched).await).unwrap();
        stop.send(()).unwrap();
        let allowed = [
            before.map_or(8_000_000, |before| before.len() as u64),
            8_000_000,
        ];
        for size_bytes in sizes.join().unwrap() {
            assert!(allowed.contains(&size_bytes), "{size_bytes} bytes showed");
        }
        fs::remove_file(&target).unwrap();
    }
}

/// Every size that a file ever shows, looked at as often as can be.
fn watch_sizes(
    target: PathBuf,
) -> (
    std::thread::JoinHandle<Vec<u64>>,
    std::sync::mpsc::Sender<()>,
) {
    let (stop, stopped) = std::sync::mpsc::channel();
    let watching = std::thread::spawn(move || {
        let mut sizes = Vec::new();
        while stopped.try_recv().is_err() {
            if let Ok(about) = fs::metadata(&target)
                && sizes.last() != Some(&about.len())
            {
                sizes.push(about.len());
            }
            std::thread::yield_now();
        }
        sizes
    });
    (watching, stop)
}

#[tokio::test]
async fn foreign_fence_keeps_the_name_as_it_is() {
    let sshd = Sshd::start();
    let connector = connector(sshd.config());
    fs::write(sshd.files().join("a.csv"), b"newer").unwrap();
    let delivery = delivery("a.csv", b"older");
    let bytes = MemoryContent::new(&b"older"[..]);
    let fence: &dyn Fence = &ClosedFence;
    let outcome = connector.deliver(&shipment(&delivery), &bytes, fence).await;
    assert_eq!(ended(outcome).unwrap_err().kind(), Kind::Conflict);
    assert_eq!(sshd.read("a.csv"), b"newer");
    assert_eq!(sshd.names(), ["a.csv"]);
    assert!(!is_delivered(&connector, &delivery).await.unwrap());
}

#[tokio::test]
async fn foreign_bytes_that_are_not_the_version_are_not_named() {
    let sshd = Sshd::start();
    let connector = connector(sshd.config());
    let delivery = delivery("a.csv", b"right");
    for wrong in [&b"wrong"[..], b"righ", b"right!"] {
        let content = MemoryContent::new(wrong);
        let error = ended(deliver_content(&connector, &delivery, &content).await).unwrap_err();
        assert_eq!(
            (error.kind(), error.retry_verdict()),
            (Kind::Bug, Retry::Later)
        );
        assert!(sshd.names().is_empty(), "{:?}", sshd.names());
    }
}

#[tokio::test]
async fn foreign_older_file_of_the_same_size_is_not_taken_for_the_delivery() {
    let sshd = Sshd::start();
    let connector = connector(sshd.config());
    fs::write(sshd.files().join("a.csv"), b"older").unwrap();
    let delivery = delivery("a.csv", b"newer");
    assert!(!is_delivered(&connector, &delivery).await.unwrap());
    assert!(!connector.proves_absence());
    deliver(&connector, "a.csv", b"newer").await.unwrap();
    assert!(is_delivered(&connector, &delivery).await.unwrap());
}

#[tokio::test]
async fn foreign_file_of_the_same_size_and_second_is_told_apart_by_its_bytes() {
    let sshd = Sshd::start();
    let line = Line::to(sshd.port, Fate::Whole).await;
    let connector = connector(sshd.config_at(line.port));
    for size_bytes in [1, 32 * 1024 + 1, 1_000_000] {
        let newer = content(size_bytes);
        let mut older = newer.clone();
        *older.last_mut().unwrap() ^= 1;
        deliver(&connector, "a.csv", &older).await.unwrap();
        let delivery = delivery("a.csv", &newer);
        assert!(
            !is_delivered(&connector, &delivery).await.unwrap(),
            "{size_bytes}"
        );
        deliver(&connector, "a.csv", &newer).await.unwrap();
        assert!(
            is_delivered(&connector, &delivery).await.unwrap(),
            "{size_bytes}"
        );
    }
    // What is larger is not read back.
    let large = content(8 * 1024 * 1024 + 1);
    deliver(&connector, "b.csv", &large).await.unwrap();
    let delivery = delivery("b.csv", &large);
    let before = line.received_bytes();
    assert!(is_delivered(&connector, &delivery).await.unwrap());
    assert!(line.received_bytes() - before < 1_000_000);
}

#[tokio::test]
async fn foreign_file_that_nobody_may_read_is_sent_again() {
    let front = Front::start(Door::Password).await;
    let connector = connector(front.config());
    deliver(&connector, "a.csv", b"a;b\n").await.unwrap();
    let delivery = delivery("a.csv", b"a;b\n");
    front.once(At::Kind(OPEN), Act::Refuse("it is for the bank only"));
    assert!(!is_delivered(&connector, &delivery).await.unwrap());
    assert!(is_delivered(&connector, &delivery).await.unwrap());
}

#[derive(Debug, Default)]
struct CountingPace(Mutex<Vec<u64>>);

#[async_trait]
impl Pace for CountingPace {
    async fn take(&self, bytes: u64) {
        self.0.lock().push(bytes);
    }
}

#[tokio::test]
async fn foreign_pace_is_asked_for_every_byte() {
    let sshd = Sshd::start();
    let bytes = content(1_000_000);
    let pace = CountingPace::default();
    let delivery = delivery("a.csv", &bytes);
    let shipment = qm_core::ports::connector::Shipment {
        pace: Some(&pace),
        progress: None,
        ..shipment(&delivery)
    };
    let content = MemoryContent::new(bytes.clone());
    let outcome = connector(sshd.config())
        .deliver(&shipment, &content, &OpenFence)
        .await;
    ended(outcome).unwrap();
    assert!(sshd.read("a.csv") == bytes);
    let taken = pace.0.lock();
    assert_eq!(taken.iter().sum::<u64>(), 1_000_000);
    assert!(taken.iter().all(|bytes| *bytes <= 64 * 1024));
}

/// Content whose reading fails at an offset.
struct Broken(MemoryContent, u64);

#[async_trait]
impl Content for Broken {
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    fn envelope(&self) -> Option<&Envelope> {
        None
    }

    async fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        if offset >= self.1 {
            return Err(Error::new(Kind::Unavailable, "the disk broke"));
        }
        self.0.read(offset, length).await
    }
}

#[tokio::test]
async fn foreign_errors_of_reading_pass_and_the_next_attempt_goes_on() {
    let sshd = Sshd::start();
    let line = Line::to(sshd.port, Fate::Whole).await;
    let connector = connector(sshd.config_at(line.port));
    let bytes = content(20_000_000);
    let delivery = delivery("a.csv", &bytes);
    let broken = Broken(MemoryContent::new(bytes.clone()), 16_000_000);
    let error = ended(deliver_content(&connector, &delivery, &broken).await).unwrap_err();
    assert_eq!(error.public_message(), "the disk broke");
    let left = sshd.names();
    assert_eq!(left.len(), 1);
    assert!(
        left[0].starts_with(".a.csv.") && is_temp(&left[0], &[]),
        "{left:?}"
    );
    super::world::wait_until("the server has written what it got", || {
        fs::metadata(sshd.files().join(&left[0])).unwrap().len() > 12_000_000
    })
    .await;
    let before = line.sent_bytes();
    let note = deliver(&connector, "a.csv", &bytes).await.unwrap();
    assert!(note.contains(", continued at "), "{note}");
    assert!(line.sent_bytes() - before < 14_000_000);
    assert!(sshd.read("a.csv") == bytes);
    assert_eq!(sshd.names(), ["a.csv"]);
}
