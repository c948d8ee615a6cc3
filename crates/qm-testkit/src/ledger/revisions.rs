//! Revisions of the configuration.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::audit::AuditRecord;
use qm_core::id::RevisionNumber;
use qm_core::ports::ledger::{Revision, Revisions, TakenUp};
use qm_core::{Error, Kind, Result};

use super::{MemoryLedger, next_number};

#[derive(Clone, Default)]
pub(super) struct State(Vec<Revision>);

#[async_trait]
impl Revisions for MemoryLedger {
    async fn revision(&self) -> Result<Option<Revision>> {
        Ok(self.read(|state| state.revisions.0.last().cloned()))
    }

    async fn in_force(&self) -> Result<Option<Revision>> {
        let is_in_force = |revision: &&Revision| {
            let said = &revision.taken_up;
            said.is_empty() || said.iter().any(|said| said.rejected.is_none())
        };
        Ok(self.read(|state| state.revisions.0.iter().rev().find(is_in_force).cloned()))
    }

    async fn apply(&self, config: String, audit: AuditRecord, at: Timestamp) -> Result<Revision> {
        self.write(|state| {
            let newest = state.revisions.0.last();
            if let Some(same) = newest.filter(|revision| revision.config == config) {
                return Ok(same.clone());
            }
            let revision = Revision {
                number: RevisionNumber(next_number(state.revisions.0.len())),
                config,
                at,
                taken_up: Vec::new(),
            };
            state.revisions.0.push(revision.clone());
            state.audit.append(audit);
            Ok(revision)
        })
    }

    async fn taken_up(
        &self,
        number: RevisionNumber,
        rejected: Option<String>,
        at: Timestamp,
    ) -> Result<()> {
        let node = self.run().node;
        self.write(|state| {
            let revisions = &mut state.revisions.0;
            let revision = revisions
                .iter_mut()
                .find(|revision| revision.number == number)
                .ok_or_else(|| Error::new(Kind::NotFound, "no such revision"))?;
            revision.taken_up.retain(|taken_up| taken_up.node != node);
            revision.taken_up.push(TakenUp { node, at, rejected });
            revision
                .taken_up
                .sort_by(|one, other| one.node.cmp(&other.node));
            Ok(())
        })
    }
}
