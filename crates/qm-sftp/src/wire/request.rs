//! Requests of SFTP version 3 and the extensions that are offered.

use bytes::Bytes;

use super::{
    Cursor, FramingError, HandleId, Malformed, OpenFlags, Packet, WireAttributes, extension, kind,
};

/// A packet as understood.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Decoded {
    /// The client's greeting and its version.
    Init(u32),
    /// READ: apart from the others, because runs of them are executed at once.
    Read {
        /// What the reply must carry.
        id: u32,
        handle: HandleId,
        offset: u64,
        length: u32,
    },
    /// WRITE: likewise.
    Write {
        /// What the reply must carry.
        id: u32,
        handle: HandleId,
        offset: u64,
        /// The data as it was received, not joined.
        data: Vec<Bytes>,
    },
    /// Any other request.
    Request {
        /// What the reply must carry.
        id: u32,
        /// What is asked.
        operation: Operation,
    },
    /// A request whose body makes no sense.
    Malformed {
        /// What the reply must carry.
        id: u32,
    },
}

/// What is asked. Paths are bytes here; they become names in `ops`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Operation {
    Open {
        path: Bytes,
        flags: OpenFlags,
        attributes: WireAttributes,
    },
    Close {
        handle: HandleId,
    },
    Lstat {
        path: Bytes,
    },
    Fstat {
        handle: HandleId,
    },
    Setstat {
        path: Bytes,
        attributes: WireAttributes,
    },
    Fsetstat {
        handle: HandleId,
        attributes: WireAttributes,
    },
    Opendir {
        path: Bytes,
    },
    Readdir {
        handle: HandleId,
    },
    Remove {
        path: Bytes,
    },
    Mkdir {
        path: Bytes,
    },
    Rmdir {
        path: Bytes,
    },
    Realpath {
        path: Bytes,
    },
    Stat {
        path: Bytes,
    },
    Rename {
        from: Bytes,
        to: Bytes,
    },
    Readlink,
    Symlink,
    Extended(Extension),
    Unknown {
        kind: u8,
    },
}

/// Extended requests.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Extension {
    PosixRename {
        from: Bytes,
        to: Bytes,
    },
    Limits,
    Fsync {
        handle: HandleId,
    },
    Statvfs {
        path: Bytes,
    },
    Fstatvfs {
        handle: HandleId,
    },
    Lsetstat {
        path: Bytes,
        attributes: WireAttributes,
    },
    ExpandPath {
        path: Bytes,
    },
    HomeDirectory {
        user: Bytes,
    },
    Versions {
        path: Bytes,
        /// So many are known already.
        skip: u32,
    },
    Restore {
        path: Bytes,
        version: Bytes,
    },
    Rewrap {
        path: Bytes,
    },
    Unknown {
        name: Bytes,
    },
}

/// Decodes a packet. Bytes behind a complete body are ignored, as `OpenSSH` does: clients of
/// later versions send some.
pub(crate) fn decode(packet: Packet) -> Result<Decoded, FramingError> {
    let Packet { kind, mut body, .. } = packet;
    if kind == kind::INIT {
        let version = body
            .u32()
            .map_err(|_| FramingError("a greeting without a version"))?;
        return Ok(Decoded::Init(version));
    }
    let id = body
        .u32()
        .map_err(|_| FramingError("a request without an id"))?;
    let decoded = match kind {
        kind::READ => read(id, &mut body),
        kind::WRITE => write(id, &mut body),
        kind => operation(kind, &mut body).map(|operation| Decoded::Request { id, operation }),
    };
    Ok(decoded.unwrap_or_else(|Malformed| Decoded::Malformed { id }))
}

fn operation(kind: u8, body: &mut Cursor) -> Result<Operation, Malformed> {
    Ok(match kind {
        kind::OPEN => Operation::Open {
            path: body.string()?,
            flags: OpenFlags(body.u32()?),
            attributes: WireAttributes::decode(body)?,
        },
        kind::CLOSE => Operation::Close {
            handle: HandleId::decode(body)?,
        },
        kind::LSTAT => Operation::Lstat {
            path: body.string()?,
        },
        kind::FSTAT => Operation::Fstat {
            handle: HandleId::decode(body)?,
        },
        kind::SETSTAT => Operation::Setstat {
            path: body.string()?,
            attributes: WireAttributes::decode(body)?,
        },
        kind::FSETSTAT => Operation::Fsetstat {
            handle: HandleId::decode(body)?,
            attributes: WireAttributes::decode(body)?,
        },
        kind::OPENDIR => Operation::Opendir {
            path: body.string()?,
        },
        kind::READDIR => Operation::Readdir {
            handle: HandleId::decode(body)?,
        },
        kind::REMOVE => Operation::Remove {
            path: body.string()?,
        },
        kind::MKDIR => {
            let path = body.string()?;
            WireAttributes::decode(body)?;
            Operation::Mkdir { path }
        }
        kind::RMDIR => Operation::Rmdir {
            path: body.string()?,
        },
        kind::REALPATH => Operation::Realpath {
            path: body.string()?,
        },
        kind::STAT => Operation::Stat {
            path: body.string()?,
        },
        kind::RENAME => Operation::Rename {
            from: body.string()?,
            to: body.string()?,
        },
        kind::READLINK => Operation::Readlink,
        kind::SYMLINK => Operation::Symlink,
        kind::EXTENDED => Operation::Extended(extended(body)?),
        kind => Operation::Unknown { kind },
    })
}

fn read(id: u32, body: &mut Cursor) -> Result<Decoded, Malformed> {
    Ok(Decoded::Read {
        id,
        handle: HandleId::decode(body)?,
        offset: body.u64()?,
        length: body.u32()?,
    })
}

fn write(id: u32, body: &mut Cursor) -> Result<Decoded, Malformed> {
    let handle = HandleId::decode(body)?;
    let offset = body.u64()?;
    let data = body.string_pieces()?;
    // No file system goes beyond; the sums below cannot overflow.
    let length: u64 = data.iter().map(|piece| piece.len() as u64).sum();
    if offset > i64::MAX as u64 - length {
        return Err(Malformed);
    }
    Ok(Decoded::Write {
        id,
        handle,
        offset,
        data,
    })
}

fn extended(body: &mut Cursor) -> Result<Extension, Malformed> {
    let name = body.string()?;
    Ok(match std::str::from_utf8(&name) {
        Ok(extension::POSIX_RENAME) => Extension::PosixRename {
            from: body.string()?,
            to: body.string()?,
        },
        Ok(extension::LIMITS) => Extension::Limits,
        Ok(extension::FSYNC) => Extension::Fsync {
            handle: HandleId::decode(body)?,
        },
        Ok(extension::STATVFS) => Extension::Statvfs {
            path: body.string()?,
        },
        Ok(extension::FSTATVFS) => Extension::Fstatvfs {
            handle: HandleId::decode(body)?,
        },
        Ok(extension::LSETSTAT) => Extension::Lsetstat {
            path: body.string()?,
            attributes: WireAttributes::decode(body)?,
        },
        Ok(extension::EXPAND_PATH) => Extension::ExpandPath {
            path: body.string()?,
        },
        Ok(extension::HOME_DIRECTORY) => Extension::HomeDirectory {
            user: body.string()?,
        },
        Ok(extension::VERSIONS) => Extension::Versions {
            path: body.string()?,
            skip: body.u32()?,
        },
        Ok(extension::RESTORE) => Extension::Restore {
            path: body.string()?,
            version: body.string()?,
        },
        Ok(extension::REWRAP) => Extension::Rewrap {
            path: body.string()?,
        },
        _ => Extension::Unknown { name },
    })
}
