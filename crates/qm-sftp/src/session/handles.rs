//! Open handles of one channel.

use qm_core::name::MailboxPath;
use qm_core::ports::bucket::{Content, Entry, Listing};
use qm_core::ports::mailbox::Upload;
use qm_core::{Error, Kind, Result};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::life::Life;
use crate::shares::Place;
use crate::wire::HandleId;
use crate::workers::Worker;

/// What a handle is for.
pub(crate) enum Open {
    /// A file opened for reading.
    Reading(Reading),
    /// A file opened for writing.
    Writing(Writing),
    /// A folder.
    Listed(Listed),
}

/// A file opened for reading.
pub(crate) struct Reading {
    pub(crate) path: MailboxPath,
    pub(crate) content: Box<dyn Content>,
}

/// A file opened for writing.
pub(crate) struct Writing {
    pub(crate) path: MailboxPath,
    pub(crate) upload: Box<dyn Upload>,
    /// Opened for reading as well.
    pub(crate) reads: bool,
}

/// A folder.
pub(crate) struct Listed {
    pub(crate) path: MailboxPath,
    pub(crate) listing: Box<dyn Listing>,
    /// Entries read and not sent.
    pub(crate) waiting: VecDeque<Entry>,
    /// The listing has no more.
    pub(crate) is_read: bool,
}

/// Open handles. Dropped with open uploads (the task panicked), it has them abandoned by a task
/// of its own: what was received is never lost with the connection.
pub(crate) struct Handles {
    next: HandleId,
    open: HashMap<HandleId, (Open, Place)>,
    life: Arc<Life>,
    worker: Worker,
}

impl Handles {
    /// The connection's channels share their places; `worker` is held until the last upload is
    /// abandoned.
    pub(crate) fn new(life: Arc<Life>, worker: Worker) -> Self {
        Self {
            next: HandleId::FIRST,
            open: HashMap::new(),
            life,
            worker,
        }
    }

    /// Refuses when as many are open as may be; taken before anything is opened.
    pub(crate) fn place(&self) -> Result<Place> {
        self.life.handle().ok_or_else(|| {
            Error::new(
                Kind::Limit,
                "too many files are open in this session (at most 64); please close some",
            )
        })
    }

    pub(crate) fn insert(&mut self, open: Open, place: Place) -> HandleId {
        let id = self.next;
        self.next = id.next();
        self.open.insert(id, (open, place));
        id
    }

    pub(crate) fn get(&mut self, id: HandleId) -> Result<&mut Open> {
        let (open, _) = self.open.get_mut(&id).ok_or_else(not_open)?;
        Ok(open)
    }

    /// What was open, and its place: to be held until it is closed.
    pub(crate) fn remove(&mut self, id: HandleId) -> Result<(Open, Place)> {
        self.open.remove(&id).ok_or_else(not_open)
    }

    /// An upload of this channel to `path`.
    pub(crate) fn upload_to(&mut self, path: &MailboxPath) -> Option<&mut Writing> {
        self.open.values_mut().find_map(|(open, _)| match open {
            Open::Writing(writing) if writing.path == *path => Some(writing),
            Open::Writing(_) | Open::Reading(_) | Open::Listed(_) => None,
        })
    }

    /// The client is gone: keeps what its open uploads received.
    pub(crate) async fn abandon_uploads(&mut self) {
        for (upload, place) in self.take_uploads() {
            upload.abandon().await;
            drop(place);
        }
    }

    fn take_uploads(&mut self) -> Vec<(Box<dyn Upload>, Place)> {
        self.open
            .drain()
            .filter_map(|(_, (open, place))| match open {
                Open::Writing(writing) => Some((writing.upload, place)),
                Open::Reading(_) | Open::Listed(_) => None,
            })
            .collect()
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        let uploads = self.take_uploads();
        if uploads.is_empty() {
            return;
        }
        // Without a runtime the process is going down; the uploads' own recovery finds them.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let worker = self.worker.clone();
            runtime.spawn(async move {
                for (upload, place) in uploads {
                    upload.abandon().await;
                    drop(place);
                }
                drop(worker);
            });
        }
    }
}

fn not_open() -> Error {
    Error::new(Kind::Invalid, "that file is not open in this session")
}
