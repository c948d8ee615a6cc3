//! Slots of expectations.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::{MISSED_KEY_BEGINS, NewAlert, Text, missed_slot};
use qm_core::expectation::{Slot, SlotState};
use qm_core::id::{ArrivalSeq, ExpectationName};
use qm_core::ports::ledger::{RecordedSlot, Slots};
use qm_core::{Error, Kind, Result};
use rusqlite::Connection;

use super::fault::Sql;
use super::statements::{Columns, Statements as _, micros, only};
use super::{SqliteLedger, alerts};

macro_rules! select_slots {
    ($rest:literal) => {
        concat!(
            "SELECT expectation, date, opens, due, cutoff, state, arrival, evaluated_at
             FROM slots ",
            $rest
        )
    };
}

pub(super) const MISSED: &str =
    select_slots!("WHERE expectation = ?1 AND date = ?2 AND state = 'missed'");
pub(super) const LAST: &str = select_slots!("ORDER BY cutoff DESC, number DESC LIMIT ?1");

fn until(connection: &Connection, expectation: &ExpectationName) -> Sql<Option<Timestamp>> {
    connection.first(
        "SELECT until FROM evaluations WHERE expectation = ?1",
        [expectation.as_str()],
        only::time,
    )
}

fn begin(connection: &Connection, expectation: &ExpectationName, now: Timestamp) -> Sql<Timestamp> {
    connection.run(
        "INSERT INTO evaluations (expectation, until) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        (expectation.as_str(), micros(now)),
    )?;
    Ok(until(connection, expectation)?.unwrap_or(now))
}

fn record(connection: &Connection, slot: &RecordedSlot, alert: Option<&NewAlert>) -> Sql<bool> {
    let added = connection.run(
        "INSERT INTO slots (expectation, date, opens, due, cutoff, state, arrival, evaluated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (expectation, date) DO NOTHING",
        (
            slot.expectation.as_str(),
            slot.slot.date.to_string(),
            micros(slot.slot.opens),
            micros(slot.slot.due),
            micros(slot.slot.cutoff),
            slot.state.as_str(),
            slot.arrival.map(|seq| seq.0),
            micros(slot.evaluated_at),
        ),
    )?;
    if added == 0 {
        return Ok(false);
    }
    connection.run(
        "INSERT INTO evaluations (expectation, until) VALUES (?1, ?2)
         ON CONFLICT (expectation) DO UPDATE SET until = max(until, excluded.until)",
        (slot.expectation.as_str(), micros(slot.slot.cutoff)),
    )?;
    if let Some(alert) = alert {
        alerts::raise(connection, alert)?;
    }
    Ok(true)
}

fn late(
    connection: &Connection,
    slot: &RecordedSlot,
    arrival: ArrivalSeq,
    alert_key: &str,
    text: &Text,
    at: Timestamp,
) -> Sql<()> {
    let key = (slot.expectation.as_str(), slot.slot.date.to_string());
    let state = connection.first(
        "SELECT state FROM slots WHERE expectation = ?1 AND date = ?2",
        (key.0, &key.1),
        |columns| columns.parsed(SlotState::parse),
    )?;
    match state {
        None => return Err(Error::new(Kind::NotFound, "no such slot").into()),
        Some(SlotState::Late) => return Ok(()),
        Some(SlotState::Met) => {
            return Err(Error::new(Kind::Conflict, "the slot was met in time").into());
        }
        Some(SlotState::Missed) => {}
    }
    connection.run(
        "UPDATE slots SET state = 'late', arrival = ?3 WHERE expectation = ?1 AND date = ?2",
        (key.0, &key.1, arrival.0),
    )?;
    alerts::resolve(connection, alert_key, Some(text), at)?;
    Ok(())
}

/// As many rows are read as alerts are firing, however many slots were ever missed.
fn missed(connection: &Connection) -> Sql<Vec<RecordedSlot>> {
    let mut slots = Vec::new();
    for key in alerts::firing(connection, MISSED_KEY_BEGINS)? {
        let Some((expectation, date)) = missed_slot(&key) else {
            continue;
        };
        let of = (expectation.as_str(), date.to_string());
        slots.extend(connection.first(MISSED, of, slot)?);
    }
    slots.sort_by_key(|slot| (slot.slot.cutoff, slot.expectation.clone()));
    Ok(slots)
}

fn retire(connection: &Connection, kept: &[ExpectationName], at: Timestamp) -> Sql<()> {
    let evaluated: Vec<String> =
        connection.all("SELECT expectation FROM evaluations", [], only::value)?;
    let is_kept = |name: &str| kept.iter().any(|kept| kept.as_str() == name);
    for name in evaluated.iter().filter(|name| !is_kept(name)) {
        connection.run("DELETE FROM evaluations WHERE expectation = ?1", [name])?;
    }
    for key in alerts::firing(connection, MISSED_KEY_BEGINS)? {
        if missed_slot(&key).is_some_and(|(name, _)| !is_kept(name.as_str())) {
            alerts::resolve(connection, &key, None, at)?;
        }
    }
    Ok(())
}

fn slot(columns: &mut Columns<'_>) -> Sql<RecordedSlot> {
    Ok(RecordedSlot {
        expectation: columns.parsed(ExpectationName::parse)?,
        slot: Slot {
            date: columns.parsed(str::parse)?,
            opens: columns.time()?,
            due: columns.time()?,
            cutoff: columns.time()?,
        },
        state: columns.parsed(SlotState::parse)?,
        arrival: columns.value::<Option<i64>>()?.map(ArrivalSeq),
        evaluated_at: columns.time()?,
    })
}

#[async_trait]
impl Slots for SqliteLedger {
    async fn evaluated_until(
        &self,
        expectation: &ExpectationName,
        now: Timestamp,
    ) -> Result<Timestamp> {
        let name = expectation.clone();
        let known = self
            .read("look up an expectation", move |c| until(c, &name))
            .await?;
        if let Some(until) = known {
            return Ok(until);
        }
        let name = expectation.clone();
        self.write("begin an expectation", move |c| begin(c, &name, now))
            .await
    }

    async fn record_slot(&self, slot: RecordedSlot, alert: Option<NewAlert>) -> Result<bool> {
        self.write("record a slot", move |c| record(c, &slot, alert.as_ref()))
            .await
    }

    async fn missed(&self) -> Result<Vec<RecordedSlot>> {
        self.read("list missed slots", missed).await
    }

    async fn late(
        &self,
        slot: &RecordedSlot,
        arrival: ArrivalSeq,
        alert_key: &str,
        text: Text,
        at: Timestamp,
    ) -> Result<()> {
        let (slot, alert_key) = (slot.clone(), alert_key.to_owned());
        self.write("record a late arrival", move |c| {
            late(c, &slot, arrival, &alert_key, &text, at)
        })
        .await
    }

    async fn retire(&self, kept: &[ExpectationName], at: Timestamp) -> Result<()> {
        let kept = kept.to_vec();
        self.write("retire expectations", move |c| retire(c, &kept, at))
            .await
    }

    async fn slots(&self, limit: u32) -> Result<Vec<RecordedSlot>> {
        self.read("list slots", move |c| c.all(LAST, [limit], slot))
            .await
    }
}
