//! Our own client, over any stream: operators' commands speak with the node through it, and deliveries
//! go out through it. A server may be anybody's: nothing it sends is believed, and with a patience
//! nothing it withholds is waited for without end.

pub mod call;
mod calls;
mod stride;
#[cfg(test)]
mod tests;
mod transfer;

pub use call::{Asked, Call, RemoteFile};

use bytes::Bytes;
use qm_core::id::VersionId;
use qm_core::ports::bucket::{Entry, EntryKind, Rewrapped};
use qm_core::ports::mailbox::{Existing, VersionEntry};
use qm_core::{Error, Kind, Result};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

use self::calls::{Calls, Refused, Request, not_sftp};
use self::stride::Stride;
use crate::limits::{DATA_BYTES_COMMON, DATA_BYTES_LEAST, DATA_BYTES_MAX};
use crate::{OpenFlags, WireAttributes, decode_entry, decode_rewrapped, decode_versions};
use crate::{Status, extension, kind};

/// Of a WRITE, besides its data: ids, lengths, offset and the longest handle, rounded up.
const HEAD_BYTES: u64 = 1024;

/// A session. After an error that [`refusal`] does not know, and after a call that was not waited for to its
/// end, it is to be dropped.
pub struct Client {
    calls: Calls,
    offers: Vec<Bytes>,
    stride: Stride,
    /// WRITEs that wait for replies, in order, each with its length.
    writes: VecDeque<(u32, usize)>,
    writes_bytes: usize,
}

/// What the server answered, if the error is its refusal; the session goes on then. `None` if nobody
/// knows what it did.
pub fn refusal(error: &Error) -> Option<Status> {
    let source = std::error::Error::source(error)?;
    let Refused(code) = source.downcast_ref()?;
    Some(Status::from_code(*code))
}

impl Client {
    /// Greets the server at the other end and waits for it as long as it takes.
    pub async fn open(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self> {
        Self::greet(stream, None).await
    }

    /// Greets the server at the other end; whenever it makes no progress for `patience`, that is an
    /// error.
    pub async fn open_with_patience(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        patience: Duration,
    ) -> Result<Self> {
        let mut client = Self::greet(stream, Some(patience)).await?;
        let write_bytes_max = if client.offers(extension::LIMITS) {
            let limits = client.call(call::limits()).await?;
            let packet = limits.packet_bytes_max.saturating_sub(HEAD_BYTES);
            let given = [limits.write_bytes_max, packet].into_iter();
            given
                .filter(|figure| *figure > 0)
                .min()
                .map_or(DATA_BYTES_COMMON, |figure| {
                    u32::try_from(figure).unwrap_or(u32::MAX)
                })
                .clamp(DATA_BYTES_LEAST, DATA_BYTES_MAX)
        } else {
            DATA_BYTES_COMMON
        };
        client.stride = Stride::unknown(write_bytes_max);
        Ok(client)
    }

    async fn greet(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        patience: Option<Duration>,
    ) -> Result<Self> {
        let (calls, offers) = Calls::greet(stream, patience).await?;
        Ok(Self {
            calls,
            offers,
            // Our own server takes it.
            stride: Stride::whole(DATA_BYTES_MAX),
            writes: VecDeque::new(),
            writes_bytes: 0,
        })
    }

    /// From now on the server may be silent for so long.
    pub fn set_patience(&mut self, patience: Duration) {
        self.calls.set_patience(patience);
    }

    /// True if the server offers the extension.
    pub fn offers(&self, extension: &str) -> bool {
        self.offers
            .iter()
            .any(|name| &name[..] == extension.as_bytes())
    }

    /// Data that the server takes in one WRITE; one that is slow gets less.
    pub fn write_bytes_max(&self) -> u32 {
        self.stride.bytes_max()
    }

    /// Data that goes into one WRITE now.
    pub fn write_bytes(&self) -> u32 {
        self.stride.bytes()
    }

    /// True if nothing is under way: the session may be used for something else.
    pub fn is_quiet(&self) -> bool {
        self.calls.is_quiet() && self.writes.is_empty()
    }

    /// Takes a request; it is sent with the next one that is waited for.
    pub fn queue<T>(&mut self, call: Call<T>) -> Asked<T> {
        Asked {
            id: self.calls.queue(call.request, &[]),
            read: call.read,
        }
    }

    /// Waits for the reply.
    pub async fn answer<T>(&mut self, asked: Asked<T>) -> Result<T> {
        (asked.read)(self.calls.wait(asked.id).await?)
    }

    /// Sends a request and waits for its reply.
    pub async fn call<T>(&mut self, call: Call<T>) -> Result<T> {
        let asked = self.queue(call);
        self.answer(asked).await
    }

    /// What is under a name; `NotFound` if nothing.
    pub async fn stat(&mut self, path: &str) -> Result<Entry> {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let entry = self.call(call::stat(path)).await?;
        Ok(Entry { name, ..entry })
    }

    /// All that is in a folder, in no particular order.
    pub async fn list(&mut self, folder: &str) -> Result<Vec<Entry>> {
        let request = Request::new(kind::OPENDIR).string(folder);
        let RemoteFile { handle } = call::handle(self.calls.call(request).await?)?;
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
                    self.call(call::make_folder(&made)).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes an empty folder.
    pub async fn remove_folder(&mut self, path: &str) -> Result<()> {
        self.call(call::remove_folder(path)).await
    }

    /// Removes a file.
    pub async fn remove(&mut self, path: &str) -> Result<()> {
        self.call(call::remove(path)).await
    }

    /// Gives a file or an empty folder another name.
    pub async fn rename(&mut self, from: &str, to: &str, existing: Existing) -> Result<()> {
        self.call(match existing {
            Existing::Refuse => call::rename(from, to),
            Existing::Replace => call::replace(from, to),
        })
        .await
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
        let hint = WireAttributes {
            size_bytes: size_hint,
            ..WireAttributes::default()
        };
        self.call(call::open(path, OpenFlags(flags), &hint)).await
    }

    /// Opens a file for reading and says how long it is.
    pub async fn open_file(&mut self, path: &str) -> Result<(RemoteFile, u64)> {
        let flags = OpenFlags(OpenFlags::READ);
        let opened = call::open(path, flags, &WireAttributes::default());
        let file = self.call(opened).await?;
        let entry = self.call(call::stat_file(&file)).await?;
        Ok((file, entry.size_bytes))
    }

    /// Closes it; for a file that was written, `Ok` means whole, durable and recorded.
    pub async fn close(&mut self, file: RemoteFile) -> Result<()> {
        self.call(call::close(&file)).await
    }
}
