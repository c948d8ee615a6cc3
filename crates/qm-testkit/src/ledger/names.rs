//! Versions, name operations, current names.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::NewAlert;
use qm_core::arrival::{Arrival, ArrivalState, Cause};
use qm_core::audit::AuditRecord;
use qm_core::id::{ArrivalSeq, BucketName, OperationSeq, VersionId};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::{Change, NameChange, Operation, Version};
use qm_core::ports::BoxFuture;
use qm_core::ports::ledger::{KeptVersion, Names, Retention};
use qm_core::{Error, Kind, Result};
use std::collections::BTreeMap;

use super::nodes::Run;
use super::{LedgerState, MemoryLedger, kept, next_number};

#[derive(Clone, Default)]
pub(super) struct State {
    versions: BTreeMap<VersionId, Version>,
    pub(super) operations: Vec<Row>,
    current: BTreeMap<ObjectPath, Current>,
}

#[derive(Clone)]
struct Current {
    version: VersionId,
    /// Completed without an arrival.
    is_hidden: bool,
}

#[derive(Clone)]
pub(super) struct Row {
    pub(super) operation: Operation,
    /// Who does it.
    pub(super) run: Run,
    pub(super) arrival: Option<ArrivalSeq>,
    pub(super) at: Timestamp,
    pub(super) state: OperationState,
    /// True until routes have looked at it.
    pub(super) departs: bool,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum OperationState {
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

    pub(super) fn version(&self, id: VersionId) -> Option<&Version> {
        self.versions.get(&id)
    }

    /// True while a pending operation moves the version.
    pub(super) fn is_moving(&self, id: VersionId) -> bool {
        self.pending().any(|operation| {
            operation.replaces == Some(id) || operation.version.as_ref().is_some_and(|v| v.id == id)
        })
    }

    pub(super) fn is_pending(&self, path: &ObjectPath) -> bool {
        self.pending()
            .any(|operation| keys(&operation.path, &operation.change).contains(path))
    }

    fn current(&self, path: &ObjectPath) -> Option<&Version> {
        let current = self.current.get(path)?;
        self.versions.get(&current.version)
    }

    pub(super) fn shown(&self, path: &ObjectPath) -> Option<VersionId> {
        Some(self.current.get(path)?.version)
    }

    pub(super) fn clear(&mut self, path: &ObjectPath) {
        self.current.remove(path);
    }

    fn row(&mut self, seq: OperationSeq) -> Result<&mut Row> {
        self.operations
            .iter_mut()
            .find(|row| row.operation.seq == seq)
            .ok_or_else(|| Error::new(Kind::NotFound, "no such name operation"))
    }

    /// Ends the operation, as its owner; false if it had ended like this before.
    fn end(
        &mut self,
        seq: OperationSeq,
        to: OperationState,
        run: &Run,
        is_alive: bool,
    ) -> Result<bool> {
        let row = self.row(seq)?;
        match row.state {
            OperationState::Pending if row.run != *run || !is_alive => Err(Error::new(
                Kind::Conflict,
                "another node has taken over this change of a name",
            )),
            OperationState::Pending => {
                row.state = to;
                Ok(true)
            }
            ended if ended == to => Ok(false),
            OperationState::Completed | OperationState::Failed => Err(Error::new(
                Kind::Conflict,
                "this change of a name has ended already",
            )),
        }
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

pub(super) fn at_key(path: &ObjectPath, key: &ObjectKey) -> ObjectPath {
    ObjectPath {
        bucket: path.bucket.clone(),
        key: key.clone(),
    }
}

/// What is restored is still kept.
fn check_kept(state: &LedgerState, change: &NameChange) -> Result<()> {
    match (&change.change, &change.version) {
        (Change::Restore, Some(version)) if state.kept.is_given_up(version.id) => Err(Error::new(
            Kind::NotFound,
            "this version is not kept any more",
        )),
        _ => Ok(()),
    }
}

fn record(state: &mut LedgerState, change: NameChange, run: Run) -> Result<Operation> {
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
    check_kept(state, &change)?;
    let wanted = keys(&change.path, &change.change);
    if wanted.iter().any(|path| state.names.is_pending(path)) {
        return Err(Error::new(
            Kind::Conflict,
            "an earlier change of this name is not finished yet",
        ));
    }
    if let Some(seen) = change.seen {
        let seen = wanted.iter().zip([seen.from, seen.to]);
        let mut shown = seen.map(|(path, seen)| state.names.shown(path) == seen);
        if !shown.all(|is_seen| is_seen) {
            return Err(Error::new(
                Kind::Conflict,
                "the name was changed after its next change was decided",
            ));
        }
    }
    let is_hidden = change.is_hidden();
    let operation = Operation {
        seq: OperationSeq(next_number(state.names.operations.len())),
        path: change.path,
        change: change.change,
        version: change.version,
        replaces: change.replaces,
        keep_aside: change.keep_aside,
        keep_moved: change.keep_moved,
        is_hidden,
    };
    if let Some(version) = &operation.version {
        state
            .names
            .versions
            .entry(version.id)
            .or_insert_with(|| version.clone());
        state.partials.forget(version.id);
    }
    let departs = change.departs && operation.version.is_some();
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
        run,
        arrival,
        at: change.at,
        state: OperationState::Pending,
        departs,
    });
    Ok(operation)
}

fn complete(
    state: &mut LedgerState,
    operation: &Operation,
    run: &Run,
    now: Timestamp,
) -> Result<()> {
    let is_alive = state.nodes.is_alive(run, now);
    let completed = OperationState::Completed;
    if !state.names.end(operation.seq, completed, run, is_alive)? {
        return Ok(());
    }
    let row = state.names.row(operation.seq)?;
    let (arrival, at) = (row.arrival, row.at);
    if let Some(arrival) = arrival {
        state.arrivals.set_state(arrival, ArrivalState::Arrived);
    }
    let names = &mut state.names;
    if let (Some(_), Some(version)) = (arrival, &operation.version) {
        if let Some(known) = names.versions.get_mut(&version.id) {
            known.staged = None;
        }
        state.arrivals.clear_staged(version.id);
    }
    let lands_on = at_key(&operation.path, operation.lands_on());
    match &operation.change {
        Change::Rename { .. } => {
            names.current.remove(&operation.path);
            let attributes = &mut state.name_attributes;
            attributes.follow(&operation.path, &lands_on);
        }
        Change::Remove | Change::Restore => state.name_attributes.forget(&lands_on),
        Change::Publish => {}
    }
    match (&operation.change, &operation.version) {
        (Change::Remove, _) | (_, None) => {
            names.current.remove(&lands_on);
        }
        (Change::Publish | Change::Rename { .. } | Change::Restore, Some(version)) => {
            let current = Current {
                version: version.id,
                is_hidden: arrival.is_none(),
            };
            names.current.insert(lands_on, current);
        }
    }
    if let (Change::Restore, Some(version)) = (&operation.change, &operation.version) {
        state.kept.bring_back(version.id);
    }
    state.kept.keep(operation, at);
    Ok(())
}

fn fail(
    state: &mut LedgerState,
    operation: &Operation,
    alert: NewAlert,
    run: &Run,
    now: Timestamp,
) -> Result<()> {
    let is_alive = state.nodes.is_alive(run, now);
    let failed = OperationState::Failed;
    if !state.names.end(operation.seq, failed, run, is_alive)? {
        return Ok(());
    }
    let row = state.names.row(operation.seq)?;
    let (arrival, at) = (row.arrival, row.at);
    if let Some(arrival) = arrival {
        state.arrivals.set_state(arrival, ArrivalState::Failed);
    }
    state.kept.keep_nothing(operation, at);
    state.alerts.raise(alert);
    Ok(())
}

/// Pending ones that are this run's or nobody's: those of runs that are over.
fn orphaned<'a>(
    state: &'a LedgerState,
    run: &'a Run,
    now: Timestamp,
) -> impl Iterator<Item = &'a Row> {
    let rows = state.names.operations.iter();
    rows.filter(move |row| {
        row.state == OperationState::Pending
            && (row.run == *run || !state.nodes.is_alive(&row.run, now))
    })
}

fn take_over(state: &mut LedgerState, run: &Run, now: Timestamp) -> Vec<Operation> {
    let orphaned: Vec<Operation> = orphaned(state, run, now)
        .map(|row| row.operation.clone())
        .collect();
    for row in &mut state.names.operations {
        if orphaned.iter().any(|taken| taken.seq == row.operation.seq) {
            row.run = run.clone();
        }
    }
    orphaned
}

pub(super) fn is_needed(state: &LedgerState, version: VersionId) -> bool {
    state.arrivals.is_unrouted(version) || state.deliveries.is_open(version)
}

fn found(
    state: &mut LedgerState,
    path: &ObjectPath,
    seen: Option<VersionId>,
    version: Version,
    audit: AuditRecord,
) -> Option<ArrivalSeq> {
    let names = &mut state.names;
    let current = names.current(path);
    let is_same = |current: &Version| {
        current.identity == version.identity && current.sha256 == version.sha256
    };
    if names.shown(path) != seen
        || current.is_some_and(is_same)
        || names.is_pending(path)
        || names.versions.contains_key(&version.id)
    {
        return None;
    }
    names.versions.insert(version.id, version.clone());
    let current = Current {
        version: version.id,
        is_hidden: false,
    };
    names.current.insert(path.clone(), current);
    state.name_attributes.forget(path);
    let seq = state.arrivals.add(Arrival {
        seq: ArrivalSeq(0),
        path: path.clone(),
        version,
        account: None,
        cause: Cause::Found,
        at: audit.at,
        state: ArrivalState::Arrived,
        duplicate_of: None,
        deliveries: None,
    });
    state.audit.append(audit);
    Some(seq)
}

#[async_trait]
impl Names for MemoryLedger {
    async fn record(&self, change: NameChange) -> Result<Operation> {
        let run = self.run();
        self.write(|state| record(state, change, run))
    }

    fn complete(&self, operation: &Operation) -> BoxFuture<Result<()>> {
        let (run, now) = (self.run(), self.shared.now());
        let result = self.write(|state| complete(state, operation, &run, now));
        Box::pin(async { result })
    }

    async fn fail(&self, operation: &Operation, _reason: &str, alert: NewAlert) -> Result<()> {
        let (run, now) = (self.run(), self.shared.now());
        self.write(|state| fail(state, operation, alert, &run, now))
    }

    async fn pending(&self) -> Result<Vec<Operation>> {
        let (run, now) = (self.run(), self.shared.now());
        let (mine, all) = self.read(|state| {
            let all: Vec<&Row> = orphaned(state, &run, now).collect();
            let mine = all.iter().filter(|row| row.run == run);
            let mine: Vec<Operation> = mine.map(|row| row.operation.clone()).collect();
            (mine, all.len())
        });
        if mine.len() == all {
            return Ok(mine);
        }
        self.write(|state| Ok(take_over(state, &run, now)))
    }

    async fn is_mine(&self, operation: &Operation) -> Result<bool> {
        let (run, now) = (self.run(), self.shared.now());
        Ok(self.read(|state| {
            let is_it = |row: &Row| row.operation.seq == operation.seq && row.run == run;
            let mut rows = state.names.operations.iter();
            rows.any(|row| row.state == OperationState::Pending && is_it(row))
                && state.nodes.is_alive(&run, now)
        }))
    }

    async fn current(&self, path: &ObjectPath) -> Result<Option<Version>> {
        Ok(self.read(|state| state.names.current(path).cloned()))
    }

    async fn is_needed(&self, version: VersionId) -> Result<bool> {
        Ok(self.read(|state| is_needed(state, version)))
    }

    async fn hidden(&self) -> Result<Vec<(ObjectPath, Version)>> {
        Ok(self.read(|state| {
            let names = &state.names;
            let hidden = names
                .current
                .iter()
                .filter(|(_, current)| current.is_hidden);
            hidden
                .filter_map(|(path, current)| Some((path.clone(), names.version(current.version)?)))
                .filter(|(_, version)| version.staged.is_some())
                .map(|(path, version)| (path, version.clone()))
                .collect()
        }))
    }

    async fn found(
        &self,
        path: &ObjectPath,
        seen: Option<VersionId>,
        version: Version,
        audit: AuditRecord,
    ) -> Result<Option<ArrivalSeq>> {
        self.write_if(
            |state| Ok(found(state, path, seen, version, audit)),
            Option::is_some,
        )
    }

    async fn kept(&self, path: &ObjectPath) -> Result<Vec<KeptVersion>> {
        Ok(self.read(|state| kept::kept(state, path)))
    }

    async fn kept_in(&self, bucket: &BucketName) -> Result<Vec<KeptVersion>> {
        Ok(self.read(|state| kept::kept_in(state, bucket)))
    }

    async fn releasable(
        &self,
        retention: &BTreeMap<BucketName, Retention>,
        now: Timestamp,
    ) -> Result<Vec<KeptVersion>> {
        let releasing = |state: &LedgerState| kept::releasing_in(state, retention.keys());
        if self.read(|state| kept::ended(state, retention, now).is_empty()) {
            return Ok(self.read(releasing));
        }
        self.write(|state| {
            let ended = kept::ended(state, retention, now);
            kept::give_up(state, &ended);
            Ok(releasing(state))
        })
    }

    async fn released(&self, versions: &[VersionId]) -> Result<()> {
        self.write(|state| {
            state.kept.released(versions);
            Ok(())
        })
    }

    async fn version(&self, id: VersionId) -> Result<Option<Version>> {
        Ok(self.read(|state| state.names.version(id).cloned()))
    }
}
