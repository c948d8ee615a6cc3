//! What a delivery asks of a server about a file, one step at a time for `destination test`. A service
//! beside the file that is refused fails no delivery: that is a sentence, not an error.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use jiff::Timestamp;
use qm_core::id::{Sha256Digest, VersionId};
use qm_core::operation::Version;
use qm_core::{Error, Kind, Result};
use qm_sftp_wire::client::{Client, call};
use qm_sftp_wire::{OpenFlags, WireAttributes, extension};

use super::faults::{fault, is_answer};
use super::names::Names;
use super::upload::Held;
use super::{evidence, upload};

/// The time of the test file; no server has it by itself.
const RECEIVED_SECONDS: i64 = 1_700_000_000;

/// As a delivery of these bytes would have it.
pub(super) fn version(content: &[u8]) -> Version {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest(&SHA256, content).as_ref());
    Version {
        id: VersionId::from_parts(0, 0),
        size_bytes: content.len() as u64,
        sha256: Sha256Digest(sha256),
        identity: String::new(),
        staged: None,
        received_at: Timestamp::from_second(RECEIVED_SECONDS).unwrap_or_default(),
    }
}

/// What became of making it durable; `None` if the server does not offer that.
pub(super) async fn put(
    client: &mut Client,
    temp: &str,
    content: &'static [u8],
) -> Result<Option<Result<()>>> {
    let failed = |error| fault("writing a test file", temp, error);
    let flags = OpenFlags(OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE);
    let opened = call::open(temp, flags, &WireAttributes::default());
    let file = client.call(opened).await.map_err(failed)?;
    let bytes = Bytes::from_static(content);
    client.write(&file, 0, bytes).await.map_err(failed)?;
    let settled = client.settle().await;
    let synced = client
        .offers(extension::FSYNC)
        .then(|| client.queue(call::sync(&file)));
    let closed = client.queue(call::close(&file));
    let synced = match synced {
        Some(asked) => Some(client.answer(asked).await),
        None => None,
    };
    let closed = client.answer(closed).await;
    settled.and(closed).map_err(failed)?;
    let held = client
        .call(call::stat(temp))
        .await
        .map_err(failed)?
        .size_bytes;
    if held == content.len() as u64 {
        return Ok(synced);
    }
    Err(Error::new(
        Kind::Unavailable,
        "the server holds another number of bytes",
    )
    .with("size_bytes", content.len())
    .with("held_bytes", held))
}

/// Of what [`put`] was told.
pub(super) fn durable(synced: Option<Result<()>>, temp: &str) -> Result<&'static str> {
    match synced {
        Some(Ok(())) => Ok("the server says that what was written is on its disk"),
        None => Ok("not offered: what arrived may be lost if the server's machine breaks down"),
        Some(Err(error)) if upload::is_refused_service(&error) => {
            Ok("refused: what arrived may be lost if the server's machine breaks down")
        }
        Some(Err(error)) => Err(fault("making a test file durable", temp, error)),
    }
}

/// False if the server refuses to.
pub(super) async fn date(client: &mut Client, temp: &str, version: &Version) -> Result<bool> {
    let times = WireAttributes {
        modified_seconds: Some(upload::modified_seconds(version)),
        ..WireAttributes::default()
    };
    match client.call(call::set_attributes(temp, &times)).await {
        Ok(()) => Ok(true),
        Err(error) if upload::is_refused_service(&error) => Ok(false),
        Err(error) => Err(fault("setting the time of a test file", temp, error)),
    }
}

pub(super) fn words_of_dating(is_dated: bool) -> &'static str {
    if is_dated {
        "the server took the time of the file"
    } else {
        "refused: what is delivered has another time than that at which it was received"
    }
}

/// Compares the temp file, which has its size, with what was sent.
pub(super) async fn verify(
    client: &mut Client,
    names: &Names,
    version: &Version,
) -> Result<String> {
    let why = if upload::offers_digests(client) {
        "refuses the SHA-256 that it offers"
    } else {
        "offers no SHA-256"
    };
    match upload::compare_digest(client, names, version).await? {
        Held::Whole {
            by: upload::BY_SIZE,
        } => Ok(format!("by size only, for the server {why}")),
        Held::Whole { by } => Ok(format!("by {by}")),
        Held::Differs(error) | Held::Refused(error) => Err(error),
    }
}

/// Whether a delivery whose answer was lost would be found out to have arrived, by what the connector
/// goes by.
pub(super) async fn know_again(
    client: &mut Client,
    target: &str,
    version: &Version,
    is_dated: bool,
) -> Result<String> {
    let failed = |error| fault("looking for what was delivered", target, error);
    if !is_dated {
        return Ok(not("sets no time"));
    }
    let entry = match client.call(call::stat(target)).await {
        Err(error) if is_answer(&error) => return Ok(not("does not show the file")),
        looked => looked.map_err(failed)?,
    };
    if entry.modified.as_second() != i64::from(upload::modified_seconds(version)) {
        return Ok(not("shows another time than it was told"));
    }
    let is_same = evidence::is_same(client, target, version).await;
    if is_same.map_err(failed)? {
        return Ok("a file that arrived is known by its size, time and bytes".to_owned());
    }
    Ok(not("does not give back the bytes"))
}

fn not(why: &str) -> String {
    format!("no, for the server {why}: after a crash or a lost line a file may be sent twice")
}
