//! Loads: what became of the rows of files that went into tables.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::audit::AuditRecord;
use qm_core::delivery::Delivery;
use qm_core::id::DeliveryId;
use qm_core::load::Load;
use qm_core::name::ObjectPath;
use qm_core::ports::ledger::{LoadFilter, LoadProgress, LoadState, Loads, RecordedLoad};
use qm_core::{Error, Kind, Result};
use std::collections::BTreeMap;
use std::time::Duration;

use super::{LedgerState, MemoryLedger, attempts};

#[derive(Clone, Default)]
pub(super) struct State {
    rows: BTreeMap<DeliveryId, Row>,
}

#[derive(Clone)]
pub(super) struct Row {
    pub(super) delivery: Delivery,
    pub(super) so_far: LoadProgress,
    rejects: Option<ObjectPath>,
    began_at: Timestamp,
    told_at: Timestamp,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) took: Option<Duration>,
    undone_at: Option<Timestamp>,
}

impl State {
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }
}

fn record<'a>(
    state: &'a mut LedgerState,
    delivery: &Delivery,
    so_far: LoadProgress,
    at: Timestamp,
) -> &'a mut Row {
    let attempts = state.deliveries.attempts.get(&delivery.id);
    let last = attempts.and_then(|attempts| attempts.last());
    let row = Row {
        delivery: delivery.clone(),
        so_far: so_far.clone(),
        rejects: None,
        began_at: last.map_or(at, |attempt| attempt.began_at),
        told_at: at,
        ended_at: None,
        took: None,
        undone_at: None,
    };
    let row = state.loads.rows.entry(delivery.id).or_insert(row);
    row.so_far = so_far;
    row.told_at = at;
    row
}

pub(super) fn end(
    state: &mut LedgerState,
    delivery: &Delivery,
    load: &Load,
    took: Option<Duration>,
    at: Timestamp,
) {
    let so_far = LoadProgress {
        engine: load.engine.to_owned(),
        table: load.table.clone(),
        counts: load.counts,
    };
    let row = record(state, delivery, so_far, at);
    row.rejects.clone_from(&load.rejects);
    row.ended_at = Some(at);
    row.took = took;
}

fn list(state: &LedgerState, filter: &LoadFilter) -> Vec<RecordedLoad> {
    let limit = match filter.limit {
        0 => usize::MAX,
        limit => usize::try_from(limit).unwrap_or(usize::MAX),
    };
    let newest_first = state.deliveries.rows.iter().rev();
    newest_first
        .filter_map(|row| Some((&row.delivery, state.loads.rows.get(&row.delivery.id)?)))
        .filter(|(delivery, _)| {
            filter.delivery.is_none_or(|id| id == delivery.id)
                && filter
                    .destination
                    .as_ref()
                    .is_none_or(|to| *to == delivery.destination)
        })
        .take(limit)
        .map(|(delivery, row)| RecordedLoad {
            delivery: delivery.id,
            source: delivery.source.clone(),
            route: delivery.route.clone(),
            destination: delivery.destination.clone(),
            engine: row.so_far.engine.clone(),
            table: row.so_far.table.clone(),
            state: LoadState::of(
                &delivery.state,
                row.so_far.counts,
                row.ended_at.is_some(),
                row.undone_at.is_some(),
            ),
            counts: row.so_far.counts,
            rejects: row.rejects.clone(),
            began_at: row.began_at,
            told_at: row.told_at,
            ended_at: row.ended_at,
        })
        .collect()
}

fn undone(
    state: &mut LedgerState,
    delivery: DeliveryId,
    audit: AuditRecord,
    at: Timestamp,
) -> Result<bool> {
    let row = state.loads.rows.get_mut(&delivery);
    let row =
        row.ok_or_else(|| Error::new(Kind::NotFound, "no such load").with("delivery", delivery))?;
    if row.ended_at.is_none() || row.undone_at.is_some() {
        return Ok(false);
    }
    row.undone_at = Some(at);
    state.audit.append(audit);
    Ok(true)
}

#[async_trait]
impl Loads for MemoryLedger {
    async fn load_progress(
        &self,
        delivery: &Delivery,
        progress: LoadProgress,
        at: Timestamp,
    ) -> Result<()> {
        let (run, now) = (self.run(), self.shared.now());
        self.write_if(
            |state| {
                attempts::check(state, delivery, &run, now)?;
                record(state, delivery, progress, at);
                Ok(())
            },
            |()| false,
        )
    }

    async fn loads(&self, filter: LoadFilter) -> Result<Vec<RecordedLoad>> {
        Ok(self.read(|state| list(state, &filter)))
    }

    async fn load_undone(
        &self,
        delivery: DeliveryId,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<bool> {
        self.write_if(|state| undone(state, delivery, audit, at), |undone| *undone)
    }
}
