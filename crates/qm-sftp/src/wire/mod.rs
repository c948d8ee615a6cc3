//! The codec of SFTP version 3: bytes to requests, answers to bytes. No I/O, no names decoded
//! lossily, nothing allocated by a length that the bytes do not back.

mod attributes;
mod cursor;
mod flags;
mod frame;
mod handle;
mod longname;
mod reply;
mod request;
mod rewrapped;
#[cfg(test)]
mod tests;
mod versions;

pub(crate) use attributes::{WireAttributes, decode_entry};
pub(crate) use cursor::Cursor;
pub(crate) use flags::OpenFlags;
pub(crate) use frame::Framer;
pub(crate) use handle::HandleId;
pub(crate) use reply::{Greeting, Name, Replies};
pub(crate) use request::{Decoded, Extension, Operation, decode};
pub(crate) use rewrapped::decode as decode_rewrapped;
pub(crate) use versions::decode as decode_versions;

/// The stream is not SFTP, or not any more: nothing after this point can be trusted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FramingError(pub(crate) &'static str);

/// One packet could not be decoded; the stream is intact.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Malformed;

/// Packet types.
pub(crate) mod kind {
    pub(crate) const INIT: u8 = 1;
    pub(crate) const VERSION: u8 = 2;
    pub(crate) const OPEN: u8 = 3;
    pub(crate) const CLOSE: u8 = 4;
    pub(crate) const READ: u8 = 5;
    pub(crate) const WRITE: u8 = 6;
    pub(crate) const LSTAT: u8 = 7;
    pub(crate) const FSTAT: u8 = 8;
    pub(crate) const SETSTAT: u8 = 9;
    pub(crate) const FSETSTAT: u8 = 10;
    pub(crate) const OPENDIR: u8 = 11;
    pub(crate) const READDIR: u8 = 12;
    pub(crate) const REMOVE: u8 = 13;
    pub(crate) const MKDIR: u8 = 14;
    pub(crate) const RMDIR: u8 = 15;
    pub(crate) const REALPATH: u8 = 16;
    pub(crate) const STAT: u8 = 17;
    pub(crate) const RENAME: u8 = 18;
    pub(crate) const READLINK: u8 = 19;
    pub(crate) const SYMLINK: u8 = 20;
    pub(crate) const STATUS: u8 = 101;
    pub(crate) const HANDLE: u8 = 102;
    pub(crate) const DATA: u8 = 103;
    pub(crate) const NAME: u8 = 104;
    pub(crate) const ATTRS: u8 = 105;
    pub(crate) const EXTENDED: u8 = 200;
    pub(crate) const EXTENDED_REPLY: u8 = 201;
}

/// Extensions by name, with the versions that we speak.
pub(crate) mod extension {
    pub(crate) const POSIX_RENAME: &str = "posix-rename@openssh.com";
    pub(crate) const LIMITS: &str = "limits@openssh.com";
    pub(crate) const FSYNC: &str = "fsync@openssh.com";
    pub(crate) const STATVFS: &str = "statvfs@openssh.com";
    pub(crate) const FSTATVFS: &str = "fstatvfs@openssh.com";
    pub(crate) const LSETSTAT: &str = "lsetstat@openssh.com";
    pub(crate) const EXPAND_PATH: &str = "expand-path@openssh.com";
    pub(crate) const HOME_DIRECTORY: &str = "home-directory";
    pub(crate) const VERSIONS: &str = "versions@quaymaster";
    pub(crate) const RESTORE: &str = "restore@quaymaster";
    pub(crate) const REWRAP: &str = "rewrap@quaymaster";
    pub(crate) const OFFERED: [(&str, &str); 8] = [
        (POSIX_RENAME, "1"),
        (LIMITS, "1"),
        (FSYNC, "1"),
        (STATVFS, "2"),
        (FSTATVFS, "2"),
        (LSETSTAT, "1"),
        (EXPAND_PATH, "1"),
        (HOME_DIRECTORY, "1"),
    ];
    /// Besides, to operators.
    pub(crate) const OFFERED_TO_OPERATORS: [(&str, &str); 3] =
        [(VERSIONS, "1"), (RESTORE, "1"), (REWRAP, "1")];
}
