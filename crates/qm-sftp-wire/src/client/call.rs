//! Single requests, to be sent together and answered one by one.

use bytes::{BufMut as _, Bytes, BytesMut};
use qm_core::Result;
use qm_core::id::Sha256Digest;
use qm_core::ports::bucket::Entry;

use super::calls::{Reply, Request, not_sftp};
use crate::limits::HANDLE_BYTES_MAX;
use crate::{Cursor, OpenFlags, WireAttributes, decode_entry, extension, kind};

/// A request and how its reply is read.
pub struct Call<T> {
    pub(super) request: Request,
    pub(super) read: fn(Reply) -> Result<T>,
}

/// A request under way. Every one is to be answered before the session is used for something else.
#[must_use = "the reply stays in memory until it is asked for"]
pub struct Asked<T> {
    pub(super) id: u32,
    pub(super) read: fn(Reply) -> Result<T>,
}

/// An open file on the other side.
#[derive(Clone, Debug)]
pub struct RemoteFile {
    pub(super) handle: Bytes,
}

/// What a server takes in one request, if it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ServerLimits {
    /// A packet; 0 for no figure.
    pub packet_bytes_max: u64,
    /// Data in one WRITE; 0 for no figure.
    pub write_bytes_max: u64,
}

/// Opens a file.
pub fn open(path: &str, flags: OpenFlags, attributes: &WireAttributes) -> Call<RemoteFile> {
    let request = Request::new(kind::OPEN).string(path).u32(flags.0);
    Call {
        request: request.attributes(attributes),
        read: handle,
    }
}

/// Closes a file.
pub fn close(file: &RemoteFile) -> Call<()> {
    done(Request::new(kind::CLOSE).string(&file.handle))
}

/// What is under a name, links followed; `NotFound` if nothing.
pub fn stat(path: &str) -> Call<Entry> {
    entry(Request::new(kind::STAT).string(path))
}

/// What an open file is.
pub fn stat_file(file: &RemoteFile) -> Call<Entry> {
    entry(Request::new(kind::FSTAT).string(&file.handle))
}

/// Bytes of a file, at most a packet whatever was asked for; none if it ends before.
pub fn read(file: &RemoteFile, offset: u64, length: u32) -> Call<Vec<Bytes>> {
    let request = Request::new(kind::READ).string(&file.handle).u64(offset);
    Call {
        request: request.u32(length),
        read: |reply| match reply.or_end(kind::DATA)? {
            Some(mut body) => body.string_pieces().map_err(not_sftp),
            None => Ok(Vec::new()),
        },
    }
}

/// Sets attributes of what is under a name.
pub fn set_attributes(path: &str, attributes: &WireAttributes) -> Call<()> {
    let request = Request::new(kind::SETSTAT).string(path);
    done(request.attributes(attributes))
}

/// Makes what was written to a file durable.
pub fn sync(file: &RemoteFile) -> Call<()> {
    done(Request::extended(extension::FSYNC).string(&file.handle))
}

/// Gives a name to what has another, in the server's way: most refuse a name that is taken.
pub fn rename(from: &str, to: &str) -> Call<()> {
    done(Request::new(kind::RENAME).string(from).string(to))
}

/// Gives a name to what has another and replaces what had it, in one step.
pub fn replace(from: &str, to: &str) -> Call<()> {
    let request = Request::extended(extension::POSIX_RENAME);
    done(request.string(from).string(to))
}

/// Removes a file.
pub fn remove(path: &str) -> Call<()> {
    done(Request::new(kind::REMOVE).string(path))
}

/// Makes a folder.
pub fn make_folder(path: &str) -> Call<()> {
    done(Request::new(kind::MKDIR).string(path).u32(0))
}

/// Removes an empty folder.
pub fn remove_folder(path: &str) -> Call<()> {
    done(Request::new(kind::RMDIR).string(path))
}

/// The absolute form of a path.
pub fn real_path(path: &str) -> Call<String> {
    Call {
        request: Request::new(kind::REALPATH).string(path),
        read: |reply| {
            let mut body = reply.expect(kind::NAME)?;
            body.u32().map_err(not_sftp)?;
            let name = body.string().map_err(not_sftp)?;
            Ok(String::from_utf8_lossy(&name).into_owned())
        },
    }
}

/// What the server takes in one request.
pub fn limits() -> Call<ServerLimits> {
    Call {
        request: Request::extended(extension::LIMITS),
        read: |reply| {
            let mut body = reply.expect(kind::EXTENDED_REPLY)?;
            let mut figure = || body.u64().map_err(not_sftp);
            let packet_bytes_max = figure()?;
            figure()?;
            Ok(ServerLimits {
                packet_bytes_max,
                write_bytes_max: figure()?,
            })
        },
    }
}

/// The SHA-256 of a whole file, reckoned by the server.
pub fn sha256(path: &str) -> Call<Sha256Digest> {
    const WHOLE: (u64, u64, u32) = (0, 0, 0);
    let request = Request::extended(extension::CHECK_FILE_NAME).string(path);
    Call {
        request: request
            .string("sha256")
            .u64(WHOLE.0)
            .u64(WHOLE.1)
            .u32(WHOLE.2),
        read: |reply| digest(reply.expect(kind::EXTENDED_REPLY)?),
    }
}

fn done(request: Request) -> Call<()> {
    Call {
        request,
        read: Reply::done,
    }
}

fn entry(request: Request) -> Call<Entry> {
    Call {
        request,
        read: |reply| {
            let mut body = reply.expect(kind::ATTRS)?;
            decode_entry(String::new(), &mut body).map_err(not_sftp)
        },
    }
}

pub(super) fn handle(reply: Reply) -> Result<RemoteFile> {
    let mut body = reply.expect(kind::HANDLE)?;
    let handle = body.string().map_err(not_sftp)?;
    if handle.len() > HANDLE_BYTES_MAX {
        return Err(not_sftp("a handle longer than 256 bytes"));
    }
    // Out of the packet it came in, which may be far larger.
    let mut own = BytesMut::with_capacity(handle.len());
    own.put_slice(&handle);
    Ok(RemoteFile {
        handle: own.freeze(),
    })
}

/// The name of the algorithm and the digest; some servers repeat the extension's name before them.
fn digest(mut body: Cursor) -> Result<Sha256Digest> {
    let mut name = body.string().map_err(not_sftp)?;
    if name.starts_with(extension::CHECK_FILE.as_bytes()) {
        name = body.string().map_err(not_sftp)?;
    }
    if &name[..] != b"sha256" {
        return Err(not_sftp("a digest of another kind"));
    }
    body.array().map(Sha256Digest).map_err(not_sftp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_both_dialects() {
        let string = |text: &[u8]| [&crate::length_of(text).to_be_bytes()[..], text].concat();
        let read = |parts: &[&[u8]]| {
            let bytes = Bytes::from(parts.concat());
            let length = bytes.len();
            digest(Cursor::new(bytes, Vec::new(), length))
        };
        let name = string(b"sha256");
        assert_eq!(read(&[&name, &[7; 32]]).unwrap(), Sha256Digest([7; 32]));
        let prefixed = read(&[&string(b"check-file"), &name, &[7; 32]]);
        assert_eq!(prefixed.unwrap(), Sha256Digest([7; 32]));
        assert!(read(&[&name, &[7; 31]]).is_err());
        assert!(read(&[&string(b"md5"), &[7; 32]]).is_err());
    }
}
