//! One file of a listing watch: is it new, or other than the ledger has it, and has it rested?

use jiff::Timestamp;
use qm_core::name::{ObjectKey, ObjectPath, RESERVED_COMPONENT};
use qm_core::operation::Version;
use qm_core::ports::bucket::{Entry, EntryKind};
use qm_core::ports::ledger::RawEvent;
use qm_core::{Result, temp_name};
use std::time::Duration;

use super::ListingWatch;
use super::known::Memory;
use super::listing::later;
use super::mark::{Mark, removal};

/// How far the clock of a store and ours may be apart.
const CLOCKS_APART: Duration = Duration::from_secs(5);

impl ListingWatch {
    pub(super) async fn look_at_file(&mut self, path: &str, entry: &Entry) -> Result<()> {
        let Ok(key) = ObjectKey::parse(path) else {
            self.name_is_bad(path, &entry.name);
            return Ok(());
        };
        if temp_name::is_temp(key.file_name(), &[]) {
            return Ok(());
        }
        let Some(mark) = self.mark(&key, entry).await else {
            return Ok(());
        };
        let memory = self.known.recall(path, &mark);
        let now = self.ports.clock.now();
        match memory {
            Memory::Same => self.settling.forget(&key),
            Memory::Changed => self.settling.see(&key, mark, now),
            Memory::Nothing => {
                let current = self.current(&key).await?;
                match current {
                    Some(current) if self.is_it(&key, &mark, &current).await => {
                        self.known.remember(path, &mark);
                        self.settling.forget(&key);
                    }
                    _ => self.settling.see(&key, mark, now),
                }
            }
        }
        Ok(())
    }

    /// Tells that a file was removed, if it is not there and the ledger still has it.
    pub(super) async fn look_for(&mut self, path: &str) -> Result<()> {
        let Ok(key) = ObjectKey::parse(path) else {
            return Ok(());
        };
        if temp_name::is_temp(key.file_name(), &[]) {
            return Ok(());
        }
        match self.bucket.stat(&key.as_prefix()).await {
            Ok(None) => {}
            Ok(Some(_)) => return Ok(()),
            Err(error) => {
                self.overlook(error);
                return Ok(());
            }
        }
        self.settling.forget(&key);
        let Some(current) = self.current(&key).await? else {
            return Ok(());
        };
        let event = removal(key.as_str(), &current, &self.ports);
        self.ports.ledger.receive(vec![event]).await?;
        Ok(())
    }

    /// What can be said of a file without paying for it; `None` if it is gone or cannot be looked
    /// at.
    async fn mark(&mut self, key: &ObjectKey, entry: &Entry) -> Option<Mark> {
        if !self.is_directory {
            return Some(Mark::of(entry, None));
        }
        match self.bucket.identity(key).await {
            Ok(identity) => identity.map(|identity| Mark::of(entry, Some(identity))),
            Err(error) => {
                self.overlook(error);
                None
            }
        }
    }

    async fn current(&self, key: &ObjectKey) -> Result<Option<Version>> {
        let path = ObjectPath {
            bucket: self.ports.bucket.clone(),
            key: key.clone(),
        };
        self.ports.ledger.current(&path).await
    }

    /// True if the file is what the ledger has under its name.
    async fn is_it(&mut self, key: &ObjectKey, mark: &Mark, current: &Version) -> bool {
        let has_size = mark.is_sealed || mark.size_bytes == current.size_bytes;
        if let Some(identity) = &mark.identity {
            // Who writes into a file leaves its identity as it is.
            let is_untouched = mark.is_sealed || mark.modified <= current.received_at;
            return *identity == current.identity && has_size && is_untouched;
        }
        if has_size && later(mark.modified, CLOCKS_APART) < current.received_at {
            return true;
        }
        match self.bucket.identity(key).await {
            Ok(identity) => identity.as_ref() == Some(&current.identity),
            Err(error) => {
                self.overlook(error);
                false
            }
        }
    }

    /// Looks once more at files that have rested, and tells of those that are as they were.
    pub(super) async fn tell(&mut self, rested: Vec<(ObjectKey, Mark)>) -> Result<()> {
        let mut events = self.unnameable.clone();
        let mut told = Vec::new();
        for (key, mark) in rested {
            let entry = match self.bucket.stat(&key.as_prefix()).await {
                Ok(entry) => entry.filter(|entry| entry.kind == EntryKind::File),
                Err(error) => {
                    self.overlook(error);
                    None
                }
            };
            let Some(entry) = entry else {
                self.settling.forget(&key);
                continue;
            };
            let Some(now_it_is) = self.mark(&key, &entry).await else {
                self.settling.forget(&key);
                continue;
            };
            // A listing of a sealed bucket takes a file of others for sealed, and so for shorter; an
            // object never grows under its name.
            let is_same = if self.is_directory {
                now_it_is == mark
            } else {
                now_it_is.modified == mark.modified
            };
            if !is_same {
                let now = self.ports.clock.now();
                self.settling.see(&key, now_it_is, now);
                continue;
            }
            let current = self.current(&key).await?;
            let is_known = match &current {
                Some(current) => self.is_told_already(&key, &mark, current).await,
                None => false,
            };
            if !is_known {
                events.push(now_it_is.event(key.as_str(), current.as_ref(), &self.ports));
            }
            told.push((key, mark));
        }
        self.receive(events).await?;
        self.unnameable.clear();
        for (key, mark) in told {
            self.known.remember(key.as_str(), &mark);
            self.settling.forget(&key);
        }
        Ok(())
    }

    /// As [`Self::is_it`], but an object store is always asked: it was another before.
    async fn is_told_already(&mut self, key: &ObjectKey, mark: &Mark, current: &Version) -> bool {
        if mark.identity.is_some() {
            return self.is_it(key, mark, current).await;
        }
        let identity = self.bucket.identity(key).await;
        identity.is_ok_and(|identity| identity.as_ref() == Some(&current.identity))
    }

    async fn receive(&self, events: Vec<RawEvent>) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let count = self.ports.ledger.receive(events).await?;
        if count > 0 {
            tracing::info!(bucket = %self.ports.bucket, files = count, "files that others put there");
        }
        Ok(())
    }

    /// It breaks our rules of names: told as it is, so that it becomes a visible state.
    pub(super) fn name_is_bad(&mut self, path: &str, name: &str) {
        if name == RESERVED_COMPONENT || temp_name::is_temp(name, &[]) {
            return;
        }
        let mark = Mark {
            size_bytes: 0,
            is_sealed: false,
            modified: Timestamp::UNIX_EPOCH,
            identity: None,
        };
        if self.known.recall(path, &mark) != Memory::Same {
            self.unnameable.push(mark.event(path, None, &self.ports));
            self.known.remember(path, &mark);
        }
    }
}
