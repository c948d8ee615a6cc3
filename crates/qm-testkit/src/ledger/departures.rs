//! Departures: operations that routes have not looked at yet, and what follows of them.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::dead_letter_key;
use qm_core::audit::AuditRecord;
use qm_core::delivery::{Delivery, DeliveryState, Effect};
use qm_core::departure::{Departure, Following};
use qm_core::id::{DeliveryId, OperationSeq, RevisionNumber, VersionId};
use qm_core::name::ObjectPath;
use qm_core::operation::{Change, Operation};
use qm_core::ports::ledger::Departures;
use qm_core::{Error, Kind, Result};

use super::deliveries::Row;
use super::names::{self, OperationState};
use super::overtaking::{self, is_same_target};
use super::{LedgerState, MemoryLedger, next_number};

/// As many as another ledger gives.
const COPIES_MAX: usize = 8;

fn departures(state: &LedgerState, limit: u32) -> Vec<Departure> {
    let rows = state.names.operations.iter();
    rows.filter(|row| row.departs && row.state == OperationState::Completed)
        .filter_map(|row| {
            let version = row.operation.version.as_ref()?.id;
            let path = row.operation.path.clone();
            let to = row.arrival.and_then(|seq| state.arrivals.at(seq));
            (!state.arrivals.is_unrouted(version)).then(|| Departure {
                operation: row.operation.seq,
                version,
                to: to.cloned(),
                copies: copies_of(state, &path, version),
                path,
            })
        })
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
        .collect()
}

/// Of each place where the version was put from this name the newest delivery from it, up to when the
/// version arrived there: one that was brought back arrived after those that it replaced.
fn copies_of(state: &LedgerState, path: &ObjectPath, version: VersionId) -> Vec<Delivery> {
    let puts = state.deliveries.rows.iter().map(|row| &row.delivery);
    let puts: Vec<&Delivery> = puts
        .filter(|put| put.effect == Effect::Put && put.source == *path)
        .collect();
    let of_version = puts.iter().filter(|put| put.version.id == version);
    let came = of_version.map(|put| put.arrival).max();
    let Some(came) = came.max(state.arrivals.restored(path, version)) else {
        return Vec::new();
    };
    let puts: Vec<&Delivery> = puts.into_iter().filter(|put| put.arrival <= came).collect();
    let newest = puts.iter().enumerate().filter(|(at, put)| {
        let is_same = |other: &&Delivery| is_same_target(put, other) && other.route == put.route;
        !puts.iter().skip(at + 1).any(&is_same)
            && puts
                .iter()
                .any(|other| is_same(other) && other.version.id == version)
    });
    newest.map(|(_, put)| (*put).clone()).collect()
}

fn depart(
    state: &mut LedgerState,
    departure: &Departure,
    following: Vec<Following>,
    revision: RevisionNumber,
    at: Timestamp,
) -> Result<u32> {
    let mut rows = state.names.operations.iter_mut();
    let row = rows.find(|row| row.operation.seq == departure.operation && row.departs);
    let Some(row) = row else {
        return Ok(0);
    };
    row.departs = false;
    let cause = format!("operation {}", departure.operation.0);
    let mut created = 0;
    for one in following {
        created += match (one, &departure.to) {
            (Following::Remove(copy), _) => remove(state, copy, &cause, revision, at),
            (Following::Rename { new, replaces }, Some(to)) => {
                let id = new.id;
                let count = state.deliveries.insert(to, new, replaces, revision, at);
                let new = state.deliveries.find(id).filter(|row| !row.adds);
                if let Some(new) = new.map(|row| row.delivery.clone()) {
                    overtaking::overtake(state, &new, at);
                }
                count
            }
            (Following::Rename { .. }, None) => {
                return Err(Error::new(Kind::Bug, "a removed object has no other name"));
            }
        };
    }
    Ok(created)
}

/// What the delivery put somewhere is to be taken away; if it is open, it is given up.
pub(super) fn remove(
    state: &mut LedgerState,
    copy: DeliveryId,
    cause: &str,
    revision: RevisionNumber,
    at: Timestamp,
) -> u32 {
    let removal = copy.removal(cause);
    let Ok(row) = state.deliveries.find_mut(copy) else {
        return 0;
    };
    let put = &mut row.delivery;
    if put.effect != Effect::Put {
        return 0;
    }
    if matches!(
        put.state,
        DeliveryState::Waiting { .. } | DeliveryState::Dead
    ) {
        put.state = DeliveryState::Superseded;
        put.updated_at = at;
    }
    let put = put.clone();
    if put.state == DeliveryState::Superseded {
        state.alerts.resolve(&dead_letter_key(&put), None, at);
    }
    if state.deliveries.find(removal).is_some() {
        return 0;
    }
    let is_old = overtaking::is_old(&state.deliveries, &put);
    let delivery = Delivery {
        id: removal,
        effect: Effect::Remove { of: copy },
        state: if is_old {
            DeliveryState::Superseded
        } else {
            DeliveryState::Waiting { ready_at: at }
        },
        attempts: 0,
        possible_duplicate: false,
        fence: 0,
        last_error: None,
        revision,
        created_at: at,
        updated_at: at,
        ..put
    };
    state.deliveries.rows.push(Row {
        delivery,
        run: None,
        is_independent: false,
        adds: false,
        has_after: false,
        finished: None,
        replaces: None,
    });
    1
}

/// What may be under the target of a removal.
pub(super) fn copies(state: &LedgerState, removal: &Delivery) -> Vec<Delivery> {
    let rows = state.deliveries.rows.iter().map(|row| &row.delivery);
    let mut copies: Vec<Delivery> = rows
        .filter(|put| {
            put.effect == Effect::Put
                && is_same_target(put, removal)
                && put.source == removal.source
                && put.arrival <= removal.arrival
                && (put.state == DeliveryState::Delivered || put.fence > 0)
        })
        .cloned()
        .collect();
    copies.sort_by_key(|put| put.arrival);
    copies.reverse();
    copies.truncate(COPIES_MAX);
    copies
}

fn vanished(
    state: &mut LedgerState,
    path: &ObjectPath,
    version: VersionId,
    audit: AuditRecord,
    run: super::nodes::Run,
) -> bool {
    if state.names.shown(path) != Some(version) || state.names.is_pending(path) {
        return false;
    }
    let operation = Operation {
        seq: OperationSeq(next_number(state.names.operations.len())),
        path: path.clone(),
        change: Change::Remove,
        version: state.names.version(version).cloned(),
        replaces: Some(version),
        keep_aside: false,
        keep_moved: false,
        is_hidden: false,
    };
    state.names.operations.push(names::Row {
        operation,
        run,
        arrival: None,
        at: audit.at,
        state: OperationState::Completed,
        departs: true,
    });
    state.names.clear(path);
    state.name_attributes.forget(path);
    state.audit.append(audit);
    true
}

#[async_trait]
impl Departures for MemoryLedger {
    async fn departures(&self, limit: u32) -> Result<Vec<Departure>> {
        Ok(self.read(|state| departures(state, limit)))
    }

    async fn depart(
        &self,
        departure: &Departure,
        following: Vec<Following>,
        revision: RevisionNumber,
        at: Timestamp,
    ) -> Result<u32> {
        self.write(|state| depart(state, departure, following, revision, at))
    }

    async fn vanished(
        &self,
        path: &ObjectPath,
        version: VersionId,
        audit: AuditRecord,
    ) -> Result<bool> {
        let run = self.run();
        self.write_if(
            |state| Ok(vanished(state, path, version, audit, run)),
            |has_vanished| *has_vanished,
        )
    }
}
