//! Versions, name operations, current names.

use async_trait::async_trait;
use qm_core::alert::NewAlert;
use qm_core::arrival::{Arrival, ArrivalState};
use qm_core::id::{ArrivalSeq, BucketName, OperationSeq, VersionId};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::{Change, NameChange, Operation, Version};
use qm_core::ports::BoxFuture;
use qm_core::ports::ledger::Names;
use qm_core::{Error, Kind, Result};
use std::collections::BTreeMap;

use super::{LedgerState, MemoryLedger, next_number};

#[derive(Clone, Default)]
pub(super) struct State {
    versions: BTreeMap<VersionId, Version>,
    operations: Vec<Row>,
    current: BTreeMap<ObjectPath, VersionId>,
    kept: BTreeMap<VersionId, BucketName>,
}

#[derive(Clone)]
struct Row {
    operation: Operation,
    arrival: Option<ArrivalSeq>,
    state: OperationState,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum OperationState {
    Pending,
    Completed,
    Failed,
}

impl State {
    fn pending(&self) -> impl Iterator<Item = &Operation> {
        self.operations
            .iter()
            .filter(|row| row.state == OperationState::Pending)
            .map(|row| &row.operation)
    }

    fn row(&mut self, seq: OperationSeq) -> Result<&mut Row> {
        self.operations
            .iter_mut()
            .find(|row| row.operation.seq == seq)
            .ok_or_else(|| Error::new(Kind::NotFound, "no such name operation"))
    }
}

/// The keys whose names an operation changes.
fn keys(path: &ObjectPath, change: &Change) -> Vec<ObjectPath> {
    let mut keys = vec![path.clone()];
    if let Change::Rename { to } = change
        && *to != path.key
    {
        keys.push(at_key(path, to));
    }
    keys
}

fn at_key(path: &ObjectPath, key: &ObjectKey) -> ObjectPath {
    ObjectPath {
        bucket: path.bucket.clone(),
        key: key.clone(),
    }
}

fn record(state: &mut LedgerState, change: NameChange) -> Result<Operation> {
    let is_incomplete = match change.change {
        Change::Publish | Change::Restore => change.version.is_none(),
        Change::Rename { .. } | Change::Remove => false,
    };
    let needs_version = change.arrival.is_some() || change.keep_moved;
    if is_incomplete || (needs_version && change.version.is_none()) {
        return Err(Error::new(
            Kind::Bug,
            "a name operation was recorded without its version",
        ));
    }
    let wanted = keys(&change.path, &change.change);
    let is_busy = state
        .names
        .pending()
        .flat_map(|operation| keys(&operation.path, &operation.change))
        .any(|key| wanted.contains(&key));
    if is_busy {
        return Err(Error::new(
            Kind::Conflict,
            "an earlier change of this name is not finished yet",
        ));
    }
    let operation = Operation {
        seq: OperationSeq(next_number(state.names.operations.len())),
        path: change.path,
        change: change.change,
        version: change.version,
        replaces: change.replaces,
        keep_aside: change.keep_aside,
        keep_moved: change.keep_moved,
    };
    if let Some(version) = &operation.version {
        state
            .names
            .versions
            .entry(version.id)
            .or_insert_with(|| version.clone());
        state.partials.forget(version.id);
    }
    let arrival = match (change.arrival, &operation.version) {
        (Some(cause), Some(version)) => {
            let path = at_key(&operation.path, operation.lands_on());
            Some(state.arrivals.add(Arrival {
                seq: ArrivalSeq(0),
                path,
                version: version.clone(),
                account: change.account,
                cause,
                at: change.at,
                state: ArrivalState::Appearing,
                duplicate_of: None,
                deliveries: None,
            }))
        }
        (None, _) | (Some(_), None) => None,
    };
    state.audit.append(change.audit);
    state.names.operations.push(Row {
        operation: operation.clone(),
        arrival,
        state: OperationState::Pending,
    });
    Ok(operation)
}

fn complete(state: &mut LedgerState, operation: &Operation) -> Result<()> {
    let row = state.names.row(operation.seq)?;
    match row.state {
        OperationState::Completed => return Ok(()),
        OperationState::Failed => return Err(already("failed")),
        OperationState::Pending => row.state = OperationState::Completed,
    }
    if let Some(arrival) = row.arrival {
        state.arrivals.set_state(arrival, ArrivalState::Arrived);
    }
    let names = &mut state.names;
    let lands_on = at_key(&operation.path, operation.lands_on());
    if matches!(operation.change, Change::Rename { .. }) {
        names.current.remove(&operation.path);
    }
    match (&operation.change, &operation.version) {
        (Change::Remove, _) | (_, None) => names.current.remove(&lands_on),
        (Change::Publish | Change::Rename { .. } | Change::Restore, Some(version)) => {
            names.current.insert(lands_on, version.id)
        }
    };
    if let (Change::Restore, Some(version)) = (&operation.change, &operation.version) {
        names.kept.remove(&version.id);
    }
    if let (true, Some(replaced)) = (operation.keep_aside, operation.replaces) {
        names.kept.insert(replaced, operation.path.bucket.clone());
    }
    if let (true, Some(moved)) = (operation.keep_moved, &operation.version) {
        names.kept.insert(moved.id, operation.path.bucket.clone());
    }
    Ok(())
}

fn fail(state: &mut LedgerState, operation: &Operation, alert: NewAlert) -> Result<()> {
    let row = state.names.row(operation.seq)?;
    match row.state {
        OperationState::Failed => return Ok(()),
        OperationState::Completed => return Err(already("completed")),
        OperationState::Pending => row.state = OperationState::Failed,
    }
    if let Some(arrival) = row.arrival {
        state.arrivals.set_state(arrival, ArrivalState::Failed);
    }
    state.alerts.raise(alert);
    Ok(())
}

fn already(what: &'static str) -> Error {
    Error::new(Kind::Conflict, "this change of a name has ended already").with("ended", what)
}

fn is_needed(state: &LedgerState, version: VersionId) -> bool {
    state.arrivals.is_unrouted(version) || state.deliveries.is_open(version)
}

#[async_trait]
impl Names for MemoryLedger {
    async fn record(&self, change: NameChange) -> Result<Operation> {
        self.write(|state| record(state, change))
    }

    fn complete(&self, operation: &Operation) -> BoxFuture<Result<()>> {
        let result = self.write(|state| complete(state, operation));
        Box::pin(async { result })
    }

    async fn fail(&self, operation: &Operation, _reason: &str, alert: NewAlert) -> Result<()> {
        self.write(|state| fail(state, operation, alert))
    }

    async fn pending(&self) -> Result<Vec<Operation>> {
        Ok(self.read(|state| state.names.pending().cloned().collect()))
    }

    async fn current(&self, path: &ObjectPath) -> Result<Option<Version>> {
        Ok(self.read(|state| {
            let id = state.names.current.get(path)?;
            state.names.versions.get(id).cloned()
        }))
    }

    async fn is_needed(&self, version: VersionId) -> Result<bool> {
        Ok(self.read(|state| is_needed(state, version)))
    }

    async fn releasable(&self) -> Result<Vec<(BucketName, VersionId)>> {
        Ok(self.read(|state| {
            let is_moving = |id: VersionId| {
                let mut pending = state.names.pending();
                pending.any(|operation| operation.version.as_ref().is_some_and(|v| v.id == id))
            };
            let kept = state.names.kept.iter();
            kept.filter(|(id, _)| !is_needed(state, **id) && !is_moving(**id))
                .map(|(id, bucket)| (bucket.clone(), *id))
                .collect()
        }))
    }

    async fn released(&self, versions: &[VersionId]) -> Result<()> {
        self.write(|state| {
            state.names.kept.retain(|id, _| !versions.contains(id));
            Ok(())
        })
    }

    async fn version(&self, id: VersionId) -> Result<Option<Version>> {
        Ok(self.read(|state| state.names.versions.get(&id).cloned()))
    }
}
