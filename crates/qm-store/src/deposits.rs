//! What deliveries put into a tree: files that no ledger knows, named only where the name shows
//! what was seen before.

use std::io;
use std::time::{Duration, Instant};

use crate::directory::Tree;
use crate::disk::{DiskFile, FileKind};
use crate::errors::io_error;
use crate::operations::{is, no_folder};
use qm_core::name::ObjectKey;
use qm_core::operation::Version;
use qm_core::ports::bucket::Staging;
use qm_core::{Error, Kind, Result, Retry};

/// Held from a look at a name to its change: nodes on one tree take turns.
const LOCK: &str = ".quaymaster/deposits.lock";
/// It is held for microseconds; for so long only by a process that was stopped.
const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOCK_PAUSE: Duration = Duration::from_millis(5);

impl Tree {
    /// An empty file for a version.
    pub(crate) fn create_staged(&self, staging: &Staging) -> Result<Box<dyn DiskFile>> {
        let path = Self::staging(staging.version);
        if staging.deposit.is_some() {
            // Under the lock: nobody gives this file's name to what is not whole.
            let _turn = self.turn()?;
            self.unlink(&path)?;
            return self.disk().create(&path).map_err(io_error("begin a copy"));
        }
        self.disk()
            .create(&path)
            .map_err(io_error("begin an upload"))
    }

    /// Moves staged bytes under the key; durable when it returns.
    pub(crate) fn put(
        &self,
        key: &ObjectKey,
        version: &Version,
        replaces: Option<&str>,
    ) -> Result<()> {
        let place = key.as_str();
        self.make_all(key.folder().as_str())
            .map_err(io_error("make folders"))?;
        let turn = self.turn()?;
        let there = self.stat(place)?;
        if there
            .as_ref()
            .is_some_and(|there| there.kind == FileKind::Folder)
        {
            return Err(
                Error::new(Kind::Refused, "a folder has the name of the file")
                    .help("remove or rename that folder")
                    .with("key", key),
            );
        }
        if !is(there.as_ref(), version) {
            let found = there.as_ref().map(|there| there.identity.as_str());
            if found != replaces {
                return Err(
                    Error::new(Kind::Conflict, "somebody else changed the file meanwhile")
                        .during("put a file")
                        .with("key", key),
                );
            }
            let staged = Self::staging(version.id);
            if !is(self.stat(&staged)?.as_ref(), version) {
                return Err(Error::new(Kind::NotFound, "the received bytes are gone")
                    .during("put a file")
                    .with("version", version.id));
            }
            self.disk()
                .rename(&staged, place)
                .map_err(|error| no_folder(error, "put a file"))?;
        }
        drop(turn);
        self.sync_folder_of(key)
    }

    /// Takes the file with that identity away; false if the name shows another or none.
    pub(crate) fn withdraw(&self, key: &ObjectKey, identity: &str) -> Result<bool> {
        let place = key.as_str();
        let turn = self.turn()?;
        let there = self.stat(place)?;
        let is_it = there.is_some_and(|there| {
            there.kind == FileKind::File && there.identity.as_str() == identity
        });
        if is_it {
            self.unlink(place)?;
        }
        drop(turn);
        if is_it {
            self.sync_folder_of(key)?;
        }
        Ok(is_it)
    }

    fn turn(&self) -> Result<Box<dyn Send>> {
        let begun = Instant::now();
        loop {
            match self.disk().lock(LOCK) {
                Err(error)
                    if error.kind() == io::ErrorKind::WouldBlock && begun.elapsed() < LOCK_WAIT =>
                {
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(Error::new(
                        Kind::Conflict,
                        "another node is putting a file into the bucket and does not finish",
                    )
                    .retry(Retry::Later));
                }
                turn => return turn.map_err(io_error("take the bucket's lock")),
            }
        }
    }
}
