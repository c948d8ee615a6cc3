//! Our own client: operators' commands speak with the node through it, and the demonstration
//! uploads with it over SSH where the machine has no client.

pub use qm_sftp_wire::client::{Client, RemoteFile};

use bytes::Bytes;
use qm_core::ports::mailbox::Existing;
use qm_core::{Error, Kind, Result};
use russh::Disconnect;
use russh::client;
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

use crate::HostKey;

/// A server that answers nothing must not be waited for without end; what is shown is small.
const DEADLINE: Duration = Duration::from_mins(1);

/// Uploads `content` as `name`. The server's host key must be `host`: its `SHA256:…` fingerprint.
/// Takes a minute at most.
pub async fn put(
    address: SocketAddr,
    user: &str,
    key: HostKey,
    host: &str,
    name: &str,
    content: &[u8],
) -> Result<()> {
    within(DEADLINE, async {
        let session = log_in(address, user, key, host).await?;
        let channel = session.channel_open_session().await.map_err(failed)?;
        channel
            .request_subsystem(true, "sftp")
            .await
            .map_err(failed)?;
        let mut client = Client::open(channel.into_stream()).await?;
        let size_bytes = Some(content.len() as u64);
        let file = client.create(name, Existing::Replace, size_bytes).await?;
        let (sender, mut source) = mpsc::channel(1);
        // Nobody else sends, so there is room.
        let _ = sender.try_send(Ok(Bytes::copy_from_slice(content)));
        drop(sender);
        client.write_from(&file, &mut source).await?;
        client.close(file).await?;
        // The file is there; a server that does not hear the good-bye changes nothing about it.
        let _ = session
            .disconnect(Disconnect::ByApplication, "done", "")
            .await;
        Ok(())
    })
    .await
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Error::new(
            Kind::Timeout,
            "the server did not answer in time",
        ))
    })
}

async fn log_in(
    address: SocketAddr,
    user: &str,
    key: HostKey,
    host: &str,
) -> Result<client::Handle<KnownHost>> {
    let known = KnownHost(host.to_owned());
    let mut session = client::connect(Arc::default(), address, known)
        .await
        .map_err(|error| {
            if matches!(error, russh::Error::UnknownKey) {
                return Error::new(
                    Kind::Unauthenticated,
                    "the server's host key is not the one expected",
                );
            }
            failed(error)
        })?;
    let key = PrivateKeyWithHashAlg::new(Arc::new(key.into_private_key()), None);
    let login = session
        .authenticate_publickey(user, key)
        .await
        .map_err(failed)?;
    if !login.success() {
        return Err(Error::new(
            Kind::Unauthenticated,
            "the server refused the login",
        ));
    }
    Ok(session)
}

struct KnownHost(String);

impl client::Handler for KnownHost {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        offered: &PublicKeyOrCertificate,
    ) -> std::result::Result<bool, Self::Error> {
        Ok(match offered {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                key.fingerprint(russh::keys::HashAlg::Sha256).to_string() == self.0
            }
            PublicKeyOrCertificate::Certificate(_) => false,
        })
    }
}

fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::Unavailable, "the upload over SFTP failed").source(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_silent_server_is_given_up() {
        let silence = std::future::pending::<Result<()>>();
        let error = within(Duration::ZERO, silence).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Timeout);
    }
}
