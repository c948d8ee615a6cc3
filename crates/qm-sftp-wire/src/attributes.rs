//! The attribute block of SFTP version 3.

use bytes::{BufMut as _, BytesMut};
use jiff::Timestamp;
use qm_core::ports::bucket::{Attributes, Entry, EntryKind};

use super::Malformed;
use super::cursor::Cursor;

const SIZE: u32 = 0x1;
const OWNER: u32 = 0x2;
const PERMISSIONS: u32 = 0x4;
const TIMES: u32 = 0x8;
const EXTENDED: u32 = 0x8000_0000;

const MODE_BITS: u32 = 0o7777;
const TYPE_FILE: u32 = 0o100_000;
const TYPE_FOLDER: u32 = 0o040_000;
/// Two empty strings: a count of more pairs than fit is a lie.
const PAIR_BYTES_MIN: usize = 8;

/// Attributes as a client sends them. Owner and extended pairs are decoded and dropped: nobody
/// here has a numeric owner.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct WireAttributes {
    /// The size the file shall have, or (at OPEN) will have.
    pub size_bytes: Option<u64>,
    /// Permission bits, without type.
    pub mode: Option<u32>,
    /// Modification time in seconds since 1970; the access time that comes with it is dropped.
    pub modified_seconds: Option<u32>,
}

impl WireAttributes {
    /// Reads them.
    pub fn decode(body: &mut Cursor) -> Result<Self, Malformed> {
        Self::decode_typed(body).map(|(attributes, _)| attributes)
    }

    /// With the type bits of the mode.
    fn decode_typed(body: &mut Cursor) -> Result<(Self, u32), Malformed> {
        let flags = body.u32()?;
        let mut attributes = Self::default();
        let mut kind = 0;
        if flags & SIZE != 0 {
            attributes.size_bytes = Some(body.u64()?);
        }
        if flags & OWNER != 0 {
            body.u32()?;
            body.u32()?;
        }
        if flags & PERMISSIONS != 0 {
            let mode = body.u32()?;
            kind = mode & !MODE_BITS;
            attributes.mode = Some(mode & MODE_BITS);
        }
        if flags & TIMES != 0 {
            body.u32()?;
            attributes.modified_seconds = Some(body.u32()?);
        }
        if flags & EXTENDED != 0 {
            let pairs = body.u32()? as usize;
            if pairs > body.remaining() / PAIR_BYTES_MIN {
                return Err(Malformed);
            }
            for _ in 0..pairs {
                body.string_pieces()?;
                body.string_pieces()?;
            }
        }
        Ok((attributes, kind))
    }

    /// Appends them.
    pub fn encode(&self, out: &mut BytesMut) {
        let flags = [
            (self.size_bytes.is_some(), SIZE),
            (self.mode.is_some(), PERMISSIONS),
            (self.modified_seconds.is_some(), TIMES),
        ];
        out.put_u32(
            flags
                .iter()
                .filter(|(is_set, _)| *is_set)
                .map(|(_, bit)| bit)
                .sum(),
        );
        if let Some(size_bytes) = self.size_bytes {
            out.put_u64(size_bytes);
        }
        if let Some(mode) = self.mode {
            out.put_u32(mode);
        }
        if let Some(seconds) = self.modified_seconds {
            out.put_u32(seconds);
            out.put_u32(seconds);
        }
    }

    /// What can be set, without the size.
    pub fn settable(&self) -> Attributes {
        Attributes {
            modified: self
                .modified_seconds
                .and_then(|seconds| Timestamp::from_second(i64::from(seconds)).ok()),
            mode: self.mode,
        }
    }
}

/// The mode with its type bits, which clients need to tell files from folders.
pub fn typed_mode(entry: &Entry) -> u32 {
    let kind = match entry.kind {
        EntryKind::File => TYPE_FILE,
        EntryKind::Folder => TYPE_FOLDER,
    };
    kind | (entry.mode & MODE_BITS)
}

/// Appends what a reply tells of an entry.
pub fn encode_entry(out: &mut BytesMut, entry: &Entry) {
    // The format has no times before 1970 or after 2106.
    let seconds = u32::try_from(entry.modified.as_second().max(0)).unwrap_or(u32::MAX);
    out.put_u32(SIZE | PERMISSIONS | TIMES);
    out.put_u64(entry.size_bytes);
    out.put_u32(typed_mode(entry));
    out.put_u32(seconds);
    out.put_u32(seconds);
}

/// An entry as a reply tells it.
pub fn decode_entry(name: String, body: &mut Cursor) -> Result<Entry, Malformed> {
    let (attributes, kind) = WireAttributes::decode_typed(body)?;
    let seconds = i64::from(attributes.modified_seconds.unwrap_or_default());
    Ok(Entry {
        name,
        kind: if kind == TYPE_FOLDER {
            EntryKind::Folder
        } else {
            EntryKind::File
        },
        size_bytes: attributes.size_bytes.unwrap_or_default(),
        is_sealed: false,
        modified: Timestamp::from_second(seconds).map_err(|_| Malformed)?,
        mode: attributes.mode.unwrap_or_default(),
    })
}

/// Appends attributes that say nothing.
pub fn encode_none(out: &mut BytesMut) {
    out.put_u32(0);
}
