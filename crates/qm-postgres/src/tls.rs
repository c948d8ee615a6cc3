//! TLS to the database: rustls, certificates of the machine, and the name that was asked for.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use qm_core::ports::BoxFuture;
use qm_core::{Error, Kind, Result};

/// How lines to the database are encrypted.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts whom the machine trusts. Without certificates if no line will ask for one.
    pub(crate) fn new(mode: SslMode) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        if mode != SslMode::Disable {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::new(Kind::Bug, "the server made a mistake").source(e))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// What a connection string asks for: whoever says nothing of it gets TLS, except to this machine.
/// There is no falling back to a line that others can read.
pub(crate) fn mode(config: &tokio_postgres::Config) -> SslMode {
    let is_here = !config.get_hosts().is_empty()
        && config.get_hostaddrs().is_empty()
        && config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => {
                name == "localhost"
                    || name
                        .parse::<std::net::IpAddr>()
                        .is_ok_and(|address| address.is_loopback())
            }
            Host::Unix(_) => true,
        });
    let asked = config.get_ssl_mode();
    if asked == SslMode::Disable || (asked == SslMode::Prefer && is_here) {
        SslMode::Disable
    } else {
        SslMode::Require
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Session;
    type TlsConnect = Handshake;
    type Error = Infallible;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, Infallible> {
        Ok(Handshake {
            // A socket of this machine has no name, and no handshake.
            name: ServerName::try_from(domain).map(|name| name.to_owned()),
            connector: TlsConnector::from(Arc::clone(&self.0)),
        })
    }
}

/// A handshake to come.
pub(crate) struct Handshake {
    name: Result<ServerName<'static>, InvalidDnsNameError>,
    connector: TlsConnector,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Session;
    type Error = io::Error;
    type Future = BoxFuture<io::Result<Session>>;

    fn connect(self, stream: Socket) -> Self::Future {
        Box::pin(async move {
            let name = self.name.map_err(io::Error::other)?;
            let stream = self.connector.connect(name, stream).await?;
            Ok(Session(stream))
        })
    }
}

/// An encrypted line.
pub struct Session(TlsStream<Socket>);

impl tokio_postgres::tls::TlsStream for Session {
    fn channel_binding(&self) -> ChannelBinding {
        // The certificate was verified; binding the login to it as well needs its signature's
        // algorithm, and with it a parser of certificates.
        ChannelBinding::none()
    }
}

impl AsyncRead for Session {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Session {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: SslMode) {
        assert_eq!(mode(&text.parse().unwrap()), expect, "{text}");
    }

    #[test]
    fn nothing_is_sent_in_the_clear_unless_it_is_said() {
        check("postgres://a@db.example/l", SslMode::Require);
        check("postgres://a@db.example/l?sslmode=prefer", SslMode::Require);
        check(
            "postgres://a@db.example/l?sslmode=disable",
            SslMode::Disable,
        );
        check("postgres://a@127.0.0.1/l", SslMode::Disable);
        check("postgres://a@localhost/l?sslmode=require", SslMode::Require);
        check("host=/run/postgresql user=a", SslMode::Disable);
        check("host=/run/postgresql,db.example user=a", SslMode::Require);
        check("host=localhost hostaddr=192.0.2.1 user=a", SslMode::Require);
    }
}
