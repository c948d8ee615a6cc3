//! What the kernel says of a tree of folders. Only a hint where to look: events are lost, folders
//! come and go before anybody listens, and nothing that is said here is believed.

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashMap};
use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The kernel's own default is 8,192 or more by memory; beyond ours the listing sees it.
const FOLDERS_MAX: usize = 65_536;
/// Some hundred events at a time.
const BUFFER_BYTES: usize = 64 * 1024;
/// More at once are not worth looking at one by one.
const HINTS_MAX: usize = 10_000;

/// Where something may have happened; paths below the root, `/` between components.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Hints {
    pub(super) files: BTreeSet<String>,
    /// Files that were removed, or moved away.
    pub(super) gone: BTreeSet<String>,
    pub(super) folders: BTreeSet<String>,
    /// There was more than could be said.
    pub(super) has_missed_some: bool,
}

pub(super) struct Ears {
    kernel: AsyncFd<OwnedFd>,
    root: PathBuf,
    folders: HashMap<i32, String>,
    buffer: Vec<MaybeUninit<u8>>,
    is_full_told: bool,
}

impl Ears {
    pub(super) fn on(root: &Path) -> io::Result<Self> {
        let kernel = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        #[expect(
            deprecated,
            reason = "its successors are unsafe, for types that may close their descriptor; this one owns it"
        )]
        let kernel = AsyncFd::with_interest(kernel, Interest::READABLE)?;
        Ok(Self {
            kernel,
            root: root.to_owned(),
            folders: HashMap::new(),
            buffer: vec![MaybeUninit::uninit(); BUFFER_BYTES],
            is_full_told: false,
        })
    }

    /// Listens to a folder, before it is listed. One that cannot be listened to is still listed.
    pub(super) fn listen(&mut self, folder: &str) {
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW
            | WatchFlags::EXCL_UNLINK;
        let added = if self.folders.len() < FOLDERS_MAX {
            inotify::add_watch(&self.kernel, self.root.join(folder), flags)
        } else {
            Err(Errno::NOSPC)
        };
        match added {
            Ok(watch) => {
                self.folders.insert(watch, folder.to_owned());
            }
            Err(Errno::NOSPC) if !self.is_full_told => {
                self.is_full_told = true;
                tracing::warn!(
                    root = %self.root.display(),
                    folders = self.folders.len(),
                    "too many folders to listen to; the others are only listed (fs.inotify.max_user_watches)"
                );
            }
            Err(error) => tracing::debug!(folder, %error, "not listening to a folder"),
        }
    }

    /// Ends when there may be something to take; to be followed by [`Self::take`].
    pub(super) async fn hear(&self) {
        match self.kernel.readable().await {
            Ok(mut ready) => ready.clear_ready(),
            Err(error) => {
                tracing::debug!(%error, "listening has ended");
                // Only a runtime that shuts down says so.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Everything that was said since.
    pub(super) fn take(&mut self) -> io::Result<Hints> {
        let mut hints = Hints::default();
        let mut reader = Reader::new(self.kernel.get_ref(), &mut self.buffer);
        // What is in the buffer is gone from the kernel.
        while !hints.has_missed_some || !reader.is_buffer_empty() {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(CStr::to_str);
                    hints.add(&mut self.folders, event.wd(), event.events(), name);
                }
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(hints)
    }
}

impl Hints {
    fn add(
        &mut self,
        folders: &mut HashMap<i32, String>,
        watch: i32,
        events: ReadFlags,
        name: Option<Result<&str, std::str::Utf8Error>>,
    ) {
        if events.contains(ReadFlags::QUEUE_OVERFLOW)
            || self.files.len() + self.gone.len() >= HINTS_MAX
        {
            self.has_missed_some = true;
        }
        if events.contains(ReadFlags::IGNORED) {
            folders.remove(&watch);
            return;
        }
        let (Some(folder), Some(Ok(name))) = (folders.get(&watch), name) else {
            return;
        };
        let path = if folder.is_empty() {
            name.to_owned()
        } else {
            format!("{folder}/{name}")
        };
        let is_gone = events.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM);
        if events.contains(ReadFlags::ISDIR) {
            if !is_gone {
                self.folders.insert(path);
            }
        } else if is_gone {
            self.gone.insert(path);
        } else {
            self.files.insert(path);
        }
    }
}
