//! A client just large enough to show an upload where the machine has none of its own.

use qm_core::{Error, Kind, Result};
use russh::client::{self, AuthResult};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::HostKey;
use crate::wire::kind;

/// Every server takes writes of this size.
const WRITE_BYTES: usize = 32 * 1024;
/// Replies to what we ask are short.
const REPLY_BYTES_MAX: u32 = 64 * 1024;
/// WRITE, CREAT and TRUNC.
const OPEN_FLAGS: u32 = 0x02 | 0x08 | 0x10;

/// Uploads `content` as `name`. The server's host key must be `host`: its `SHA256:…` fingerprint.
pub async fn put(
    address: SocketAddr,
    user: &str,
    key: HostKey,
    host: &str,
    name: &str,
    content: &[u8],
) -> Result<()> {
    let known = KnownHost(host.to_owned());
    let mut session = client::connect(Arc::default(), address, known)
        .await
        .map_err(failed)?;
    let key = PrivateKeyWithHashAlg::new(Arc::new(key.into_private_key()), None);
    let login = session
        .authenticate_publickey(user, key)
        .await
        .map_err(failed)?;
    if !matches!(login, AuthResult::Success) {
        return Err(Error::new(
            Kind::Unauthenticated,
            "the server refused the login",
        ));
    }
    let channel = session.channel_open_session().await.map_err(failed)?;
    channel
        .request_subsystem(true, "sftp")
        .await
        .map_err(failed)?;
    let mut stream = channel.into_stream();
    upload(&mut stream, name, content).await
}

async fn upload(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    name: &str,
    content: &[u8],
) -> Result<()> {
    ask(stream, kind::INIT, &[&3_u32.to_be_bytes()]).await?;
    expect(stream, kind::VERSION).await?;
    let open = [
        &text(name.as_bytes())[..],
        &OPEN_FLAGS.to_be_bytes(),
        &0_u32.to_be_bytes(),
    ];
    ask(stream, kind::OPEN, &[&id(1), &open.concat()]).await?;
    let reply = expect(stream, kind::HANDLE).await?;
    let handle = reply.get(4..).unwrap_or_default().to_vec();
    for (index, chunk) in content.chunks(WRITE_BYTES).enumerate() {
        let offset = (index * WRITE_BYTES) as u64;
        ask(
            stream,
            kind::WRITE,
            &[&id(2), &handle, &offset.to_be_bytes(), &text(chunk)],
        )
        .await?;
        expect_ok(stream).await?;
    }
    ask(stream, kind::CLOSE, &[&id(3), &handle]).await?;
    expect_ok(stream).await
}

fn id(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

/// A string of the protocol: length, bytes.
fn text(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

async fn ask(stream: &mut (impl AsyncWrite + Unpin), kind: u8, parts: &[&[u8]]) -> Result<()> {
    let packet = text(&[&[kind], &parts.concat()[..]].concat());
    stream.write_all(&packet).await.map_err(failed)
}

async fn expect(stream: &mut (impl AsyncRead + Unpin), wanted: u8) -> Result<Vec<u8>> {
    let length = stream.read_u32().await.map_err(failed)?;
    if length == 0 || length > REPLY_BYTES_MAX {
        return Err(Error::new(Kind::Invalid, "the server does not speak SFTP"));
    }
    let mut packet = vec![0; length as usize];
    stream.read_exact(&mut packet).await.map_err(failed)?;
    let body = packet.split_off(1);
    if packet.first() == Some(&wanted) {
        return Ok(body);
    }
    let sentence = String::from_utf8_lossy(body.get(12..).unwrap_or_default()).into_owned();
    Err(Error::new(Kind::Refused, "the server refused the upload")
        .with("reply", format!("{sentence:?}")))
}

async fn expect_ok(stream: &mut (impl AsyncRead + Unpin)) -> Result<()> {
    let status = expect(stream, kind::STATUS).await?;
    match status.get(4..8) {
        Some([0, 0, 0, 0]) => Ok(()),
        _ => Err(Error::new(Kind::Refused, "the server refused the upload")),
    }
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
