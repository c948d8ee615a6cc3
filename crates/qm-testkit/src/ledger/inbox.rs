//! Raw events.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::{NewAlert, Notice, dead_event_key};
use qm_core::audit::AuditRecord;
use qm_core::ports::ledger::{EventState, Inbox, InboxRow, RawEvent};
use qm_core::{Error, Kind, Result};
use std::collections::BTreeMap;

use super::{MemoryLedger, newest};

#[derive(Clone, Default)]
pub(super) struct State {
    rows: Vec<InboxRow>,
    /// When those changed that were read.
    changed: BTreeMap<i64, Timestamp>,
    /// The number of the last one; never given twice.
    last: i64,
}

impl State {
    fn receive(&mut self, events: Vec<RawEvent>) -> Result<u32> {
        let too_long = |event: &RawEvent| event.body.len() > RawEvent::BODY_BYTES_MAX;
        if events.iter().any(too_long) {
            return Err(Error::new(
                Kind::Limit,
                "the message is too long to be recorded",
            ));
        }
        let mut added = 0;
        for event in events {
            let is_same =
                |row: &InboxRow| (&row.event.bucket, &row.event.id) == (&event.bucket, &event.id);
            if self.rows.iter().any(is_same) {
                continue;
            }
            added += 1;
            self.last += 1;
            self.rows.push(InboxRow {
                id: self.last,
                state: EventState::Waiting(event.received_at),
                event,
                attempts: 0,
                last_error: None,
            });
        }
        Ok(added)
    }

    fn waiting(&self) -> Vec<(Timestamp, &InboxRow)> {
        let mut waiting = Vec::new();
        for row in &self.rows {
            if let EventState::Waiting(at) = row.state {
                waiting.push((at, row));
            }
        }
        waiting.sort_by_key(|(at, row)| (*at, row.id));
        waiting
    }

    fn read(
        &mut self,
        id: i64,
        state: EventState,
        error: Option<String>,
        at: Timestamp,
    ) -> Result<()> {
        let row = self
            .rows
            .iter_mut()
            .find(|row| row.id == id)
            .ok_or_else(|| Error::new(Kind::NotFound, "no such event").with("event", id))?;
        match row.state {
            EventState::Waiting(_) => {}
            EventState::Done(_) | EventState::Dead(_) => {
                return Err(
                    Error::new(Kind::Conflict, "the event is not waiting").with("event", id)
                );
            }
        }
        row.state = state;
        row.attempts += 1;
        row.last_error = error;
        self.changed.insert(id, at);
        Ok(())
    }

    /// The ids of those that are not dead any more.
    fn purge(&mut self, before: Timestamp, at: Timestamp) -> Vec<i64> {
        let mut purged = Vec::new();
        for row in &mut self.rows {
            let is_old = self.changed.get(&row.id).is_some_and(|at| *at < before);
            if let EventState::Dead(note) = &row.state
                && is_old
            {
                row.state = EventState::Done(format!("purged: {note}"));
                purged.push(row.id);
            }
        }
        self.changed.extend(purged.iter().map(|id| (*id, at)));
        purged
    }

    fn redrive(&mut self, id: Option<i64>, at: Timestamp) -> u32 {
        let mut count = 0;
        for row in &mut self.rows {
            if is_dead(row) && id.is_none_or(|id| id == row.id) {
                row.state = EventState::Waiting(at);
                row.attempts = 0;
                count += 1;
            }
        }
        count
    }

    fn forget(&mut self, before: Timestamp, limit: u32) -> u32 {
        let mut count = 0;
        self.rows.retain(|row| {
            let is_done = matches!(row.state, EventState::Done(_));
            let goes = is_done && row.event.received_at < before && count < limit;
            count += u32::from(goes);
            !goes
        });
        count
    }
}

fn is_dead(row: &InboxRow) -> bool {
    matches!(row.state, EventState::Dead(_))
}

#[async_trait]
impl Inbox for MemoryLedger {
    async fn receive(&self, events: Vec<RawEvent>) -> Result<u32> {
        self.write_if(|state| state.inbox.receive(events), |added| *added > 0)
    }

    async fn due_events(&self, now: Timestamp, limit: u32) -> Result<Vec<InboxRow>> {
        Ok(self.read(|state| {
            let waiting = state.inbox.waiting().into_iter();
            let due = waiting.take_while(|(at, _)| *at <= now);
            due.take(usize::try_from(limit).unwrap_or(usize::MAX))
                .map(|(_, row)| row.clone())
                .collect()
        }))
    }

    async fn next_event(&self) -> Result<Option<Timestamp>> {
        Ok(self.read(|state| state.inbox.waiting().first().map(|(at, _)| *at)))
    }

    async fn event_read(
        &self,
        id: i64,
        state: EventState,
        error: Option<String>,
        alert: Option<NewAlert>,
        at: Timestamp,
    ) -> Result<()> {
        self.write(|ledger| {
            ledger.inbox.read(id, state, error, at)?;
            if let Some(alert) = alert {
                ledger.alerts.raise(alert);
            }
            Ok(())
        })
    }

    async fn events(&self, limit: u32, only_dead: Option<bool>) -> Result<Vec<InboxRow>> {
        Ok(self.read(|state| {
            let rows = state.inbox.rows.iter();
            let wanted = rows.filter(|row| only_dead.is_none_or(|dead| dead == is_dead(row)));
            newest(&wanted.cloned().collect::<Vec<_>>(), limit)
        }))
    }

    async fn redrive_events(
        &self,
        id: Option<i64>,
        audit: AuditRecord,
        at: Timestamp,
    ) -> Result<u32> {
        self.write(|state| {
            let count = state.inbox.redrive(id, at);
            state.audit.append(audit);
            Ok(count)
        })
    }

    async fn purge_events(
        &self,
        before: Timestamp,
        audit: AuditRecord,
        notice: Option<Notice>,
        at: Timestamp,
    ) -> Result<u32> {
        self.write_if(
            |state| {
                let purged = state.inbox.purge(before, at);
                for id in &purged {
                    state.alerts.resolve(&dead_event_key(*id), None, at);
                    state.audit.append(AuditRecord {
                        subject: format!("event {id}"),
                        ..audit.clone()
                    });
                }
                if let Some(notice) = notice.filter(|_| !purged.is_empty()) {
                    state.alerts.notice(&notice, at);
                }
                Ok(u32::try_from(purged.len()).unwrap_or(u32::MAX))
            },
            |purged| *purged > 0,
        )
    }

    async fn forget_events(&self, before: Timestamp, limit: u32) -> Result<u32> {
        self.write_if(
            |state| Ok(state.inbox.forget(before, limit)),
            |forgotten| *forgotten > 0,
        )
    }
}
