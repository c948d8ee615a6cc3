//! Slots of expectations.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::{MISSED_KEY_BEGINS, NewAlert, Text, missed_slot};
use qm_core::expectation::{Slot, SlotState};
use qm_core::id::{ArrivalSeq, ExpectationName};
use qm_core::ports::ledger::{RecordedSlot, Slots};
use qm_core::{Error, Kind, Result};

use super::connection::Connection;
use super::fault::Sql;
use super::statements::{Columns, micros, only};
use super::{PostgresLedger, alerts};

macro_rules! select_slots {
    ($rest:literal) => {
        concat!(
            "SELECT expectation, date, opens, due, cutoff, state, arrival, evaluated_at
             FROM slots ",
            $rest
        )
    };
}

const MISSED: &str = select_slots!("WHERE expectation = $1 AND date = $2 AND state = 'missed'");
const LAST: &str = select_slots!("ORDER BY cutoff DESC, number DESC LIMIT $1");

async fn until(connection: &Connection, expectation: &str) -> Sql<Option<Timestamp>> {
    connection
        .first(
            "SELECT until FROM evaluations WHERE expectation = $1",
            &[&expectation],
            only::time,
        )
        .await
}

async fn begin(connection: &Connection, expectation: &str, now: Timestamp) -> Sql<Timestamp> {
    connection
        .run(
            "INSERT INTO evaluations (expectation, until) VALUES ($1, $2)
             ON CONFLICT (expectation) DO NOTHING",
            &[&expectation, &micros(now)],
        )
        .await?;
    Ok(until(connection, expectation).await?.unwrap_or(now))
}

async fn record(
    connection: &Connection,
    slot: &RecordedSlot,
    alert: Option<&NewAlert>,
) -> Sql<bool> {
    let added = connection
        .run(
            "INSERT INTO slots (expectation, date, opens, due, cutoff, state, arrival, evaluated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (expectation, date) DO NOTHING",
            &[
                &slot.expectation.as_str(),
                &slot.slot.date.to_string(),
                &micros(slot.slot.opens),
                &micros(slot.slot.due),
                &micros(slot.slot.cutoff),
                &slot.state.as_str(),
                &slot.arrival.map(|seq| seq.0),
                &micros(slot.evaluated_at),
            ],
        )
        .await?;
    if added == 0 {
        return Ok(false);
    }
    connection
        .run(
            "INSERT INTO evaluations (expectation, until) VALUES ($1, $2)
             ON CONFLICT (expectation) DO UPDATE
                 SET until = greatest(evaluations.until, excluded.until)",
            &[&slot.expectation.as_str(), &micros(slot.slot.cutoff)],
        )
        .await?;
    if let Some(alert) = alert {
        alerts::raise(connection, alert).await?;
    }
    Ok(true)
}

/// A file that came late for a slot.
struct Late {
    slot: RecordedSlot,
    arrival: ArrivalSeq,
    alert_key: String,
    text: Text,
    at: Timestamp,
}

async fn late(connection: &Connection, late: &Late) -> Sql<()> {
    let (expectation, date) = (
        late.slot.expectation.as_str(),
        late.slot.slot.date.to_string(),
    );
    // Locked, so that two nodes that see the file tell of it once.
    let state = connection
        .first(
            "SELECT state FROM slots WHERE expectation = $1 AND date = $2 FOR UPDATE",
            &[&expectation, &date],
            |columns| columns.parsed(SlotState::parse),
        )
        .await?;
    match state {
        None => return Err(Error::new(Kind::NotFound, "no such slot").into()),
        Some(SlotState::Late) => return Ok(()),
        Some(SlotState::Met) => {
            return Err(Error::new(Kind::Conflict, "the slot was met in time").into());
        }
        Some(SlotState::Missed) => {}
    }
    connection
        .run(
            "UPDATE slots SET state = 'late', arrival = $3 WHERE expectation = $1 AND date = $2",
            &[&expectation, &date, &late.arrival.0],
        )
        .await?;
    alerts::resolve(connection, &late.alert_key, Some(&late.text), late.at).await?;
    Ok(())
}

/// As many rows are read as alerts are firing, however many slots were ever missed.
async fn missed(connection: &Connection) -> Sql<Vec<RecordedSlot>> {
    let mut slots = Vec::new();
    for key in alerts::firing(connection, MISSED_KEY_BEGINS).await? {
        let Some((expectation, date)) = missed_slot(&key) else {
            continue;
        };
        let found = connection
            .first(MISSED, &[&expectation.as_str(), &date.to_string()], slot)
            .await?;
        slots.extend(found);
    }
    slots.sort_by_key(|slot| (slot.slot.cutoff, slot.expectation.clone()));
    Ok(slots)
}

async fn retire(connection: &Connection, kept: &[ExpectationName], at: Timestamp) -> Sql<()> {
    let names: Vec<&str> = kept.iter().map(ExpectationName::as_str).collect();
    connection
        .run(
            "DELETE FROM evaluations WHERE expectation <> ALL ($1)",
            &[&names],
        )
        .await?;
    for key in alerts::firing(connection, MISSED_KEY_BEGINS).await? {
        if missed_slot(&key).is_some_and(|(name, _)| !kept.contains(&name)) {
            alerts::resolve(connection, &key, None, at).await?;
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
impl Slots for PostgresLedger {
    async fn evaluated_until(
        &self,
        expectation: &ExpectationName,
        now: Timestamp,
    ) -> Result<Timestamp> {
        let name = expectation.as_str();
        let known = self
            .read("look up an expectation", name, |c, name| {
                Box::pin(async move { until(c, name).await })
            })
            .await?;
        if let Some(until) = known {
            return Ok(until);
        }
        let data = (name.to_owned(), now);
        self.write("begin an expectation", data, |c, (name, now)| {
            Box::pin(begin(c, name, *now))
        })
        .await
    }

    async fn record_slot(&self, slot: RecordedSlot, alert: Option<NewAlert>) -> Result<bool> {
        self.write("record a slot", (slot, alert), |c, (slot, alert)| {
            Box::pin(record(c, slot, alert.as_ref()))
        })
        .await
    }

    async fn missed(&self) -> Result<Vec<RecordedSlot>> {
        self.read("list missed slots", (), |c, ()| Box::pin(missed(c)))
            .await
    }

    async fn late(
        &self,
        slot: &RecordedSlot,
        arrival: ArrivalSeq,
        alert_key: &str,
        text: Text,
        at: Timestamp,
    ) -> Result<()> {
        let data = Late {
            slot: slot.clone(),
            arrival,
            alert_key: alert_key.to_owned(),
            text,
            at,
        };
        self.write("record a late arrival", data, |c, data| {
            Box::pin(late(c, data))
        })
        .await
    }

    async fn retire(&self, kept: &[ExpectationName], at: Timestamp) -> Result<()> {
        let data = (kept.to_vec(), at);
        self.write("retire expectations", data, |c, (kept, at)| {
            Box::pin(retire(c, kept, *at))
        })
        .await
    }

    async fn slots(&self, limit: u32) -> Result<Vec<RecordedSlot>> {
        self.read("list slots", i64::from(limit), |c, limit| {
            Box::pin(async move { c.all(LAST, &[limit], slot).await })
        })
        .await
    }
}
