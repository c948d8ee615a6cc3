//! One delivery at a time changes a target, whichever node it is of: from the last look whether a
//! newer one was first, through the rename.

use aws_lc_rs::digest::{SHA256, digest};
use qm_core::{Error, Kind, Result, Retry};
use rustix::fs::{AtFlags, FlockOperation, OFlags, flock, fstat, openat2, statat, unlinkat};
use rustix::io::Errno;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use super::place::{CONFINED, Place, UNFINISHED_FILE};

/// It is held while the ledger is asked once; for so long only by a process that was stopped.
const WAIT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Ours until it is dropped, or this process ends: the kernel releases the lock, and who comes
/// next removes the file.
pub(super) struct Turn {
    /// The folder and the name of the lock file; `None` on a file system without locks.
    held: Option<(OwnedFd, String, OwnedFd)>,
}

impl Turn {
    /// Waits for it, but not for ever. A file system without locks gives it to everybody: then only
    /// the fence stands between two nodes.
    pub(super) async fn take(place: &Arc<Place>) -> Result<Self> {
        let mut pause = FIRST_PAUSE;
        let mut waited = Duration::ZERO;
        loop {
            let asked = Arc::clone(place);
            if let Some(turn) = qm_threads::run(move || Self::try_take(&asked)).await? {
                return Ok(turn);
            }
            if waited >= WAIT {
                return Err(Error::new(
                    Kind::Conflict,
                    "another node is delivering to the same name and does not finish",
                )
                .retry(Retry::Later));
            }
            tokio::time::sleep(pause).await;
            waited += pause;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Removes the lock file of whoever was killed between his turn and its end.
    pub(super) fn sweep(place: &Place) -> Result<()> {
        let (folder, name) = place.name();
        match statat(folder, lock_name(name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Self::try_take(place).map(drop),
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(place.fault("looking for the lock of the target", errno)),
        }
    }

    /// `None` if somebody else has it.
    pub(super) fn try_take(place: &Place) -> Result<Option<Self>> {
        let fail = |errno| place.fault("taking the lock of the target", errno);
        let (folder, name) = place.name();
        let name = lock_name(name);
        loop {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
            let file = openat2(folder, &name, flags, UNFINISHED_FILE, CONFINED).map_err(fail)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK | Errno::INVAL) => {
                    let _ = unlinkat(folder, &name, AtFlags::empty());
                    return Ok(Some(Self { held: None }));
                }
                Err(errno) => return Err(fail(errno)),
            }
            // Whoever had it before removed the file that was opened here meanwhile.
            let is_same = match statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(named) => named.st_ino == fstat(&file).map_err(fail)?.st_ino,
                Err(Errno::NOENT) => false,
                Err(errno) => return Err(fail(errno)),
            };
            if is_same {
                let folder = folder.as_fd().try_clone_to_owned();
                let folder = folder
                    .map_err(|cause| fail(Errno::from_io_error(&cause).unwrap_or(Errno::MFILE)))?;
                return Ok(Some(Self {
                    held: Some((folder, name, file)),
                }));
            }
        }
    }

    /// True if it keeps other nodes away.
    pub(super) fn is_exclusive(&self) -> bool {
        self.held.is_some()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some((folder, name, _file)) = &self.held {
            // While it is held: nobody else takes this file for the lock any more. What cannot be
            // removed is taken again.
            let _ = unlinkat(folder, name, AtFlags::empty());
        }
    }
}

/// Of one length, whatever the target is called.
fn lock_name(target: &str) -> String {
    let digest = digest(&SHA256, target.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_ref()[..8]);
    format!(".qm-{:016x}.lock", u64::from_be_bytes(first))
}
