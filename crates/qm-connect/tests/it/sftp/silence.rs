//! Servers that stop saying anything, at every step.

use qm_core::delivery::Outcome;
use qm_core::{Kind, Retry};

use super::front::{Act, At, Door, Front, WRITE};
use super::line::{Fate, Line, silent_server};
use super::sshd::Sshd;
use super::world::{
    DEADLINE, connector, content, deliver, deliver_content, delivery, impatient, is_delivered,
    unclear,
};
use qm_connect::Patience;
use qm_testkit::outside::MemoryContent;
use std::time::Duration;

#[tokio::test]
async fn a_port_that_is_open_and_silent() {
    let (address, _sources) = silent_server().await;
    let config = super::world::config(address.port(), "SHA256:AAAA");
    let limit = super::world::SHORT;
    let connector = connector(config).with_patience(Patience {
        connect: limit,
        login: limit,
        request: limit,
    });
    let error = deliver(&connector, "a.csv", b"x").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_verdict()),
        (Kind::Timeout, Retry::Later)
    );
}

#[tokio::test]
async fn foreign_line_that_freezes_anywhere_ends_the_attempt() {
    let sshd = Sshd::start();
    let whole = Line::to(sshd.port, Fate::Whole).await;
    deliver(&connector(sshd.config_at(whole.port)), "whole.csv", b"x")
        .await
        .unwrap();
    let total = whole.received_bytes();
    let limit = super::world::SHORT;
    for step in 0..16 {
        let line = Line::to(sshd.port, Fate::FrozenAfterReceived(total * step / 16)).await;
        let connector = connector(sshd.config_at(line.port)).with_patience(Patience {
            connect: limit,
            login: limit,
            request: limit,
        });
        let bytes = format!("{step}").into_bytes();
        let target = format!("{step}.csv");
        let content = MemoryContent::new(bytes.clone());
        let outcome = deliver_content(&connector, &delivery(&target, &bytes), &content).await;
        let error = match outcome {
            Outcome::Failed(error) => {
                assert!(!sshd.files().join(&target).exists(), "{step}: {error:?}");
                error
            }
            Outcome::Unclear(error) => error,
            Outcome::Delivered(words) => panic!("{step}: {words}"),
            Outcome::Loaded(load) => panic!("{step}: {}", load.note()),
            Outcome::Rejected(error) => panic!("{step}: {error:?}"),
        };
        assert_eq!(error.retry_verdict(), Retry::Later, "{step}: {error:?}");
    }
}

#[tokio::test]
async fn foreign_request_that_is_not_answered_ends_the_attempt() {
    let front = Front::start(Door::Password).await;
    // Greeting, STAT, OPEN, WRITE, CLOSE, SETSTAT, limits, fsync.
    for at in [1, 17, 3, WRITE, 4, 9]
        .map(At::Kind)
        .into_iter()
        .chain([At::Extension("limits"), At::Extension("fsync")])
    {
        front.once(at, Act::Hang);
        let error = deliver(&impatient(front.config()), "a.csv", b"x")
            .await
            .unwrap_err();
        assert_eq!(error.retry_verdict(), Retry::Later, "{at:?}: {error:?}");
        assert!(
            error.chain().contains("did not answer in time"),
            "{at:?}: {error:?}"
        );
        assert!(!front.file("a.csv").exists());
    }
    front.once(At::Extension("posix-rename"), Act::Hang);
    let content = MemoryContent::new(&b"x"[..]);
    let delivery = delivery("a.csv", b"x");
    unclear(deliver_content(&impatient(front.config()), &delivery, &content).await);
    deliver(&impatient(front.config()), "a.csv", b"x")
        .await
        .unwrap();
    assert_eq!(front.names(), ["a.csv"]);
}

/// Thirty times as quick as in life: with the usual minute it would be 136 bytes a second. What goes into
/// one WRITE of a quick server would take three times the patience.
#[tokio::test]
async fn foreign_server_that_is_slow_is_waited_for_as_long_as_it_takes_something() {
    const BYTES_A_SECOND: u64 = 4096;
    let sshd = Sshd::start();
    let line = Line::to(sshd.port, Fate::Slow(BYTES_A_SECOND)).await;
    let connector = connector(sshd.config_at(line.port)).with_patience(Patience {
        connect: DEADLINE,
        login: DEADLINE,
        request: Duration::from_secs(2),
    });
    let bytes = content(24_000);
    let note = deliver(&connector, "a.csv", &bytes).await.unwrap();
    assert!(!note.contains("continued"), "{note}");
    assert_eq!(line.connections(), 1);
    assert!(sshd.read("a.csv") == bytes);
    // The next file in the session is not sent in larger pieces than it takes in time either.
    let bytes = content(24_001);
    deliver(&connector, "b.csv", &bytes).await.unwrap();
    assert_eq!(line.connections(), 1);
    assert!(sshd.read("b.csv") == bytes);
}

/// The least that is sent at once is to be answered within the patience: about 1,200 bytes on the line.
/// Fifteen times as quick as in life: with the usual minute it would be 8 and 43 bytes a second.
#[tokio::test]
async fn foreign_server_too_slow_for_the_least_that_is_sent_ends_the_attempt() {
    let sshd = Sshd::start();
    let bytes = content(3_000);
    let whole = Line::to(sshd.port, Fate::Whole).await;
    let only_looking = connector(sshd.config_at(whole.port));
    let before = is_delivered(&only_looking, &delivery("a.csv", &bytes)).await;
    assert!(!before.unwrap());
    // As many as a delivery sends before its first WRITE.
    let let_in = whole.sent_bytes();
    for (target, bytes_a_second, is_in_time) in [("a.csv", 128, false), ("b.csv", 640, true)] {
        let fate = Fate::SlowAfterSent(let_in, bytes_a_second);
        let line = Line::to(sshd.port, fate).await;
        let connector = connector(sshd.config_at(line.port)).with_patience(Patience {
            connect: DEADLINE,
            login: DEADLINE,
            request: Duration::from_secs(4),
        });
        let first = deliver(&connector, target, &bytes).await;
        assert_eq!(first.is_ok(), is_in_time, "{target}: {first:?}");
        if let Err(error) = first {
            assert_eq!(
                (error.kind(), error.retry_verdict()),
                (Kind::Timeout, Retry::Later),
                "{error:?}"
            );
            let told = error.chain();
            assert!(told.contains("the server did not answer in time"), "{told}");
            assert!(!sshd.files().join(target).exists());
            // The next attempt finds a line that is quick again.
            deliver(&connector, target, &bytes).await.unwrap();
        }
        assert_eq!(line.connections(), if is_in_time { 1 } else { 2 });
        assert!(sshd.read(target) == bytes);
    }
    assert_eq!(sshd.names(), ["a.csv", "b.csv"]);
}
