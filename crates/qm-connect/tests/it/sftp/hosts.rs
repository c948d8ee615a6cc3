//! Whom the connector believes.

use qm_connect::SftpConnector;
use qm_core::config::Sftp;
use qm_core::{Kind, Retry};

use super::sshd::Sshd;
use super::world::{connector, deliver};

fn fingerprint(line: &str) -> String {
    let key = russh::keys::PublicKey::from_openssh(line).unwrap();
    key.fingerprint(russh::keys::HashAlg::Sha256).to_string()
}

#[tokio::test]
async fn foreign_changed_host_key_is_refused_and_shown() {
    let (sshd, other) = (Sshd::start(), Sshd::start());
    let config = Sftp {
        host_keys: other.host_keys.clone(),
        ..sshd.config()
    };
    let error = deliver(&connector(config), "a.csv", b"x")
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.retry_verdict()),
        (Kind::Refused, Retry::Never)
    );
    let shown = fingerprint(&sshd.host_keys[0]);
    assert!(error.public_message().contains(&shown), "{error:?}");
    assert!(sshd.names().is_empty());
}

#[tokio::test]
async fn foreign_announced_rotation() {
    let (sshd, next) = (Sshd::start(), Sshd::start());
    let host_keys = vec![sshd.host_keys[0].clone(), fingerprint(&next.host_keys[0])];
    for server in [&sshd, &next] {
        let config = Sftp {
            host_keys: host_keys.clone(),
            ..server.config()
        };
        deliver(&connector(config), "a.csv", b"x").await.unwrap();
        assert_eq!(server.read("a.csv"), b"x");
    }
}

#[tokio::test]
async fn foreign_server_with_several_keys_shows_the_pinned_one() {
    let sshd = Sshd::with("", &["ed25519", "ecdsa", "rsa"]);
    for host_key in &sshd.host_keys {
        let config = Sftp {
            host_keys: vec![host_key.clone()],
            ..sshd.config()
        };
        deliver(&connector(config), "a.csv", b"x").await.unwrap();
    }
}

#[test]
fn nobody_is_believed_unpinned() {
    let config = Sftp {
        host_keys: Vec::new(),
        ..super::world::config(22, "")
    };
    let error = SftpConnector::new(config, 1).err().unwrap();
    assert_eq!(error.kind(), Kind::Invalid);
}
