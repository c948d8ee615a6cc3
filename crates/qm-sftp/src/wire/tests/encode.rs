//! Requests as clients send them.

use bytes::{BufMut as _, BytesMut};

use crate::wire::{Decoded, Extension, Operation, WireAttributes, extension, kind};

pub(super) fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[kind], body].concat()
}

pub(super) fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes()[..], bytes].concat()
}

fn put_string(out: &mut BytesMut, bytes: &[u8]) {
    out.extend_from_slice(&string(bytes));
}

/// A request as a client sends it.
pub(super) fn encode(request: &Decoded) -> Vec<u8> {
    let mut out = BytesMut::new();
    let kind = match request {
        Decoded::Init(version) => {
            out.put_u32(*version);
            kind::INIT
        }
        Decoded::Malformed { id } => {
            out.put_u32(*id);
            kind::STAT
        }
        Decoded::Read {
            id,
            handle,
            offset,
            length,
        } => {
            out.put_u32(*id);
            put_string(&mut out, &handle.to_bytes());
            out.put_u64(*offset);
            out.put_u32(*length);
            kind::READ
        }
        Decoded::Write {
            id,
            handle,
            offset,
            data,
        } => {
            out.put_u32(*id);
            put_string(&mut out, &handle.to_bytes());
            out.put_u64(*offset);
            put_string(&mut out, &data.concat());
            kind::WRITE
        }
        Decoded::Request { id, operation } => {
            out.put_u32(*id);
            encode_operation(&mut out, operation)
        }
    };
    packet(kind, &out)
}

/// Appends the body and returns the type.
fn encode_operation(out: &mut BytesMut, operation: &Operation) -> u8 {
    let extended = |out: &mut BytesMut, name: &str| put_string(out, name.as_bytes());
    match operation {
        Operation::Open {
            path,
            flags,
            attributes,
        } => {
            put_string(out, path);
            out.put_u32(flags.0);
            attributes.encode(out);
            kind::OPEN
        }
        Operation::Close { handle } => {
            put_string(out, &handle.to_bytes());
            kind::CLOSE
        }
        Operation::Fstat { handle } => {
            put_string(out, &handle.to_bytes());
            kind::FSTAT
        }
        Operation::Readdir { handle } => {
            put_string(out, &handle.to_bytes());
            kind::READDIR
        }
        Operation::Setstat { path, attributes } => {
            put_string(out, path);
            attributes.encode(out);
            kind::SETSTAT
        }
        Operation::Fsetstat { handle, attributes } => {
            put_string(out, &handle.to_bytes());
            attributes.encode(out);
            kind::FSETSTAT
        }
        Operation::Mkdir { path } => {
            put_string(out, path);
            WireAttributes::default().encode(out);
            kind::MKDIR
        }
        Operation::Rename { from, to } => {
            put_string(out, from);
            put_string(out, to);
            kind::RENAME
        }
        Operation::Lstat { path } => {
            put_string(out, path);
            kind::LSTAT
        }
        Operation::Opendir { path } => {
            put_string(out, path);
            kind::OPENDIR
        }
        Operation::Remove { path } => {
            put_string(out, path);
            kind::REMOVE
        }
        Operation::Rmdir { path } => {
            put_string(out, path);
            kind::RMDIR
        }
        Operation::Realpath { path } => {
            put_string(out, path);
            kind::REALPATH
        }
        Operation::Stat { path } => {
            put_string(out, path);
            kind::STAT
        }
        Operation::Readlink => kind::READLINK,
        Operation::Symlink => kind::SYMLINK,
        Operation::Unknown { kind } => *kind,
        Operation::Extended(request) => {
            encode_extension(out, request, extended);
            kind::EXTENDED
        }
    }
}

fn encode_extension(out: &mut BytesMut, request: &Extension, name: impl Fn(&mut BytesMut, &str)) {
    match request {
        Extension::PosixRename { from, to } => {
            name(out, extension::POSIX_RENAME);
            put_string(out, from);
            put_string(out, to);
        }
        Extension::Limits => name(out, extension::LIMITS),
        Extension::Fsync { handle } => {
            name(out, extension::FSYNC);
            put_string(out, &handle.to_bytes());
        }
        Extension::Statvfs { path } => {
            name(out, extension::STATVFS);
            put_string(out, path);
        }
        Extension::Fstatvfs { handle } => {
            name(out, extension::FSTATVFS);
            put_string(out, &handle.to_bytes());
        }
        Extension::Lsetstat { path, attributes } => {
            name(out, extension::LSETSTAT);
            put_string(out, path);
            attributes.encode(out);
        }
        Extension::ExpandPath { path } => {
            name(out, extension::EXPAND_PATH);
            put_string(out, path);
        }
        Extension::HomeDirectory { user } => {
            name(out, extension::HOME_DIRECTORY);
            put_string(out, user);
        }
        Extension::Versions { path, skip } => {
            name(out, extension::VERSIONS);
            put_string(out, path);
            out.put_u32(*skip);
        }
        Extension::Restore { path, version } => {
            name(out, extension::RESTORE);
            put_string(out, path);
            put_string(out, version);
        }
        Extension::Rewrap { path } => {
            name(out, extension::REWRAP);
            put_string(out, path);
        }
        Extension::Unknown { name: unknown } => put_string(out, unknown),
    }
}
