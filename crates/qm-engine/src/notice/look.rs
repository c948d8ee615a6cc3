//! One sighting: the bucket is asked what is there now, the ledger whether it is known.

use jiff::Timestamp;
use qm_core::audit::{Activity, AuditRecord, Decision};
use qm_core::id::{ArrivalSeq, BucketName, VersionId};
use qm_core::name::{ObjectKey, ObjectPath, Prefix, RESERVED_COMPONENT};
use qm_core::notification::Sighting;
use qm_core::operation::Version;
use qm_core::ports::bucket::{Bucket, Entry, EntryKind};
use qm_core::ports::clock::Identifiers;
use qm_core::temp_name;
use qm_core::{Error, Kind, Result, Retry};

use super::digest::digest;
use crate::Ports;

/// What a sighting was.
pub(super) enum Seen {
    /// Recorded, or nothing to record; what it was.
    Done(String),
    /// There, and it cannot be taken in as it is.
    Bad(String),
}

/// Looks into one bucket.
pub(super) struct Look<'a> {
    pub(super) ports: &'a Ports,
    pub(super) identifiers: &'a dyn Identifiers,
    pub(super) bucket: &'a dyn Bucket,
    pub(super) name: &'a BucketName,
    /// Files of a directory can change and keep their identity; objects cannot.
    pub(super) is_directory: bool,
}

/// A file as it is now.
#[derive(Eq, PartialEq)]
struct Found {
    identity: String,
    entry: Entry,
}

impl Look<'_> {
    pub(super) async fn at(&self, sighting: &Sighting) -> Result<Seen> {
        let text = sighting.key.as_str();
        let done = |what: &str| Ok(Seen::Done(format!("`{}`: {what}", text.escape_debug())));
        if is_marker(text) {
            return done("a folder marker");
        }
        if text.split('/').next() == Some(RESERVED_COMPONENT) {
            return done("our own");
        }
        let key = match ObjectKey::parse(text) {
            Ok(key) => key,
            Err(error) => {
                let reason = error.public_message();
                return Ok(Seen::Bad(format!("`{}`: {reason}", text.escape_debug())));
            }
        };
        if temp_name::is_temp(key.file_name(), &[]) {
            return done("a temp name, no arrival");
        }
        let path = ObjectPath {
            bucket: self.name.clone(),
            key,
        };
        let now = self.ports.clock.now();
        // Before it is looked for, and read: what is found may be older than what comes under the name
        // meanwhile.
        let current = self.ports.ledger.current(&path).await?;
        let Some(found) = self.find(&path.key).await? else {
            return match current {
                Some(current) if sighting.is_removal => self.vanished(&path, &current).await,
                Some(_) | None => done("no longer there"),
            };
        };
        let seen = current.as_ref().map(|current| current.id);
        if self.is_known(current, &found) {
            return done("known");
        }
        if found.entry.is_sealed {
            return Err(not_yet("sealed by us and not recorded under this name"));
        }
        match self.take_in(&path, seen, found, now).await? {
            Some((seq, 0)) => done(&format!("arrival {seq}, 0 bytes")),
            Some((seq, _)) => done(&format!("arrival {seq}")),
            None => done("known"),
        }
    }

    /// Somebody removed it: only who saw that says so. What merely is not there may be behind a mount
    /// that is missing.
    async fn vanished(&self, path: &ObjectPath, current: &Version) -> Result<Seen> {
        let audit = AuditRecord {
            at: self.ports.clock.now(),
            actor: "watch".to_owned(),
            source: None,
            activity: Activity::Delete,
            subject: path.to_string(),
            decision: Decision::Allowed,
        };
        let ledger = &self.ports.ledger;
        let has_vanished = ledger.vanished(path, current.id, audit).await?;
        let name = path.key.as_str().escape_debug();
        if !has_vanished {
            return Ok(Seen::Done(format!("`{name}`: no longer there")));
        }
        tracing::info!(path = ?path.to_string(), version = %current.id, "removed from the bucket by others");
        Ok(Seen::Done(format!("`{name}`: removed")))
    }

    async fn find(&self, key: &ObjectKey) -> Result<Option<Found>> {
        let entry = self.bucket.stat(&key.as_prefix()).await?;
        let Some(entry) = entry.filter(|entry| entry.kind == EntryKind::File) else {
            return Ok(None);
        };
        let identity = self.bucket.identity(key).await?;
        Ok(identity.map(|identity| Found { identity, entry }))
    }

    /// True if the ledger has it under this name, as far as that can be told without reading it.
    fn is_known(&self, current: Option<Version>, found: &Found) -> bool {
        let Some(current) = current.filter(|current| current.identity == found.identity) else {
            return false;
        };
        let entry = &found.entry;
        let may_have_changed = self.is_directory
            && !entry.is_sealed
            && (entry.size_bytes != current.size_bytes || entry.modified > current.received_at);
        !may_have_changed
    }

    /// The arrival and its size; `None` if it was known after all.
    async fn take_in(
        &self,
        path: &ObjectPath,
        seen: Option<VersionId>,
        found: Found,
        received_at: Timestamp,
    ) -> Result<Option<(ArrivalSeq, u64)>> {
        let version = self.read(path, found, received_at).await?;
        if let Some(seq) = self.arrive(path, seen, &version).await? {
            return Ok(Some((seq, version.size_bytes)));
        }
        let ledger = &self.ports.ledger;
        let current = ledger.current(path).await?;
        let is_current = current.is_some_and(|current| {
            current.identity == version.identity && current.sha256 == version.sha256
        });
        if is_current {
            return Ok(None);
        }
        let is_changing = ledger.pending().await?.iter().any(|operation| {
            operation.path == *path
                || (operation.path.bucket == path.bucket && *operation.lands_on() == path.key)
        });
        if is_changing || ledger.version(version.id).await?.is_none() {
            return Err(not_yet("the name is being changed"));
        }
        // It says that it is a version of ours, and we do not have that under this name: somebody
        // copied an object of ours together with its mark.
        let id = self.identifiers.version(received_at);
        let copy = Version { id, ..version };
        match self.arrive(path, seen, &copy).await? {
            Some(seq) => Ok(Some((seq, copy.size_bytes))),
            None => Err(not_yet("the name is being changed")),
        }
    }

    /// What it is, if it stays the same while it is read.
    async fn read(
        &self,
        path: &ObjectPath,
        found: Found,
        received_at: Timestamp,
    ) -> Result<Version> {
        let content = self.bucket.open(&path.key).await?;
        let (sha256, size_bytes) = digest(content.as_ref()).await?;
        let is_same = self.find(&path.key).await?.as_ref() == Some(&found);
        if !is_same || size_bytes != found.entry.size_bytes {
            return Err(not_yet("the file changed while it was read"));
        }
        let id = found.identity.parse::<VersionId>();
        Ok(Version {
            id: id.unwrap_or_else(|_| self.identifiers.version(received_at)),
            size_bytes,
            sha256,
            identity: found.identity,
            staged: None,
            received_at,
        })
    }

    async fn arrive(
        &self,
        path: &ObjectPath,
        seen: Option<VersionId>,
        version: &Version,
    ) -> Result<Option<ArrivalSeq>> {
        let audit = AuditRecord {
            at: self.ports.clock.now(),
            actor: "watch".to_owned(),
            source: None,
            activity: Activity::Found,
            subject: path.to_string(),
            decision: Decision::Allowed,
        };
        let found = self.ports.ledger.found(path, seen, version.clone(), audit);
        let seq = found.await?;
        if let Some(seq) = seq {
            tracing::info!(
                arrival = seq.0,
                path = ?path.to_string(),
                size_bytes = version.size_bytes,
                "found in the bucket"
            );
        }
        Ok(seq)
    }
}

/// The next attempt may find it otherwise; if the last one does not, it is told.
fn not_yet(message: &'static str) -> Error {
    Error::new(Kind::Conflict, message)
        .during("looking at a file that was seen")
        .retry(Retry::Later)
}

/// What stands for a folder: its name with a `/` behind.
fn is_marker(key: &str) -> bool {
    let folder = key.strip_suffix('/').map(Prefix::parse);
    key.is_empty() || folder.is_some_and(|folder| folder.is_ok_and(|folder| !folder.is_root()))
}
