//! Replies, collected so that many leave in few SSH packets.

use bytes::{BufMut as _, Bytes, BytesMut};
use jiff::Timestamp;
use qm_core::ports::bucket::{Entry, Rewrapped, Space};
use qm_core::ports::mailbox::VersionEntry;
use qm_sftp_wire::{
    Status, VERSION, encode_entry, encode_none, encode_rewrapped, encode_versions, length_of,
    put_string,
};

use super::{HandleId, extension, kind, longname};
use crate::limits::{DATA_BYTES_MAX, HANDLES_MAX, PACKET_BYTES_MAX, SMALL_BYTES};

/// Messages are English; the tag is what the protocol wants.
const LANGUAGE: &str = "en";
/// What sizes of the file system are counted in.
const BLOCK_BYTES: u64 = 4096;
/// The longest component of a name.
const NAME_BYTES_MAX: u64 = 255;

/// Who is greeted: operators are offered more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Greeting {
    /// A partner.
    Account,
    /// An operator of this machine.
    Operator,
}

/// A name in a reply.
#[derive(Debug)]
pub(crate) enum Name<'a> {
    /// A path without attributes, as REALPATH answers.
    Path(&'a str),
    /// A listed entry.
    Listed(&'a Entry),
}

/// Replies that are not sent yet, in order. Data is kept as it was read, not copied.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    parts: Vec<Bytes>,
    text: BytesMut,
    parts_bytes: usize,
}

impl Replies {
    /// How much waits.
    pub(crate) fn size_bytes(&self) -> usize {
        self.parts_bytes + self.text.len()
    }

    /// Everything that waits, in order.
    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        self.settle();
        self.parts_bytes = 0;
        std::mem::take(&mut self.parts)
    }

    pub(crate) fn version(&mut self, greeting: Greeting) {
        let more = match greeting {
            Greeting::Account => &[][..],
            Greeting::Operator => &extension::OFFERED_TO_OPERATORS,
        };
        self.packet(kind::VERSION, |out| {
            out.put_u32(VERSION);
            for (name, version) in extension::OFFERED.iter().chain(more) {
                put_string(out, name.as_bytes());
                put_string(out, version.as_bytes());
            }
        });
    }

    pub(crate) fn status(&mut self, id: u32, status: Status, message: &str) {
        self.packet(kind::STATUS, |out| {
            out.put_u32(id);
            out.put_u32(status.code());
            put_string(out, message.as_bytes());
            put_string(out, LANGUAGE.as_bytes());
        });
    }

    pub(crate) fn handle(&mut self, id: u32, handle: HandleId) {
        self.packet(kind::HANDLE, |out| {
            out.put_u32(id);
            put_string(out, &handle.to_bytes());
        });
    }

    pub(crate) fn attributes(&mut self, id: u32, entry: &Entry) {
        self.packet(kind::ATTRS, |out| {
            out.put_u32(id);
            encode_entry(out, entry);
        });
    }

    /// `data` is at most as long as a READ may ask for.
    pub(crate) fn data(&mut self, id: u32, data: Bytes) {
        self.text.put_u32(5 + 4 + length_of(&data));
        self.text.put_u8(kind::DATA);
        self.text.put_u32(id);
        self.text.put_u32(length_of(&data));
        if data.len() < SMALL_BYTES {
            self.text.extend_from_slice(&data);
        } else {
            self.settle();
            self.parts_bytes += data.len();
            self.parts.push(data);
        }
    }

    /// `now` decides how the `ls -l` lines write times.
    pub(crate) fn names(&mut self, id: u32, names: &[Name<'_>], now: Timestamp) {
        self.packet(kind::NAME, |out| {
            out.put_u32(id);
            out.put_u32(u32::try_from(names.len()).unwrap_or(u32::MAX));
            for name in names {
                match name {
                    Name::Path(path) => {
                        put_string(out, path.as_bytes());
                        put_string(out, path.as_bytes());
                        encode_none(out);
                    }
                    Name::Listed(entry) => {
                        put_string(out, entry.name.as_bytes());
                        put_string(out, longname::longname(entry, now).as_bytes());
                        encode_entry(out, entry);
                    }
                }
            }
        });
    }

    pub(crate) fn limits(&mut self, id: u32) {
        self.packet(kind::EXTENDED_REPLY, |out| {
            out.put_u32(id);
            out.put_u64(PACKET_BYTES_MAX as u64);
            out.put_u64(u64::from(DATA_BYTES_MAX));
            out.put_u64(u64::from(DATA_BYTES_MAX));
            out.put_u64(HANDLES_MAX as u64);
        });
    }

    pub(crate) fn space(&mut self, id: u32, space: &Space) {
        self.packet(kind::EXTENDED_REPLY, |out| {
            out.put_u32(id);
            for field in [
                BLOCK_BYTES,
                BLOCK_BYTES,
                space.total_bytes / BLOCK_BYTES,
                space.free_bytes / BLOCK_BYTES,
                space.free_bytes / BLOCK_BYTES,
                space.total_files,
                space.free_files,
                space.free_files,
                0, // file system id: none of the client's business
                0, // flags: neither read-only nor nosuid
                NAME_BYTES_MAX,
            ] {
                out.put_u64(field);
            }
        });
    }

    pub(crate) fn versions(&mut self, id: u32, entries: &[VersionEntry]) {
        self.packet(kind::EXTENDED_REPLY, |out| {
            out.put_u32(id);
            encode_versions(out, entries);
        });
    }

    pub(crate) fn rewrapped(&mut self, id: u32, done: &Rewrapped) {
        self.packet(kind::EXTENDED_REPLY, |out| {
            out.put_u32(id);
            encode_rewrapped(out, done);
        });
    }

    fn packet(&mut self, kind: u8, body: impl FnOnce(&mut BytesMut)) {
        let start = self.text.len();
        self.text.put_u32(0);
        self.text.put_u8(kind);
        body(&mut self.text);
        let length = u32::try_from(self.text.len() - start - 4).unwrap_or(u32::MAX);
        self.text[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    fn settle(&mut self) {
        if !self.text.is_empty() {
            self.parts_bytes += self.text.len();
            self.parts.push(self.text.split().freeze());
        }
    }
}
