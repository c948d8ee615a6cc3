//! Logging in: every form of a key, passwords, and what is said when it fails.

use qm_connect::SftpConnector;
use qm_core::config::Sftp;
use qm_core::ports::access::Secret;
use qm_core::{Error, Kind, Retry};
use std::fs;
use std::path::Path;
use std::process::Command;

use super::front::{Door, Front, PASSWORD};
use super::sshd::{Sshd, run, ssh_keygen};
use super::world::{connector, deliver};

const PASSPHRASE: &str = "passphrase-canary";

/// Makes keys of a kind in a form and logs in with each, with and without a passphrase.
async fn check(sshd: &Sshd, name: &str, make: impl Fn(&Path, &str)) {
    for passphrase in ["", PASSPHRASE] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        make(&file, passphrase);
        sshd.authorize(&file.with_extension("pub"));
        let config = Sftp {
            private_key: Some(Secret::new(fs::read_to_string(&file).unwrap())),
            passphrase: (!passphrase.is_empty()).then(|| Secret::new(passphrase.to_owned())),
            ..sshd.config()
        };
        let target = format!("{name}{}.csv", passphrase.len());
        deliver(&connector(config.clone()), &target, b"a;b\n")
            .await
            .unwrap_or_else(|error| panic!("{name} {passphrase:?}: {error:?}"));
        assert_eq!(sshd.read(&target), b"a;b\n");
        if !passphrase.is_empty() {
            check_wrong_passphrases(name, &config);
        }
    }
}

fn check_wrong_passphrases(name: &str, config: &Sftp<Secret>) {
    for passphrase in [None, Some(Secret::new("wrong".to_owned()))] {
        let is_missing = passphrase.is_none();
        let error = refused(Sftp {
            passphrase,
            ..config.clone()
        });
        assert_eq!(
            (error.kind(), error.retry_verdict()),
            (Kind::Refused, Retry::Never)
        );
        assert_eq!(
            error.chain().contains("and none is given"),
            is_missing,
            "{name}: {error:?}"
        );
    }
}

fn refused(config: Sftp<Secret>) -> Error {
    SftpConnector::new(config, 1).err().unwrap()
}

#[tokio::test]
async fn foreign_keys_of_openssh_and_pem() {
    let sshd = Sshd::start();
    for (kind, bits) in [
        ("ed25519", "256"),
        ("ecdsa", "256"),
        ("ecdsa", "384"),
        ("rsa", "2048"),
    ] {
        check(
            &sshd,
            &format!("openssh-{kind}-{bits}"),
            |file, passphrase| {
                ssh_keygen(file, &["-t", kind, "-b", bits, "-N", passphrase]);
            },
        )
        .await;
    }
    for (kind, form) in [("rsa", "PEM"), ("rsa", "PKCS8"), ("ecdsa", "PKCS8")] {
        check(&sshd, &format!("{kind}-{form}"), |file, passphrase| {
            ssh_keygen(file, &["-t", kind, "-m", form, "-N", passphrase]);
        })
        .await;
    }
}

#[tokio::test]
async fn foreign_keys_of_elliptic_curves_in_pem() {
    let sshd = Sshd::start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    ssh_keygen(&file, &["-t", "ecdsa", "-m", "PEM", "-N", ""]);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("-----BEGIN EC "));
    sshd.authorize(&file.with_extension("pub"));
    let config = Sftp {
        // As it comes out of a secret store that keeps Windows' line ends.
        private_key: Some(Secret::new(text.replace('\n', "\r\n"))),
        ..sshd.config()
    };
    deliver(&connector(config), "sec1.csv", b"a;b\n")
        .await
        .unwrap();
}

#[tokio::test]
async fn foreign_keys_of_putty() {
    let sshd = Sshd::start();
    for (kind, version) in [("ed25519", "3"), ("rsa", "3"), ("ecdsa", "3"), ("rsa", "2")] {
        check(
            &sshd,
            &format!("putty-{kind}-{version}"),
            |file, passphrase| {
                let pem = file.with_extension("pem");
                ssh_keygen(&pem, &["-t", kind, "-N", ""]);
                fs::rename(pem.with_extension("pem.pub"), file.with_extension("pub"))
                    .or_else(|_| {
                        fs::rename(format!("{}.pub", pem.display()), file.with_extension("pub"))
                    })
                    .unwrap();
                let words = file.with_extension("words");
                fs::write(&words, passphrase).unwrap();
                let mut puttygen = Command::new("puttygen");
                puttygen.arg(&pem).args(["-O", "private", "-o"]).arg(file);
                puttygen.args(["--ppk-param", &format!("version={version}")]);
                puttygen.arg("--new-passphrase").arg(&words);
                run(&mut puttygen);
            },
        )
        .await;
    }
}

#[tokio::test]
async fn foreign_passwords() {
    for (door, how) in [
        (Door::Password, "by password"),
        (Door::Questions, "interactively"),
    ] {
        let front = Front::start(door).await;
        let connector = connector(front.config());
        deliver(&connector, "a.csv", b"a;b\n").await.unwrap();
        assert_eq!(fs::read(front.file("a.csv")).unwrap(), b"a;b\n");
        let findings = qm_core::ports::connector::Connector::test(&connector).await;
        let login = findings
            .iter()
            .find(|finding| finding.what == "login")
            .unwrap();
        assert!(login.result.as_ref().unwrap().contains(how), "{login:?}");
    }
}

#[tokio::test]
async fn foreign_logins_that_are_refused_are_not_tried_again() {
    let sshd = Sshd::start();
    let folder = tempfile::tempdir().unwrap();
    let stranger = folder.path().join("key");
    ssh_keygen(&stranger, &["-t", "rsa", "-N", ""]);
    let front = Front::start(Door::Questions).await;
    for (config, words) in [
        (
            Sftp {
                private_key: Some(Secret::new(fs::read_to_string(&stranger).unwrap())),
                password: Some(Secret::new(PASSWORD.to_owned())),
                ..sshd.config()
            },
            "the server refuses the login with the key and the password",
        ),
        (
            Sftp {
                password: Some(Secret::new("wrong-canary".to_owned())),
                ..front.config()
            },
            "the server refuses the login with the password",
        ),
    ] {
        let error = deliver(&connector(config), "a.csv", b"x")
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.retry_verdict()),
            (Kind::Unauthenticated, Retry::Never),
            "{error:?}"
        );
        assert!(error.chain().contains(words), "{error:?}");
        assert!(!error.chain().contains("canary"), "{error:?}");
    }
}

#[test]
fn what_is_no_key_is_not_repeated() {
    // What marks a key stands in no file of the tree, so it is put together here.
    let pem = |kind: &str, body: &str| {
        let label = format!("{kind} {} {}", "PRIVATE", "KEY");
        let label = label.trim_start();
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----")
    };
    for text in [
        "canary".to_owned(),
        pem("OPENSSH", "Y2FuYXJ5"),
        pem("RSA", "canary canary"),
        [
            "PuTTY-User",
            "Key-File-3: ssh-rsa\nEncryption: none\nComment: canary\n",
        ]
        .join("-"),
        pem("ENCRYPTED", "Y2FuYXJ5"),
    ] {
        let mut config = super::world::config(22, "SHA256:AAAA");
        config.private_key = Some(Secret::new(text.clone()));
        config.passphrase = Some(Secret::new("passphrase-canary".to_owned()));
        assert!(!format!("{config:?}").contains("canary"));
        let error = refused(config);
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.chain().contains("ssh-keygen -p -f FILE"), "{error:?}");
        let told = format!("{error:?} {error}");
        assert!(
            !told.contains("canary") && !told.contains("Y2FuYXJ5"),
            "{told}"
        );
    }
}
