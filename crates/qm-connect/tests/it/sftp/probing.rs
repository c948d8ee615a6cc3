//! `destination test`: what it says, and that it leaves nothing.

use qm_connect::SftpConnector;
use qm_core::config::Sftp;
use qm_core::ports::connector::{Connector as _, Finding};
use qm_core::template::Template;
use std::fs;

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
        ("rename", "by posix-rename"),
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
