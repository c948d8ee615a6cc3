//! Alerts and the messages about them.

use async_trait::async_trait;
use jiff::Timestamp;
use qm_core::alert::{Alert, AlertState, NewAlert, Notice, Notification, NotificationState, Text};
use qm_core::id::NotifierName;
use qm_core::ports::ledger::Alerts;
use qm_core::{Error, Kind, Result};
use std::collections::BTreeSet;
use std::time::Duration;

use super::{MemoryLedger, newest, next_number};

/// The alert of messages that belong to none; numbers begin with 1.
const NO_ALERT: i64 = 0;

#[derive(Clone, Default)]
pub(super) struct State {
    alerts: Vec<Alert>,
    messages: Vec<Message>,
}

#[derive(Clone)]
struct Message {
    alert: i64,
    notification: Notification,
    /// By the ledger's clock.
    held_until: Option<Timestamp>,
}

impl Message {
    fn is_due(&self, now: Times) -> bool {
        self.notification.state == NotificationState::Waiting
            && self.notification.ready_at <= now.of_node
            && self.held_until.is_none_or(|until| until <= now.of_ledger)
    }
}

/// Now, by two clocks.
#[derive(Clone, Copy)]
struct Times {
    of_node: Timestamp,
    of_ledger: Timestamp,
}

impl State {
    pub(super) fn raise(&mut self, alert: NewAlert) -> bool {
        if self.firing(&alert.key).is_some() {
            return false;
        }
        let id = next_number(self.alerts.len());
        self.alerts.push(Alert {
            id,
            key: alert.key.clone(),
            state: AlertState::Firing,
            text: alert.text.clone(),
            raised_at: alert.at,
            resolved_at: None,
        });
        let mut told = BTreeSet::new();
        for notifier in alert.notifiers {
            if told.insert(notifier.clone()) {
                self.tell(id, &alert.key, notifier, &alert.text, alert.at);
            }
        }
        true
    }

    pub(super) fn resolve(&mut self, key: &str, text: Option<&Text>, at: Timestamp) -> bool {
        let Some(alert) = self.firing(key) else {
            return false;
        };
        alert.state = AlertState::Resolved;
        alert.resolved_at = Some(at);
        let id = alert.id;
        if let Some(text) = text {
            let messages = self.messages.iter().filter(|message| message.alert == id);
            let told: Vec<NotifierName> = messages
                .map(|message| message.notification.notifier.clone())
                .collect();
            for notifier in told {
                self.tell(id, key, notifier, text, at);
            }
        }
        true
    }

    /// Messages that belong to no alert.
    pub(super) fn notice(&mut self, notice: &Notice, at: Timestamp) {
        let told: BTreeSet<_> = notice.notifiers.iter().cloned().collect();
        for notifier in told {
            self.tell(NO_ALERT, &notice.key, notifier, &notice.text, at);
        }
    }

    /// Keys of the alerts that are firing.
    pub(super) fn firing_keys(&self) -> impl Iterator<Item = &str> {
        let firing = self.alerts.iter().filter(|a| a.state == AlertState::Firing);
        firing.map(|alert| alert.key.as_str())
    }

    fn firing(&mut self, key: &str) -> Option<&mut Alert> {
        self.alerts
            .iter_mut()
            .find(|alert| alert.key == key && alert.state == AlertState::Firing)
    }

    fn tell(&mut self, alert: i64, key: &str, notifier: NotifierName, text: &Text, at: Timestamp) {
        let id = next_number(self.messages.len());
        self.messages.push(Message {
            alert,
            notification: Notification {
                id,
                alert_key: key.to_owned(),
                notifier,
                text: text.clone(),
                state: NotificationState::Waiting,
                attempts: 0,
                ready_at: at,
                last_error: None,
            },
            held_until: None,
        });
    }

    fn waiting(&self) -> impl Iterator<Item = &Notification> {
        self.messages
            .iter()
            .map(|message| &message.notification)
            .filter(|notification| notification.state == NotificationState::Waiting)
    }

    /// Those whose time has come and that nobody holds; it comes again after `hold`.
    fn hold(&mut self, now: Times, hold: Duration, limit: usize) -> Vec<Notification> {
        let after = |at: Timestamp| at.saturating_add(hold).unwrap_or(Timestamp::MAX);
        let messages = self.messages.iter_mut();
        let due = messages.filter(|message| message.is_due(now)).take(limit);
        due.map(|message| {
            message.notification.ready_at = after(now.of_node);
            message.held_until = Some(after(now.of_ledger));
            message.notification.clone()
        })
        .collect()
    }

    fn notified(
        &mut self,
        id: i64,
        error: Option<String>,
        retry_at: Option<Timestamp>,
    ) -> Result<()> {
        let mut messages = self.messages.iter_mut();
        let message = messages
            .find(|message| message.notification.id == id)
            .ok_or_else(|| Error::new(Kind::NotFound, "no such message").with("message", id))?;
        let notification = &mut message.notification;
        if notification.state != NotificationState::Waiting {
            return Err(
                Error::new(Kind::Conflict, "the message is not waiting").with("message", id)
            );
        }
        match (&error, retry_at) {
            (None, Some(_)) => {
                return Err(Error::new(
                    Kind::Bug,
                    "a message that was sent is not tried again",
                ));
            }
            (None, None) => notification.state = NotificationState::Sent,
            (Some(_), None) => notification.state = NotificationState::Dead,
            (Some(_), Some(retry_at)) => notification.ready_at = retry_at,
        }
        message.held_until = None;
        notification.attempts += 1;
        notification.last_error = error;
        Ok(())
    }
}

#[async_trait]
impl Alerts for MemoryLedger {
    async fn raise(&self, alert: NewAlert) -> Result<bool> {
        self.write_if(|state| Ok(state.alerts.raise(alert)), |raised| *raised)
    }

    async fn resolve(&self, key: &str, text: Option<Text>, at: Timestamp) -> Result<bool> {
        self.write_if(
            |state| Ok(state.alerts.resolve(key, text.as_ref(), at)),
            |resolved| *resolved,
        )
    }

    async fn firing(&self, begins: &str) -> Result<Vec<String>> {
        Ok(self.read(|state| {
            let firing = state.alerts.firing_keys();
            let mut keys: Vec<String> = firing
                .filter(|key| key.starts_with(begins))
                .map(str::to_owned)
                .collect();
            keys.sort();
            keys
        }))
    }

    async fn due_notifications(
        &self,
        now: Timestamp,
        hold: Duration,
        limit: u32,
    ) -> Result<Vec<Notification>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let now = Times {
            of_node: now,
            of_ledger: self.shared.now_or(now),
        };
        if !self.read(|state| state.alerts.messages.iter().any(|one| one.is_due(now))) {
            return Ok(Vec::new());
        }
        self.write_if(|state| Ok(state.alerts.hold(now, hold, limit)), |_| false)
    }

    async fn next_notification(&self) -> Result<Option<Timestamp>> {
        Ok(self.read(|state| state.alerts.waiting().map(|n| n.ready_at).min()))
    }

    async fn notified(
        &self,
        id: i64,
        error: Option<String>,
        retry_at: Option<Timestamp>,
        _at: Timestamp,
    ) -> Result<()> {
        self.write(|state| state.alerts.notified(id, error, retry_at))
    }

    async fn resend(&self, at: Timestamp) -> Result<u32> {
        self.write(|state| {
            let mut count = 0;
            for message in &mut state.alerts.messages {
                let notification = &mut message.notification;
                if notification.state == NotificationState::Dead {
                    notification.state = NotificationState::Waiting;
                    notification.attempts = 0;
                    notification.ready_at = at;
                    count += 1;
                }
            }
            Ok(count)
        })
    }

    async fn alerts(&self, limit: u32) -> Result<Vec<Alert>> {
        Ok(self.read(|state| newest(&state.alerts.alerts, limit)))
    }

    async fn notifications(&self, limit: u32) -> Result<Vec<Notification>> {
        Ok(self.read(|state| {
            let messages = newest(&state.alerts.messages, limit);
            messages.into_iter().map(|m| m.notification).collect()
        }))
    }
}
