//! A client just large enough to show an upload where the machine has none of its own.

use qm_core::{Error, Kind, Result};
use russh::Disconnect;
use russh::client;
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::HostKey;
use crate::wire::kind;

/// Every server takes writes of this size.
const WRITE_BYTES: usize = 32 * 1024;
/// Replies to what we ask are short.
const REPLY_BYTES_MAX: u32 = 64 * 1024;
/// Of the protocol: the only one that all servers speak.
const VERSION: u32 = 3;
/// WRITE, CREAT and TRUNC.
const OPEN_FLAGS: u32 = 0x02 | 0x08 | 0x10;

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
        let mut stream = channel.into_stream();
        upload(&mut stream, name, content).await?;
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

async fn upload(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    name: &str,
    content: &[u8],
) -> Result<()> {
    ask(stream, kind::INIT, &[&VERSION.to_be_bytes()]).await?;
    expect(stream, kind::VERSION).await?;
    let open = [
        &text(name.as_bytes())[..],
        &OPEN_FLAGS.to_be_bytes(),
        &0_u32.to_be_bytes(),
    ];
    ask(stream, kind::OPEN, &[&id(1), &open.concat()]).await?;
    let reply = expect(stream, kind::HANDLE).await?;
    // As it came, with its length.
    let handle = reply.get(4..).unwrap_or_default();
    for (index, chunk) in content.chunks(WRITE_BYTES).enumerate() {
        let offset = (index * WRITE_BYTES) as u64;
        ask(
            stream,
            kind::WRITE,
            &[&id(2), handle, &offset.to_be_bytes(), &text(chunk)],
        )
        .await?;
        expect_ok(stream).await?;
    }
    ask(stream, kind::CLOSE, &[&id(3), handle]).await?;
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
    if packet.first() == Some(&kind::STATUS) {
        return Err(refusal(&body));
    }
    Err(Error::new(Kind::Invalid, "the server does not speak SFTP"))
}

async fn expect_ok(stream: &mut (impl AsyncRead + Unpin)) -> Result<()> {
    let status = expect(stream, kind::STATUS).await?;
    match status.get(4..8) {
        Some([0, 0, 0, 0]) => Ok(()),
        _ => Err(refusal(&status)),
    }
}

/// What a status that is not OK says: id, code, sentence, language.
fn refusal(status: &[u8]) -> Error {
    let length = status
        .get(8..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let sentence = status
        .get(12..)
        .and_then(|rest| rest.get(..length))
        .map(String::from_utf8_lossy)
        .unwrap_or_default();
    // Of a foreign server: escaped.
    Error::new(Kind::Refused, "the server refused the upload")
        .with("reply", format!("{sentence:?}"))
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

    #[test]
    fn a_refusal_carries_the_sentence_and_nothing_else() {
        let whole = [&id(1)[..], &id(4), &text(b"no \x1b space"), &text(b"en")].concat();
        for (status, expect) in [
            (&whole[..], r#"[reply="no \u{1b} space"]"#),
            (&whole[..20], r#"[reply=""]"#),
            (&whole[..9], r#"[reply=""]"#),
            (&[], r#"[reply=""]"#),
        ] {
            let error = refusal(status);
            assert_eq!(error.kind(), Kind::Refused);
            assert!(error.chain().ends_with(expect), "{}", error.chain());
        }
    }
}
