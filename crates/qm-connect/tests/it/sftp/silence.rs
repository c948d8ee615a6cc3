//! Servers that stop saying anything, at every step.

use qm_core::delivery::Outcome;
use qm_core::{Kind, Retry};

use super::front::{Act, At, Door, Front, WRITE};
use super::line::{Fate, Line, silent_server};
use super::sshd::Sshd;
use super::world::{connector, deliver, deliver_content, delivery, impatient, unclear};
use qm_connect::Patience;
use qm_testkit::outside::MemoryContent;

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
