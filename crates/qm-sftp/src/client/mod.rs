//! Our own client: operators' commands speak with the node through it, and the demonstration
//! uploads with it where the machine has no client.

mod calls;
mod ssh;
mod transfer;

pub use ssh::put;

use bytes::Bytes;
use qm_core::id::VersionId;
use qm_core::ports::bucket::{Entry, EntryKind, Rewrapped};
use qm_core::ports::mailbox::{Existing, VersionEntry};
use qm_core::{Error, Kind, Result};
use tokio::io::{AsyncRead, AsyncWrite};

use self::calls::{Calls, Request, not_sftp};
use crate::wire::{OpenFlags, decode_entry, decode_rewrapped, decode_versions, extension, kind};

/// A session. After an error of [`Client::write_from`] or [`Client::read_into`] it is to be
/// dropped; after any other it goes on.
pub struct Client {
    calls: Calls,
}

/// An open file on the other side. Closing one that was written publishes it, so whoever cannot
/// send all of it drops the session instead.
#[derive(Debug)]
pub struct RemoteFile {
    handle: Bytes,
}

impl Client {
    /// Greets the server at the other end.
    pub async fn open(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self> {
        Ok(Self {
            calls: Calls::greet(stream).await?,
        })
    }

    /// What is under a name; `NotFound` if nothing.
    pub async fn stat(&mut self, path: &str) -> Result<Entry> {
        let request = Request::new(kind::STAT).string(path);
        let mut body = self.calls.call(request).await?.expect(kind::ATTRS)?;
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        decode_entry(name, &mut body).map_err(not_sftp)
    }

    /// All that is in a folder, in no particular order.
    pub async fn list(&mut self, folder: &str) -> Result<Vec<Entry>> {
        let request = Request::new(kind::OPENDIR).string(folder);
        let mut reply = self.calls.call(request).await?.expect(kind::HANDLE)?;
        let handle = reply.string().map_err(not_sftp)?;
        let mut entries = Vec::new();
        loop {
            let request = Request::new(kind::READDIR).string(&handle);
            let Some(mut body) = self.calls.call(request).await?.or_end(kind::NAME)? else {
                break;
            };
            for _ in 0..body.u32().map_err(not_sftp)? {
                let name = body.string().map_err(not_sftp)?;
                let name = String::from_utf8(name.into()).map_err(not_sftp)?;
                // The line of `ls -l`, for clients that parse it.
                body.string().map_err(not_sftp)?;
                let entry = decode_entry(name, &mut body).map_err(not_sftp)?;
                if entry.name != "." && entry.name != ".." {
                    entries.push(entry);
                }
            }
        }
        self.close(RemoteFile { handle }).await?;
        Ok(entries)
    }

    /// Makes the folders of this path that are missing.
    pub async fn make_folders(&mut self, folder: &str) -> Result<()> {
        let mut made = String::new();
        for component in folder.split('/').filter(|part| !part.is_empty()) {
            made = format!("{made}/{component}");
            match self.stat(&made).await {
                Ok(entry) if entry.kind == EntryKind::Folder => {}
                Ok(_) => {
                    return Err(Error::new(Kind::Conflict, "a part of the path is a file")
                        .with("part", &made));
                }
                Err(error) if error.kind() == Kind::NotFound => {
                    let request = Request::new(kind::MKDIR).string(&made).u32(0);
                    self.calls.call(request).await?.done()?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes an empty folder.
    pub async fn remove_folder(&mut self, path: &str) -> Result<()> {
        let request = Request::new(kind::RMDIR).string(path);
        self.calls.call(request).await?.done()
    }

    /// Removes a file.
    pub async fn remove(&mut self, path: &str) -> Result<()> {
        let request = Request::new(kind::REMOVE).string(path);
        self.calls.call(request).await?.done()
    }

    /// Gives a file or an empty folder another name.
    pub async fn rename(&mut self, from: &str, to: &str, existing: Existing) -> Result<()> {
        let request = match existing {
            Existing::Refuse => Request::new(kind::RENAME),
            Existing::Replace => Request::extended(extension::POSIX_RENAME),
        };
        let request = request.string(from).string(to);
        self.calls.call(request).await?.done()
    }

    /// The versions of a name, the current one first, then the newest.
    pub async fn versions(&mut self, path: &str) -> Result<Vec<VersionEntry>> {
        let mut all: Vec<VersionEntry> = Vec::new();
        loop {
            let known = u32::try_from(all.len()).unwrap_or(u32::MAX);
            let request = Request::extended(extension::VERSIONS)
                .string(path)
                .u32(known);
            let reply = self.calls.call(request).await?;
            let mut body = reply.expect(kind::EXTENDED_REPLY)?;
            let more = decode_versions(&mut body).map_err(not_sftp)?;
            if more.is_empty() {
                return Ok(all);
            }
            all.extend(more);
        }
    }

    /// Gives the versions of a bucket envelopes of the newest generation.
    pub async fn rewrap(&mut self, path: &str) -> Result<Rewrapped> {
        let request = Request::extended(extension::REWRAP).string(path);
        let reply = self.calls.call(request).await?;
        let mut body = reply.expect(kind::EXTENDED_REPLY)?;
        decode_rewrapped(&mut body).map_err(not_sftp)
    }

    /// Brings a kept version back.
    pub async fn restore(&mut self, path: &str, version: VersionId) -> Result<()> {
        let request = Request::extended(extension::RESTORE)
            .string(path)
            .string(version.to_string());
        self.calls.call(request).await?.done()
    }

    /// Begins a file; nothing is under the name until it is closed.
    pub async fn create(
        &mut self,
        path: &str,
        existing: Existing,
        size_hint: Option<u64>,
    ) -> Result<RemoteFile> {
        let how = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let flags = match existing {
            Existing::Refuse => how | OpenFlags::EXCLUSIVE,
            Existing::Replace => how,
        };
        let request = Request::new(kind::OPEN).string(path).u32(flags);
        self.open_with(match size_hint {
            Some(size_bytes) => request.u32(SIZE_ATTRIBUTE).u64(size_bytes),
            None => request.u32(0),
        })
        .await
    }

    /// Opens a file for reading and says how long it is.
    pub async fn open_file(&mut self, path: &str) -> Result<(RemoteFile, u64)> {
        let request = Request::new(kind::OPEN).string(path);
        let file = self.open_with(request.u32(OpenFlags::READ).u32(0)).await?;
        let request = Request::new(kind::FSTAT).string(&file.handle);
        let mut body = self.calls.call(request).await?.expect(kind::ATTRS)?;
        let entry = decode_entry(String::new(), &mut body).map_err(not_sftp)?;
        Ok((file, entry.size_bytes))
    }

    /// Closes it; for a file that was written, `Ok` means whole, durable and recorded.
    pub async fn close(&mut self, file: RemoteFile) -> Result<()> {
        let request = Request::new(kind::CLOSE).string(&file.handle);
        self.calls.call(request).await?.done()
    }

    async fn open_with(&mut self, request: Request) -> Result<RemoteFile> {
        let mut body = self.calls.call(request).await?.expect(kind::HANDLE)?;
        let handle = body.string().map_err(not_sftp)?;
        Ok(RemoteFile { handle })
    }
}

/// The flag of an attribute block that has nothing but the size.
const SIZE_ATTRIBUTE: u32 = 1;
