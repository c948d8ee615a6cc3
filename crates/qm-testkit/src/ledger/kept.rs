//! Versions kept though no name shows them.

use jiff::{SignedDuration, Timestamp};
use qm_core::id::{BucketName, OperationSeq, VersionId};
use qm_core::name::ObjectPath;
use qm_core::operation::Operation;
use qm_core::ports::ledger::{KeptVersion, Retention};
use std::collections::{BTreeMap, BTreeSet};

use super::names::at_key;
use super::{LedgerState, names};

#[derive(Clone, Default)]
pub(super) struct State(BTreeMap<(VersionId, ObjectPath), Row>);

#[derive(Clone)]
struct Row {
    operation: OperationSeq,
    kept_at: Timestamp,
    state: KeptState,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum KeptState {
    Retained,
    Moved,
    Releasing,
}

impl State {
    /// What the completed operation put aside.
    pub(super) fn keep(&mut self, operation: &Operation, kept_at: Timestamp) {
        let row = |state| Row {
            operation: operation.seq,
            kept_at,
            state,
        };
        if let (true, Some(replaced)) = (operation.keep_aside, operation.replaces) {
            let key = (replaced, at_key(&operation.path, operation.lands_on()));
            let is_fixed = self
                .0
                .get(&key)
                .is_some_and(|r| r.state != KeptState::Moved);
            // What goes under another name goes under this one as well.
            let state = if self.has(replaced, KeptState::Releasing) {
                KeptState::Releasing
            } else {
                KeptState::Retained
            };
            if !is_fixed {
                self.0.insert(key, row(state));
            }
        }
        self.keep_moved(operation, kept_at);
    }

    /// The failed operation may have put aside what stays where it is.
    pub(super) fn keep_nothing(&mut self, operation: &Operation, kept_at: Timestamp) {
        if let (true, Some(stays)) = (operation.keep_aside, operation.replaces) {
            let path = at_key(&operation.path, operation.lands_on());
            self.copied(operation, (stays, path), kept_at);
        }
        self.keep_moved(operation, kept_at);
    }

    fn keep_moved(&mut self, operation: &Operation, kept_at: Timestamp) {
        if let (true, Some(moved)) = (operation.keep_moved, &operation.version) {
            let under = (moved.id, operation.path.clone());
            self.copied(operation, under, kept_at);
        }
    }

    /// Goes as soon as nothing needs it, whatever the retention.
    fn copied(
        &mut self,
        operation: &Operation,
        under: (VersionId, ObjectPath),
        kept_at: Timestamp,
    ) {
        self.0.entry(under).or_insert(Row {
            operation: operation.seq,
            kept_at,
            state: KeptState::Moved,
        });
    }

    /// It is current again.
    pub(super) fn bring_back(&mut self, version: VersionId) {
        let is_back = |id: VersionId, row: &Row| id == version && row.state == KeptState::Retained;
        self.0.retain(|(id, _), row| !is_back(*id, row));
    }

    pub(super) fn is_given_up(&self, version: VersionId) -> bool {
        self.has(version, KeptState::Releasing)
    }

    pub(super) fn released(&mut self, versions: &[VersionId]) {
        self.0
            .retain(|(id, _), row| row.state != KeptState::Releasing || !versions.contains(id));
    }

    /// Of a name, newest first.
    fn retained(&self, path: &ObjectPath) -> Vec<(VersionId, &Row)> {
        let of_name = self
            .0
            .iter()
            .filter(|((_, under), row)| under == path && row.state == KeptState::Retained);
        let mut retained: Vec<_> = of_name.map(|((id, _), row)| (*id, row)).collect();
        retained.sort_by_key(|(_, row)| std::cmp::Reverse(row.operation));
        retained
    }

    fn has(&self, version: VersionId, state: KeptState) -> bool {
        let mut rows = self.0.iter();
        rows.any(|((id, _), row)| *id == version && row.state == state)
    }

    fn is_ended(
        &self,
        (version, path): &(VersionId, ObjectPath),
        row: &Row,
        retention: &Retention,
        now: Timestamp,
    ) -> bool {
        match row.state {
            KeptState::Moved => !self.has(*version, KeptState::Retained),
            KeptState::Releasing => false,
            KeptState::Retained => {
                let age = retention
                    .age
                    .and_then(|age| SignedDuration::try_from(age).ok());
                let is_old = age.is_some_and(|age| now.duration_since(row.kept_at) >= age);
                let mut newer = self.retained(path).into_iter();
                let place = newer.position(|(id, _)| id == *version);
                is_old || place >= usize::try_from(retention.versions).ok()
            }
        }
    }
}

pub(super) fn kept(state: &LedgerState, path: &ObjectPath) -> Vec<KeptVersion> {
    let retained = state.kept.retained(path).into_iter();
    retained
        .filter_map(|(id, row)| described(state, id, path, row))
        .collect()
}

/// All of a bucket whose bytes are kept.
pub(super) fn kept_in(state: &LedgerState, bucket: &BucketName) -> Vec<KeptVersion> {
    let rows = state.kept.0.iter();
    rows.filter(|((_, path), row)| path.bucket == *bucket && row.state != KeptState::Releasing)
        .filter_map(|((id, path), row)| described(state, *id, path, row))
        .collect()
}

/// What can be given up.
pub(super) fn ended(
    state: &LedgerState,
    retention: &BTreeMap<BucketName, Retention>,
    now: Timestamp,
) -> BTreeSet<VersionId> {
    let mut ended = BTreeSet::new();
    for (bucket, retention) in retention {
        let rows = state.kept.0.iter().filter(|(key, row)| {
            key.1.bucket == *bucket
                && state.kept.is_ended(key, row, retention, now)
                && !names::is_needed(state, key.0)
                && !state.names.is_moving(key.0)
        });
        ended.extend(rows.map(|((id, _), _)| *id));
    }
    ended
}

pub(super) fn give_up(state: &mut LedgerState, versions: &BTreeSet<VersionId>) {
    for ((id, _), row) in &mut state.kept.0 {
        if versions.contains(id) {
            row.state = KeptState::Releasing;
        }
    }
}

/// Given up and not released.
pub(super) fn releasing_in<'a>(
    state: &LedgerState,
    buckets: impl Iterator<Item = &'a BucketName>,
) -> Vec<KeptVersion> {
    buckets
        .flat_map(|bucket| releasing(state, bucket))
        .collect()
}

fn releasing(state: &LedgerState, bucket: &BucketName) -> Vec<KeptVersion> {
    let rows = state
        .kept
        .0
        .iter()
        .filter(|((_, path), row)| path.bucket == *bucket && row.state == KeptState::Releasing);
    rows.filter_map(|((id, path), row)| described(state, *id, path, row))
        .collect()
}

fn described(
    state: &LedgerState,
    id: VersionId,
    path: &ObjectPath,
    row: &Row,
) -> Option<KeptVersion> {
    Some(KeptVersion {
        path: path.clone(),
        version: state.names.version(id)?.clone(),
        kept_at: row.kept_at,
    })
}
