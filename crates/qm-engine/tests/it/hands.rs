//! Who changes names in a world: what intake does, without its locks and without bytes.

use async_trait::async_trait;
use parking_lot::Mutex;
use qm_core::audit::Activity;
use qm_core::id::VersionId;
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::{Change, NameChange, Version};
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::Names as _;
use qm_core::ports::source::Sources;
use qm_core::{Error, Kind, Result};
use qm_testkit::{MemoryLedger, TestClock};

use crate::world::audit;

pub(crate) struct Hands {
    ledger: MemoryLedger,
    clock: TestClock,
    down: Mutex<Option<Kind>>,
    done: Mutex<Vec<String>>,
}

impl Hands {
    pub(crate) fn new(ledger: MemoryLedger, clock: TestClock) -> Self {
        Self {
            ledger,
            clock,
            down: Mutex::default(),
            done: Mutex::default(),
        }
    }

    /// No name can be changed until `None` is set.
    pub(crate) fn set_down(&self, kind: Option<Kind>) {
        *self.down.lock() = kind;
    }

    /// What the engine had done, in order.
    pub(crate) fn done(&self) -> Vec<String> {
        self.done.lock().clone()
    }

    pub(crate) async fn removes(&self, path: &ObjectPath, version: &Version) -> Result<()> {
        let change = self.change(path, version, Change::Remove);
        let change = NameChange {
            replaces: Some(version.id),
            keep_aside: true,
            ..change
        };
        let operation = self.ledger.record(change).await?;
        self.ledger.complete(&operation).await
    }

    pub(crate) async fn renames(
        &self,
        path: &ObjectPath,
        version: &Version,
        to: &ObjectKey,
    ) -> Result<()> {
        let change = self.change(path, version, Change::Rename { to: to.clone() });
        let change = NameChange {
            keep_moved: true,
            ..change
        };
        let operation = self.ledger.record(change).await?;
        self.ledger.complete(&operation).await
    }

    fn change(&self, path: &ObjectPath, version: &Version, change: Change) -> NameChange {
        let now = self.clock.now();
        NameChange {
            path: path.clone(),
            seen: None,
            change,
            version: Some(version.clone()),
            replaces: None,
            keep_aside: false,
            keep_moved: false,
            departs: false,
            arrival: None,
            account: None,
            at: now,
            audit: audit(now, Activity::Rename),
        }
    }

    async fn current(&self, path: &ObjectPath, version: VersionId) -> Result<Option<Version>> {
        if let Some(kind) = *self.down.lock() {
            return Err(Error::new(kind, "the disk says no"));
        }
        // What an earlier run recorded and did not do comes first, as at intake's start.
        for operation in self.ledger.pending().await? {
            self.ledger.complete(&operation).await?;
        }
        let current = self.ledger.current(path).await?;
        Ok(current.filter(|current| current.id == version))
    }
}

#[async_trait]
impl Sources for Hands {
    async fn remove(&self, path: &ObjectPath, version: VersionId, _why: &str) -> Result<bool> {
        let Some(current) = self.current(path, version).await? else {
            return Ok(false);
        };
        self.removes(path, &current).await?;
        self.done.lock().push(format!("{path} removed"));
        Ok(true)
    }

    async fn move_to(
        &self,
        path: &ObjectPath,
        version: VersionId,
        to: &ObjectKey,
        _why: &str,
    ) -> Result<Option<ObjectKey>> {
        let Some(current) = self.current(path, version).await? else {
            return Ok(None);
        };
        self.renames(path, &current, to).await?;
        self.done.lock().push(format!("{path} moved to {to}"));
        Ok(Some(to.clone()))
    }
}
