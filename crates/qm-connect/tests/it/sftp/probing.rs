//! `destination test`: what it says, and that it leaves nothing.

use qm_connect::SftpConnector;
use qm_core::config::Sftp;
use qm_core::ports::connector::{Connector as _, Finding};
use qm_core::template::Template;
use std::fs;

use super::front::{Act, At, Door, Front, Reckons, SETSTAT};
use super::sshd::Sshd;
use super::world::connector;

async fn steps(connector: &SftpConnector) -> (Vec<String>, Option<Finding>) {
    let findings = connector.test().await;
    let worked = findings.iter().filter(|finding| finding.result.is_ok());
    let words =
        worked.map(|finding| format!("{}: {}", finding.what, finding.result.clone().unwrap()));
    let words = words.collect();
    let failed = findings
        .iter()
        .filter(|finding| finding.result.is_err())
        .cloned();
    let failed: Vec<Finding> = failed.collect();
    assert!(failed.len() <= 1);
    (words, failed.into_iter().next())
}

#[tokio::test]
async fn foreign_server_that_works() {
    let sshd = Sshd::start();
    let config = Sftp {
        folder: Template::parse("in/new/{path.0}").unwrap(),
        create_folders: true,
        ..sshd.config()
    };
    let (words, failed) = steps(&connector(config)).await;
    assert!(failed.is_none(), "{failed:?}");
    let expect = [
        ("connect", "connected to 127.0.0.1:"),
        ("host key", "ssh-ed25519 SHA256:"),
        ("login", "by key"),
        (
            "sftp",
            "posix-rename@openssh.com, fsync@openssh.com, limits@openssh.com; takes 261120",
        ),
        ("folder", "was made; what is below it depends on the file"),
        ("write", "bytes arrived"),
        ("make durable", "what was written is on its disk"),
        ("set the time", "the server took the time"),
        ("verify", "by size only, for the server offers no SHA-256"),
        ("rename", "by posix-rename"),
        ("know again", "known by its size, time and bytes"),
        (
            "replace",
            "a newer file takes the name of an older one in one step",
        ),
        ("remove", "gone again"),
        ("remove the folder", "in/new is gone again"),
        ("remove the folder", "in is gone again"),
    ];
    assert_eq!(words.len(), expect.len(), "{words:?}");
    for (words, (what, part)) in words.iter().zip(expect) {
        assert!(
            words.starts_with(what) && words.contains(part),
            "{words} / {part}"
        );
    }
    assert!(sshd.names().is_empty(), "{:?}", sshd.names());
}

/// What deliveries of a newer version would do is found out and told.
#[tokio::test]
async fn foreign_server_that_replaces_in_two_steps_or_not_at_all() {
    let sshd = Sshd::with("-P posix-rename", &["ed25519"]);
    let (words, failed) = steps(&connector(sshd.config())).await;
    assert!(failed.is_none(), "{failed:?}");
    let has = |what: &str| words.iter().any(|words| words.starts_with(what));
    assert!(
        has("rename: by rename, for the server has no posix-rename")
            && has("replace: an older file is removed before a newer one takes its name"),
        "{words:?}"
    );
    assert!(sshd.names().is_empty(), "{:?}", sshd.names());
    // Whoever may not remove cannot replace either.
    let sshd = Sshd::with("-P posix-rename,remove", &["ed25519"]);
    let (_, failed) = steps(&connector(sshd.config())).await;
    let failed = failed.unwrap();
    assert_eq!(failed.what, "replace");
    assert!(
        failed
            .result
            .unwrap_err()
            .contains("the destination does not permit it")
    );
}

#[tokio::test]
async fn foreign_server_that_does_not_is_told_with_the_remedy() {
    let sshd = Sshd::with("-P open", &["ed25519"]);
    let (words, failed) = steps(&connector(sshd.config())).await;
    assert_eq!(words.len(), 5, "{words:?}");
    let failed = failed.unwrap();
    assert_eq!(failed.what, "write");
    let why = failed.result.unwrap_err();
    assert!(
        why.contains("the destination does not permit it") && why.contains("remedy="),
        "{why}"
    );
    assert!(sshd.names().is_empty());
    // A rename that fails leaves nothing either.
    let sshd = Sshd::with("-P posix-rename,rename", &["ed25519"]);
    let (_, failed) = steps(&connector(sshd.config())).await;
    assert_eq!(failed.unwrap().what, "rename");
    assert!(sshd.names().is_empty(), "{:?}", sshd.names());
    let config = Sftp {
        folder: Template::parse("missing").unwrap(),
        ..sshd.config()
    };
    let (_, failed) = steps(&connector(config)).await;
    assert_eq!(failed.unwrap().what, "folder");
    let config = Sftp {
        host_keys: vec!["SHA256:AAAA".to_owned()],
        ..sshd.config()
    };
    let (words, failed) = steps(&connector(config)).await;
    assert_eq!(
        (words.len(), failed.unwrap().what.as_str()),
        (1, "host key")
    );
    fs::remove_dir(sshd.files()).unwrap();
}

/// None of it fails a delivery.
#[tokio::test]
async fn foreign_service_that_the_server_does_not_do_is_told_with_what_it_means() {
    for (arguments, expect) in [
        (
            "-P fsync",
            &["make durable: not offered: what arrived may be lost"][..],
        ),
        (
            "-P setstat,fsetstat",
            &[
                "set the time: refused: ",
                "know again: no, for the server sets no time: after a crash or a lost line a file may be sent twice",
            ][..],
        ),
        (
            "-P read",
            &["know again: no, for the server does not give back the bytes: "][..],
        ),
    ] {
        let sshd = Sshd::with(arguments, &["ed25519"]);
        let (words, failed) = steps(&connector(sshd.config())).await;
        assert!(failed.is_none(), "{arguments}: {failed:?}");
        for expect in expect {
            let is_told = words.iter().any(|words| words.starts_with(expect));
            assert!(is_told, "{arguments}: {words:?}");
        }
        assert!(sshd.names().is_empty(), "{:?}", sshd.names());
    }
    let front = Front::start(Door::Password).await;
    front.once(At::Kind(SETSTAT), Act::Pretend);
    let (words, failed) = steps(&connector(front.config())).await;
    assert!(failed.is_none(), "{failed:?}");
    let expect = "know again: no, for the server shows another time than it was told: ";
    let is_told = words.iter().any(|words| words.starts_with(expect));
    assert!(is_told, "{words:?}");
    assert!(front.names().is_empty(), "{:?}", front.names());
}

#[tokio::test]
async fn foreign_digest_is_asked_for_and_compared() {
    for (reckons, expect) in [
        (Reckons::Right, Some("verify: by size and SHA-256")),
        (
            Reckons::Refusals,
            Some("verify: by size only, for the server refuses the SHA-256 that it offers"),
        ),
        (Reckons::Wrong, None),
    ] {
        let front = Front::start(Door::Password).await;
        front.reckons(reckons);
        let (words, failed) = steps(&connector(front.config())).await;
        match (expect, failed) {
            (Some(expect), None) => {
                assert!(words.iter().any(|words| words == expect), "{words:?}");
            }
            (None, Some(failed)) => {
                assert_eq!(failed.what, "verify");
                let why = failed.result.unwrap_err();
                assert!(why.contains("the destination holds other bytes"), "{why}");
            }
            (_, failed) => panic!("{reckons:?}: {words:?}, {failed:?}"),
        }
        assert!(front.names().is_empty(), "{:?}", front.names());
    }
}

/// As it would fail every delivery.
#[tokio::test]
async fn foreign_service_that_breaks_down_fails_its_step() {
    for (at, what) in [
        (At::Extension("fsync"), "make durable"),
        (At::Kind(SETSTAT), "set the time"),
    ] {
        let front = Front::start(Door::Password).await;
        front.once(at, Act::Refuse("quota exceeded"));
        let (_, failed) = steps(&connector(front.config())).await;
        let failed = failed.unwrap();
        assert_eq!(failed.what, what);
        let why = failed.result.unwrap_err();
        assert!(why.contains("quota exceeded"), "{why}");
        assert!(front.names().is_empty(), "{:?}", front.names());
    }
}
