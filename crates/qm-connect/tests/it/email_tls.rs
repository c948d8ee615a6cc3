use qm_core::config::{Email, SmtpSecurity};
use qm_core::ports::connector::NotifierPort as _;
use qm_core::{Kind, Retry};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::email::{config, message, notifier};
use crate::smtp_peer::{Begins, Manners, SmtpPeer};

/// A server's certificate for `localhost`, made for one test, and its file.
struct Identity {
    acceptor: TlsAcceptor,
    ca_file: tempfile::NamedTempFile,
}

fn identity() -> Identity {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca_file.path(), made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    Identity {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        ca_file,
    }
}

fn secured(peer: &SmtpPeer, security: SmtpSecurity, identity: &Identity) -> Email {
    let mut config = config(peer.port);
    config.host = "localhost".into();
    config.security = security;
    config.ca_file = Some(identity.ca_file.path().to_owned());
    config
}

#[tokio::test]
async fn tls_at_once_and_by_starttls_with_a_further_authority() {
    let identity = identity();
    for (security, begins) in [
        (SmtpSecurity::Tls, Begins::AtOnce),
        (SmtpSecurity::StartTls, Begins::WhenAsked),
    ] {
        let peer = SmtpPeer::start(Manners {
            offers: vec!["STARTTLS"],
            tls: Some((identity.acceptor.clone(), begins)),
            ..Manners::default()
        })
        .await;
        let config = secured(&peer, security, &identity);
        notifier(&config).send(&message()).await.unwrap();
        assert_eq!(peer.taken().len(), 1, "{security:?}");

        let mut stranger = config.clone();
        stranger.ca_file = None;
        let error = notifier(&stranger).send(&message()).await.unwrap_err();
        assert_eq!(error.retry_verdict(), Retry::Later, "{error:?}");
        assert_eq!(peer.taken().len(), 1, "{security:?}");
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_said_in_the_clear() {
    let identity = identity();
    let peer = SmtpPeer::start(Manners::default()).await;
    let config = secured(&peer, SmtpSecurity::StartTls, &identity);
    let error = notifier(&config).send(&message()).await.unwrap_err();
    assert_eq!(error.retry_verdict(), Retry::Later);
    assert!(peer.heard("EHLO"));
    assert!(!peer.heard("MAIL"));
}

#[tokio::test]
async fn an_authority_that_cannot_be_read_is_named() {
    let identity = identity();
    let peer = SmtpPeer::start(Manners::default()).await;
    let mut config = secured(&peer, SmtpSecurity::Tls, &identity);
    config.ca_file = Some("/nonexistent/authorities.pem".into());
    let error = notifier(&config).send(&message()).await.unwrap_err();
    assert_eq!(error.retry_verdict(), Retry::Later);
    assert!(
        error
            .chain()
            .contains("[ca_file=/nonexistent/authorities.pem]")
    );

    std::fs::write(
        identity.ca_file.path(),
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    config.ca_file = Some(identity.ca_file.path().to_owned());
    let error = notifier(&config).send(&message()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(peer.connections(), 0);
}
