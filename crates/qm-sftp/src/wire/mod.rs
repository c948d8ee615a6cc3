//! What the server makes of the codec it shares with the client (`qm-sftp-wire`): bytes to requests,
//! answers to bytes. No I/O, no names decoded lossily, nothing allocated by a length that the bytes do
//! not back.

mod handle;
mod longname;
mod reply;
mod request;
#[cfg(test)]
mod tests;

pub(crate) use handle::HandleId;
pub(crate) use qm_sftp_wire::{
    Cursor, Framer, FramingError, Malformed, OpenFlags, Packet, WireAttributes, kind,
};
pub(crate) use reply::{Greeting, Name, Replies};
pub(crate) use request::{Decoded, Extension, Operation, decode};

/// Extensions that are offered, with the versions that we speak.
pub(crate) mod extension {
    pub(crate) use qm_sftp_wire::extension::*;

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
