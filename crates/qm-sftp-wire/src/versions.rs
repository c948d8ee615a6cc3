//! The reply to `versions@quaymaster`: a count, and for each version its id, size, digest and
//! times. Times are microseconds since 1970; a current version has no second one.

use bytes::{BufMut as _, BytesMut};
use jiff::Timestamp;
use qm_core::id::Sha256Digest;
use qm_core::ports::mailbox::{VersionEntry, VersionState};

use super::Malformed;
use super::cursor::Cursor;
use super::put_string;

const CURRENT: u8 = 0;
const KEPT: u8 = 1;

/// Appends what follows the id of the reply.
pub fn encode(out: &mut BytesMut, entries: &[VersionEntry]) {
    out.put_u32(u32::try_from(entries.len()).unwrap_or(u32::MAX));
    for entry in entries {
        put_string(out, entry.id.to_string().as_bytes());
        out.put_u64(entry.size_bytes);
        out.put_slice(&entry.sha256.0);
        out.put_i64(entry.received_at.as_microsecond());
        match entry.state {
            VersionState::Current => out.put_u8(CURRENT),
            VersionState::Kept { since } => {
                out.put_u8(KEPT);
                out.put_i64(since.as_microsecond());
            }
        }
    }
}

/// What follows the id of the reply.
pub fn decode(body: &mut Cursor) -> Result<Vec<VersionEntry>, Malformed> {
    let count = body.u32()?;
    (0..count).map(|_| decode_one(body)).collect()
}

fn decode_one(body: &mut Cursor) -> Result<VersionEntry, Malformed> {
    let id = body.string()?;
    let id = std::str::from_utf8(&id).map_err(|_| Malformed)?;
    Ok(VersionEntry {
        id: id.parse().map_err(|_| Malformed)?,
        size_bytes: body.u64()?,
        sha256: Sha256Digest(body.array()?),
        received_at: time(body)?,
        state: match body.u8()? {
            CURRENT => VersionState::Current,
            KEPT => VersionState::Kept { since: time(body)? },
            _ => return Err(Malformed),
        },
    })
}

fn time(body: &mut Cursor) -> Result<Timestamp, Malformed> {
    let microseconds = body.array().map(i64::from_be_bytes)?;
    Timestamp::from_microsecond(microseconds).map_err(|_| Malformed)
}
