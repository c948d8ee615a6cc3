//! The bytes under their temp name: begun or continued, sent, and verified.

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use qm_core::operation::Version;
use qm_core::ports::bucket::{Content, EntryKind};
use qm_core::ports::connector::Pace;
use qm_core::{Error, Kind, Result, Retry};
use qm_sftp_wire::client::{Client, RemoteFile, call};
use qm_sftp_wire::limits::CLIENT_BYTES;
use qm_sftp_wire::{OpenFlags, Status, WireAttributes, extension};
use std::time::Duration;

use super::faults::fault;
use super::names::{Names, way_to};

/// Read at a time with a pace, so that it is kept evenly.
const PACED_BYTES: u32 = 64 * 1024;
/// WRITEs that one read fills.
const WRITES_A_READ: u32 = 4;
/// How a file was verified where no digest tells.
pub(super) const BY_SIZE: &str = "size";
/// A server that makes a file durable or reckons its digest is given the time for it.
const SERVER_BYTES_A_SECOND: u64 = 16 * 1024 * 1024;

/// What is to be sent.
pub(super) struct Parcel<'a> {
    pub(super) version: &'a Version,
    pub(super) content: &'a dyn Content,
    pub(super) pace: Option<&'a dyn Pace>,
    /// The shortest patience with the server.
    pub(super) patience: Duration,
}

/// A temp file that is open.
pub(super) struct Begun {
    file: RemoteFile,
    /// What an earlier attempt left.
    size_bytes: u64,
}

/// What is known of the temp file when it is whole.
pub(super) struct Verified {
    pub(super) resumed_at_bytes: u64,
    /// `size`, or `size and SHA-256`.
    pub(super) by: &'static str,
}

/// Modification time of what is delivered: the same in every attempt, so that a delivery is known again.
pub(super) fn modified_seconds(version: &Version) -> u32 {
    u32::try_from(version.received_at.as_second().max(0)).unwrap_or(u32::MAX)
}

/// True if the server says that it reckons digests.
pub(super) fn offers_digests(client: &Client) -> bool {
    [
        extension::CHECK_FILE,
        extension::CHECK_FILE_NAME,
        extension::CHECK_FILE_HANDLE,
    ]
    .into_iter()
    .any(|name| client.offers(name))
}

/// Opens the temp file; makes the folders before it if they are missing and should be. May be repeated.
pub(super) async fn begin(
    client: &mut Client,
    names: &Names,
    create_folders: bool,
) -> Result<Begun> {
    match open(client, &names.temp, OpenFlags::WRITE | OpenFlags::CREATE).await {
        Err(error) if error.kind() == Kind::NotFound && create_folders => {
            make_folders(client, &names.folder).await?;
            open(client, &names.temp, OpenFlags::WRITE | OpenFlags::CREATE).await
        }
        opened => opened,
    }
}

/// Sends what is missing and verifies the whole.
///
/// A file that is under way at once is ended without waiting for its WRITEs: a server does what it is
/// asked about one file in the order in which it is asked. One that does not, and closes the file before
/// it has written it, refuses what it is late with; then each waits for the one before.
pub(super) async fn fill(
    client: &mut Client,
    names: &Names,
    begun: Begun,
    parcel: &Parcel<'_>,
) -> Result<Verified> {
    let mut begun = begun;
    let size_bytes = parcel.version.size_bytes;
    let mut is_at_once = size_bytes <= CLIENT_BYTES as u64;
    let mut start = match begun.size_bytes {
        // Servers write in parallel: what was under way when the line broke may have holes.
        held if held <= size_bytes => held.saturating_sub(CLIENT_BYTES as u64),
        _ => {
            begun = restart(client, names, &begun.file).await?;
            0
        }
    };
    loop {
        send(client, names, &begun.file, start, parcel).await?;
        if !is_at_once && let Err(error) = client.settle().await {
            return Err(refused_write(client, names, &begun.file, error).await);
        }
        match finish(client, names, &begun.file, parcel).await? {
            Held::Whole { by } => {
                return Ok(Verified {
                    resumed_at_bytes: start,
                    by,
                });
            }
            Held::Refused(_) if is_at_once => is_at_once = false,
            Held::Differs(_) if start > 0 => {}
            Held::Refused(error) | Held::Differs(error) => return Err(error),
        }
        begun = open(client, &names.temp, EMPTIED).await?;
        start = 0;
    }
}

/// What the temp file is when it is closed.
pub(super) enum Held {
    /// The version, by `size` or by `size and SHA-256`.
    Whole { by: &'static str },
    /// Something else.
    Differs(Error),
    /// The server did not take all that was sent.
    Refused(Error),
}

const EMPTIED: u32 = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;

/// The size that an earlier attempt left comes with the file that is opened.
async fn open(client: &mut Client, temp: &str, flags: u32) -> Result<Begun> {
    let held = client.queue(call::stat(temp));
    let opened = client.queue(call::open(
        temp,
        OpenFlags(flags),
        &WireAttributes::default(),
    ));
    let held = client.answer(held).await;
    let file = client.answer(opened).await;
    let failed = |error| fault("opening the temporary file", temp, error);
    let size_bytes = match held {
        Ok(_) if flags & OpenFlags::TRUNCATE != 0 => 0,
        Ok(entry) => entry.size_bytes,
        Err(error) if super::faults::is_answer(&error) => 0,
        Err(error) => return Err(failed(error)),
    };
    Ok(Begun {
        file: file.map_err(failed)?,
        size_bytes,
    })
}

async fn restart(client: &mut Client, names: &Names, file: &RemoteFile) -> Result<Begun> {
    let closed = client.call(call::close(file)).await;
    closed.map_err(|error| fault("closing the temporary file", &names.temp, error))?;
    open(client, &names.temp, EMPTIED).await
}

/// Makes the folders that are missing, all that are looked at in one round trip.
pub(super) async fn make_folders(client: &mut Client, folder: &str) -> Result<Vec<String>> {
    let way = way_to(folder);
    let asked: Vec<_> = way
        .iter()
        .map(|part| client.queue(call::stat(part)))
        .collect();
    let mut missing = Vec::new();
    for (part, asked) in way.iter().zip(asked) {
        match client.answer(asked).await {
            Ok(entry) if entry.kind == EntryKind::Folder => {}
            // Links to folders are shown as folders; whatever else it is, opening will tell.
            Ok(_) => {}
            Err(error) if super::faults::is_answer(&error) => missing.push((*part).to_owned()),
            Err(error) => return Err(fault("looking for the folder", part, error)),
        }
    }
    let mut made = Vec::new();
    for part in missing {
        match client.call(call::make_folder(&part)).await {
            Ok(()) => made.push(part),
            Err(error) => {
                // Another delivery may have made it meanwhile.
                let there = client.call(call::stat(&part)).await;
                if there.is_err() {
                    return Err(fault("making the folder", &part, error));
                }
            }
        }
    }
    Ok(made)
}

/// Sends everything from `start` on, and reads and digests what is before it. WRITEs may still be under
/// way when this returns.
async fn send(
    client: &mut Client,
    names: &Names,
    file: &RemoteFile,
    start: u64,
    parcel: &Parcel<'_>,
) -> Result<()> {
    let version = parcel.version;
    let mut digest = Context::new(&SHA256);
    let mut end = 0;
    let length = read_bytes(client, parcel, start > 0);
    let mut next = parcel.content.read(0, length).await?;
    // One read beyond the recorded size is enough to see that there is more.
    while !next.is_empty() && end <= version.size_bytes {
        let piece = next;
        let begin = end;
        end += piece.len() as u64;
        digest.update(&piece);
        let skipped = usize::try_from(start.saturating_sub(begin)).unwrap_or(usize::MAX);
        let unsent = piece.slice(skipped.min(piece.len())..);
        let offset = end - unsent.len() as u64;
        let length = read_bytes(client, parcel, end < start);
        let sending = send_piece(client, file, offset, unsent, parcel.pace);
        let (read, sent) = tokio::join!(parcel.content.read(end, length), sending);
        if let Err(error) = sent {
            return Err(refused_write(client, names, file, error).await);
        }
        next = read?;
    }
    if end == version.size_bytes && digest.finish().as_ref() == version.sha256.0 {
        return Ok(());
    }
    discard(client, names, file).await;
    Err(Error::new(
        // Not the destination's fault: its breaker must not count it.
        Kind::Bug,
        "the stored bytes are not those that were received; nothing was delivered",
    )
    .retry(Retry::Later)
    .during("verifying what was sent")
    .with("version", version.id)
    .with("size_bytes", version.size_bytes)
    .with("sent_bytes", end))
}

/// Little for a server that is slow: every read is told as progress. What it has already costs it
/// nothing.
fn read_bytes(client: &Client, parcel: &Parcel<'_>, is_there: bool) -> u32 {
    match parcel.pace {
        Some(_) => PACED_BYTES,
        None if is_there => client.write_bytes_max() * WRITES_A_READ,
        None => client.write_bytes() * WRITES_A_READ,
    }
}

async fn send_piece(
    client: &mut Client,
    file: &RemoteFile,
    offset: u64,
    piece: Bytes,
    pace: Option<&dyn Pace>,
) -> Result<()> {
    if let Some(pace) = pace {
        pace.take(piece.len() as u64).await;
    }
    client.write(file, offset, piece).await
}

/// The server said that it does not take more: what it took is given up, so that a full disk does not
/// stay full.
async fn refused_write(
    client: &mut Client,
    names: &Names,
    file: &RemoteFile,
    error: Error,
) -> Error {
    if super::faults::is_answer(&error) {
        discard(client, names, file).await;
    }
    write_fault(names, error)
}

fn write_fault(names: &Names, error: Error) -> Error {
    fault("writing the temporary file", &names.temp, error)
}

/// Removes the temp file, if the server lets us: nobody waits for it.
pub(super) async fn discard(client: &mut Client, names: &Names, file: &RemoteFile) {
    let _ = client.settle().await;
    let closed = client.queue(call::close(file));
    let removed = client.queue(call::remove(&names.temp));
    let _ = client.answer(closed).await;
    let _ = client.answer(removed).await;
}

/// Makes the temp file durable, closes it and compares it, once every WRITE is answered.
async fn finish(
    client: &mut Client,
    names: &Names,
    file: &RemoteFile,
    parcel: &Parcel<'_>,
) -> Result<Held> {
    let version = parcel.version;
    let work = Duration::from_secs(version.size_bytes / SERVER_BYTES_A_SECOND);
    client.set_patience(parcel.patience + work);
    let times = WireAttributes {
        modified_seconds: Some(modified_seconds(version)),
        ..WireAttributes::default()
    };
    let synced = client
        .offers(extension::FSYNC)
        .then(|| client.queue(call::sync(file)));
    let closed = client.queue(call::close(file));
    let dated = client.queue(call::set_attributes(&names.temp, &times));
    let looked = client.queue(call::stat(&names.temp));
    let written = client.settle().await;
    let written = match written {
        Err(error) if !super::faults::is_answer(&error) => return Err(write_fault(names, error)),
        answered => answered,
    };
    let synced = match synced {
        Some(asked) => client.answer(asked).await,
        None => Ok(()),
    };
    let closed = client.answer(closed).await;
    let dated = client.answer(dated).await;
    let looked = client.answer(looked).await;
    if let Err(error) = written {
        client.set_patience(parcel.patience);
        return Ok(Held::Refused(write_fault(names, error)));
    }
    let failed = |error| fault("closing the temporary file", &names.temp, error);
    closed.map_err(failed)?;
    for done in [synced, dated] {
        match done {
            Err(error) if is_refused_service(&error) => {}
            done => done.map_err(failed)?,
        }
    }
    let mut held = looked.map_err(failed)?.size_bytes;
    if held != version.size_bytes {
        // A server that answers out of order may have looked too early.
        held = client
            .call(call::stat(&names.temp))
            .await
            .map_err(failed)?
            .size_bytes;
    }
    let verified = if held == version.size_bytes {
        compare_digest(client, names, version).await
    } else {
        let error = differs("the destination holds another number of bytes");
        Ok(Held::Differs(
            error
                .with("size_bytes", version.size_bytes)
                .with("held_bytes", held),
        ))
    };
    client.set_patience(parcel.patience);
    verified
}

/// Of a temp file that has the size.
pub(super) async fn compare_digest(
    client: &mut Client,
    names: &Names,
    version: &Version,
) -> Result<Held> {
    if !offers_digests(client) {
        return Ok(Held::Whole { by: BY_SIZE });
    }
    match client.call(call::sha256(&names.temp)).await {
        Ok(digest) if digest == version.sha256 => Ok(Held::Whole {
            by: "size and SHA-256",
        }),
        Ok(digest) => Ok(Held::Differs(
            differs("the destination holds other bytes")
                .with("sha256", version.sha256)
                .with("held_sha256", digest),
        )),
        // It reckons others, or not of this file.
        Err(error) if super::faults::is_answer(&error) => Ok(Held::Whole { by: BY_SIZE }),
        Err(error) => Err(fault("asking for the digest", &names.temp, error)),
    }
}

/// True if a service beside the file itself is refused; a file that arrived whole is none the worse.
pub(super) fn is_refused_service(error: &Error) -> bool {
    match qm_sftp_wire::client::refusal(error) {
        Some(Status::Unsupported | Status::PermissionDenied | Status::BadMessage) => true,
        Some(Status::Ok | Status::Eof | Status::NoSuchFile | Status::Failure) | None => false,
    }
}

fn differs(sentence: &'static str) -> Error {
    Error::new(Kind::Unavailable, sentence)
        .during("verifying the temporary file")
        .retry(Retry::Later)
}
