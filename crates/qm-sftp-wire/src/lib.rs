//! SFTP version 3 as both ends need it: framing, strings and attributes decoded in place, the codes
//! of requests and replies, and a client over any stream. What a server makes of requests is its
//! own. No SSH here: whoever has a channel hands it over as a stream.
//!
//! Nothing is allocated by a length that the bytes do not back, and nothing a peer does makes an end
//! hold more than the bounds in [`limits`].

mod attributes;
pub mod client;
mod cursor;
mod flags;
mod frame;
pub mod limits;
mod rewrapped;
mod status;
mod stream;
mod versions;

pub use attributes::{WireAttributes, decode_entry, encode_entry, encode_none, typed_mode};
pub use cursor::Cursor;
pub use flags::OpenFlags;
pub use frame::{Framer, Packet};
pub use rewrapped::{decode as decode_rewrapped, encode as encode_rewrapped};
pub use status::Status;
pub use stream::{Reader, Stream, Writer, split};
pub use versions::{decode as decode_versions, encode as encode_versions};

use bytes::{BufMut as _, BytesMut};

/// The version of the protocol that we speak, as a client and as a server.
pub const VERSION: u32 = 3;

/// The stream is not SFTP, or not any more: nothing after this point can be trusted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FramingError(pub &'static str);

/// One packet could not be decoded; the stream is intact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Malformed;

/// Appends a string with its length.
pub fn put_string(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(length_of(bytes));
    out.put_slice(bytes);
}

/// The length field of a string.
pub fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Packet types, by the names of the draft.
#[expect(missing_docs, reason = "their names are the protocol's own")]
pub mod kind {
    pub const INIT: u8 = 1;
    pub const VERSION: u8 = 2;
    pub const OPEN: u8 = 3;
    pub const CLOSE: u8 = 4;
    pub const READ: u8 = 5;
    pub const WRITE: u8 = 6;
    pub const LSTAT: u8 = 7;
    pub const FSTAT: u8 = 8;
    pub const SETSTAT: u8 = 9;
    pub const FSETSTAT: u8 = 10;
    pub const OPENDIR: u8 = 11;
    pub const READDIR: u8 = 12;
    pub const REMOVE: u8 = 13;
    pub const MKDIR: u8 = 14;
    pub const RMDIR: u8 = 15;
    pub const REALPATH: u8 = 16;
    pub const STAT: u8 = 17;
    pub const RENAME: u8 = 18;
    pub const READLINK: u8 = 19;
    pub const SYMLINK: u8 = 20;
    pub const STATUS: u8 = 101;
    pub const HANDLE: u8 = 102;
    pub const DATA: u8 = 103;
    pub const NAME: u8 = 104;
    pub const ATTRS: u8 = 105;
    pub const EXTENDED: u8 = 200;
    pub const EXTENDED_REPLY: u8 = 201;
}

/// Extensions by name, with the versions that we speak.
#[expect(missing_docs, reason = "their names are the protocol's own")]
pub mod extension {
    pub const POSIX_RENAME: &str = "posix-rename@openssh.com";
    pub const LIMITS: &str = "limits@openssh.com";
    pub const FSYNC: &str = "fsync@openssh.com";
    pub const STATVFS: &str = "statvfs@openssh.com";
    pub const FSTATVFS: &str = "fstatvfs@openssh.com";
    pub const LSETSTAT: &str = "lsetstat@openssh.com";
    pub const EXPAND_PATH: &str = "expand-path@openssh.com";
    pub const HOME_DIRECTORY: &str = "home-directory";
    pub const VERSIONS: &str = "versions@quaymaster";
    pub const RESTORE: &str = "restore@quaymaster";
    pub const REWRAP: &str = "rewrap@quaymaster";
    /// Of a file by its name; three spellings of the offer are about.
    pub const CHECK_FILE: &str = "check-file";
    pub const CHECK_FILE_HANDLE: &str = "check-file-handle";
    pub const CHECK_FILE_NAME: &str = "check-file-name";
}
