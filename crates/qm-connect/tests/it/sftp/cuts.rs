//! Lines that break, and disks that are full.

use qm_core::{Kind, Retry};
use qm_testkit::outside::MemoryContent;
use std::fs;

use super::front::{Act, At, Door, Front, OPEN, WRITE};
use super::line::{Fate, Line};
use super::sshd::Sshd;
use super::world::{
    DEADLINE, connector, content, deliver, deliver_content, delivery, is_delivered, unclear,
};

#[tokio::test]
async fn foreign_broken_upload_goes_on_where_it_was() {
    let sshd = Sshd::start();
    let line = Line::to(sshd.port, Fate::CutAfterSent(20_000_000)).await;
    let connector = connector(sshd.config_at(line.port));
    let bytes = content(30_000_000);
    let error = deliver(&connector, "a.csv", &bytes).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_verdict()),
        (Kind::Unavailable, Retry::Later)
    );
    assert!(
        error
            .chain()
            .contains("the connection to the server was lost"),
        "{error:?}"
    );
    let left = sshd.names();
    assert_eq!(left.len(), 1);
    super::world::wait_until("the server has written what it got", || {
        fs::metadata(sshd.files().join(&left[0])).unwrap().len() > 15_000_000
    })
    .await;
    let before = line.sent_bytes();
    let note = deliver(&connector, "a.csv", &bytes).await.unwrap();
    assert!(note.contains(", continued at "), "{note}");
    assert!(line.sent_bytes() - before < 25_000_000);
    assert!(sshd.read("a.csv") == bytes);
    assert_eq!(sshd.names(), ["a.csv"]);
}

#[tokio::test]
async fn foreign_leftover_that_is_not_ours_begins_again() {
    let sshd = Sshd::start();
    let connector = connector(sshd.config());
    let bytes = content(9_000_000);
    let delivery = delivery("a.csv", &bytes);
    let hex: String = delivery.id.to_string().chars().take(8).collect();
    let temp = sshd.files().join(format!(".a.csv.{hex}.part"));
    // Longer than the file.
    fs::write(&temp, vec![7; 9_000_001]).unwrap();
    let note = deliver(&connector, "a.csv", &bytes).await.unwrap();
    assert!(!note.contains("continued"), "{note}");
    assert!(sshd.read("a.csv") == bytes);
    assert_eq!(sshd.names(), ["a.csv"]);
}

#[tokio::test]
async fn foreign_lost_answer_of_the_rename_is_unclear_and_found_afterwards() {
    let front = Front::start(Door::Password).await;
    let connector = connector(front.config());
    let delivery = delivery("a.csv", b"a;b\n");
    let content = MemoryContent::new(&b"a;b\n"[..]);
    for (act, is_there) in [(Act::LoseRequest, false), (Act::LoseAnswer, true)] {
        front.once(At::Extension("posix-rename"), act);
        let error = unclear(deliver_content(&connector, &delivery, &content).await);
        assert_eq!(error.retry_verdict(), Retry::Later);
        if is_there {
            // The server had it to do when the line broke.
            super::world::wait_until("the rename is done", || front.names() == ["a.csv"]).await;
        }
        assert_eq!(is_delivered(&connector, &delivery).await.unwrap(), is_there);
    }
    assert_eq!(fs::read(front.file("a.csv")).unwrap(), b"a;b\n");
}

#[tokio::test]
async fn foreign_lost_answer_before_the_rename_is_a_failure() {
    let front = Front::start(Door::Password).await;
    let connector = connector(front.config());
    // CLOSE, SETSTAT, STAT, fsync, WRITE.
    for at in [
        At::Kind(4),
        At::Kind(9),
        At::Kind(17),
        At::Extension("fsync"),
        At::Kind(WRITE),
    ] {
        front.once(at, Act::LoseAnswer);
        let error = deliver(&connector, "a.csv", b"a;b\n").await.unwrap_err();
        assert_eq!(error.retry_verdict(), Retry::Later, "{at:?}: {error:?}");
        assert!(!front.file("a.csv").exists(), "{at:?}");
    }
    deliver(&connector, "a.csv", b"a;b\n").await.unwrap();
    assert_eq!(front.names(), ["a.csv"]);
}

#[tokio::test]
async fn foreign_other_file_under_the_name_after_the_rename_is_unclear() {
    let front = Front::start(Door::Password).await;
    let connector = connector(front.config());
    let delivery = delivery("a.csv", b"a;b\n");
    let content = MemoryContent::new(&b"a;b\n"[..]);
    fs::write(front.file("a.csv"), b"of the partner").unwrap();
    front.once(At::Extension("posix-rename"), Act::Pretend);
    let error = unclear(deliver_content(&connector, &delivery, &content).await);
    assert_eq!(
        (error.kind(), error.retry_verdict()),
        (Kind::Conflict, Retry::Later)
    );
    assert!(error.chain().contains("another number of bytes"));
    assert!(!is_delivered(&connector, &delivery).await.unwrap());
    deliver(&connector, "a.csv", b"a;b\n").await.unwrap();
    assert_eq!(fs::read(front.file("a.csv")).unwrap(), b"a;b\n");
}

#[tokio::test]
async fn foreign_session_that_died_at_rest_is_replaced() {
    let front = Front::start(Door::Password).await;
    let connector = connector(front.config());
    deliver(&connector, "a.csv", b"x").await.unwrap();
    // The next delivery begins with STAT and OPEN in the session that rests.
    front.once(At::Kind(3), Act::LoseRequest);
    deliver(&connector, "b.csv", b"x").await.unwrap();
    assert_eq!(front.names(), ["a.csv", "b.csv"]);
}

#[tokio::test]
async fn foreign_server_that_writes_no_more() {
    let front = Front::start(Door::Password).await;
    let connector = connector(front.config());
    for at in [At::Kind(OPEN), At::Kind(WRITE)] {
        front.once(at, Act::Refuse("No space left on device"));
        let error = deliver(&connector, "a.csv", &content(5_000_000))
            .await
            .unwrap_err();
        // Of this file: what is smaller may still find space.
        assert_eq!(
            (error.kind(), error.retry_verdict()),
            (Kind::Refused, Retry::Later),
            "{at:?}"
        );
        assert!(
            error.chain().contains("No space left on device"),
            "{error:?}"
        );
        assert!(front.names().is_empty(), "{:?}", front.names());
    }
}

#[tokio::test]
async fn foreign_server_that_lost_bytes_is_found_out() {
    let front = Front::start(Door::Password).await;
    let connector = connector(front.config());
    front.once(At::Kind(WRITE), Act::Pretend);
    let error = deliver(&connector, "a.csv", b"12345").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_verdict()),
        (Kind::Unavailable, Retry::Later)
    );
    assert!(
        error
            .chain()
            .contains("the destination holds another number of bytes"),
        "{error:?}"
    );
    assert!(!front.names().contains(&"a.csv".to_owned()));
    deliver(&connector, "a.csv", b"12345").await.unwrap();
    assert_eq!(front.names(), ["a.csv"]);
}

/// What follows the bytes of a small file is sent without waiting for them to be written.
#[tokio::test]
async fn foreign_small_file_is_ended_with_its_bytes() {
    let front = Front::start(Door::Password).await;
    front.once(At::Kind(WRITE), Act::AnswerAtClose);
    let connector = connector(front.config());
    let delivered = deliver(&connector, "a.csv", b"a;b\n");
    let delivered = tokio::time::timeout(DEADLINE, delivered).await;
    delivered.expect("it waits for its bytes").unwrap();
    assert_eq!(fs::read(front.file("a.csv")).unwrap(), b"a;b\n");
}

/// A server that closes before it has written, against its protocol, gets the bytes once more, and then
/// one thing after the other.
#[tokio::test]
async fn foreign_refused_bytes_of_a_small_file_are_sent_again_by_turns() {
    let front = Front::start(Door::Password).await;
    let connector = connector(front.config());
    let refuse = || front.once(At::Kind(WRITE), Act::Refuse("bad file descriptor"));
    refuse();
    deliver(&connector, "a.csv", b"a;b\n").await.unwrap();
    assert_eq!(fs::read(front.file("a.csv")).unwrap(), b"a;b\n");
    refuse();
    refuse();
    let error = deliver(&connector, "b.csv", b"a;b\n").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_verdict()),
        (Kind::Refused, Retry::Later)
    );
    assert_eq!(front.names(), ["a.csv"]);
    deliver(&connector, "b.csv", b"a;b\n").await.unwrap();
    assert_eq!(front.names(), ["a.csv", "b.csv"]);
}

/// None of what is sent together may be refused: the name is given only when all of it was answered.
#[tokio::test]
async fn foreign_refusal_of_any_end_of_a_file_is_a_failure() {
    let front = Front::start(Door::Password).await;
    let connector = connector(front.config());
    // CLOSE, SETSTAT.
    for at in [At::Kind(4), At::Kind(9), At::Extension("fsync")] {
        front.once(at, Act::Refuse("input/output error"));
        let error = deliver(&connector, "a.csv", b"a;b\n").await.unwrap_err();
        assert_eq!(error.retry_verdict(), Retry::Later, "{at:?}: {error:?}");
        assert!(error.chain().contains("input/output error"), "{error:?}");
        assert!(!front.file("a.csv").exists(), "{at:?}");
    }
    deliver(&connector, "a.csv", b"a;b\n").await.unwrap();
    assert_eq!(front.names(), ["a.csv"]);
}

/// A disk of a megabyte, until dropped.
struct SmallDisk<'a>(&'a Sshd);

impl<'a> SmallDisk<'a> {
    fn below(sshd: &'a Sshd) -> Self {
        let mut mount = std::process::Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(sshd.files());
        super::sshd::run(&mut mount);
        Self(sshd)
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let mut unmount = std::process::Command::new("umount");
        // The folder goes with the test.
        let _ = unmount.arg("--lazy").arg(self.0.files()).output();
    }
}

#[tokio::test]
async fn foreign_full_disk_is_given_back_and_tried_again() {
    let sshd = Sshd::start();
    let _disk = SmallDisk::below(&sshd);
    let connector = connector(sshd.config());
    let error = deliver(&connector, "a.csv", &content(5_000_000))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_verdict()),
        (Kind::Refused, Retry::Later)
    );
    assert!(sshd.names().is_empty(), "{:?}", sshd.names());
    deliver(&connector, "a.csv", &content(900_000))
        .await
        .unwrap();
}
