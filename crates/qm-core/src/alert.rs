//! Alerts: what somebody must be told, and the default texts.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::arrival::Partial;
use crate::delivery::{Delivery, Effect};
use crate::expectation::{Expectation, Slot};
use crate::id::{AccountName, ExpectationName, NotifierName};

/// A message with its subject.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Text {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

/// An alert to be raised; `key` makes it one alert however often it is found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewAlert {
    /// What it is about, the same whenever the same thing is found.
    pub key: String,
    /// What is said.
    pub text: Text,
    /// To whom.
    pub notifiers: Vec<NotifierName>,
    /// When.
    pub at: Timestamp,
}

/// What is told once and is no alert: nothing about it will be over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notice {
    /// What it is about; stands where an alert's key does.
    pub key: String,
    /// What is said.
    pub text: Text,
    /// To whom.
    pub notifiers: Vec<NotifierName>,
}

/// Whether it is still so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AlertState {
    /// It is.
    Firing,
    /// It is over.
    Resolved,
}

impl AlertState {
    /// The word in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// An alert as the ledger holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alert {
    /// Row number.
    pub id: i64,
    /// See [`NewAlert::key`].
    pub key: String,
    /// Whether it is still so.
    pub state: AlertState,
    /// What was said when it was raised.
    pub text: Text,
    /// When it was raised.
    pub raised_at: Timestamp,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
}

/// Where a notification stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotificationState {
    /// To be sent.
    Waiting,
    /// The notifier took it.
    Sent,
    /// Out of attempts or refused.
    Dead,
}

impl NotificationState {
    /// The word in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Dead => "dead",
        }
    }

    /// From the ledger's word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Sent, Self::Dead]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// One message of an alert, or a notice, to one notifier.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notification {
    /// Row number; also the message's deterministic id.
    pub id: i64,
    /// The alert's key, or the notice's.
    pub alert_key: String,
    /// To whom.
    pub notifier: NotifierName,
    /// What.
    pub text: Text,
    /// Where it stands.
    pub state: NotificationState,
    /// Attempts made.
    pub attempts: u32,
    /// Not before.
    pub ready_at: Timestamp,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
}

/// What is known about a missed slot's folder, which decides between the two texts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Folder {
    /// Nothing at all is in it.
    Empty,
    /// Files are in it, none of them counts for the slot.
    WithoutNew,
}

/// What every key of a missed slot's alert begins with.
pub const MISSED_KEY_BEGINS: &str = "expectation:";

/// The key of a missed slot's alert.
pub fn missed_key(expectation: &ExpectationName, date: Date) -> String {
    format!("{MISSED_KEY_BEGINS}{expectation}:{date}")
}

/// The expectation and the date that [`missed_key`] made the key of; `None` if it did not.
pub fn missed_slot(key: &str) -> Option<(ExpectationName, Date)> {
    let (name, date) = key.strip_prefix(MISSED_KEY_BEGINS)?.rsplit_once(':')?;
    Some((ExpectationName::parse(name).ok()?, date.parse().ok()?))
}

/// The message for a missed slot. `folder` is the folder within the bucket, `user` the account.
pub fn missed(what: Folder, folder: &str, user: &str, slot: &Slot) -> Text {
    match what {
        Folder::Empty => Text {
            subject: "Not uploaded any files".to_owned(),
            body: format!("Client not uploaded any files to {folder}"),
        },
        Folder::WithoutNew => Text {
            subject: "No new files uploaded today".to_owned(),
            body: format!(
                "No new files were uploaded to {folder} on {} by {user}",
                slot.date
            ),
        },
    }
}

/// The message when a file comes after all.
pub fn recovered(folder: &str, user: &str, slot_date: Date, file: &str, at: Timestamp) -> Text {
    Text {
        subject: "Late file has arrived".to_owned(),
        body: format!(
            "{file} was uploaded to {folder} by {user} at {at}; it was due on {slot_date}"
        ),
    }
}

/// The alert for a delivery that became a dead letter.
pub fn dead_letter(
    delivery: &Delivery,
    reason: &str,
    notifiers: Vec<NotifierName>,
    at: Timestamp,
) -> NewAlert {
    let (what, done) = match delivery.effect {
        Effect::Put => ("Delivery of", "could not be delivered"),
        Effect::Remove { .. } => ("Removal of", "departed and could not be removed"),
    };
    let way = match delivery.effect {
        Effect::Put => "to",
        Effect::Remove { .. } => "from",
    };
    NewAlert {
        key: dead_letter_key(delivery),
        text: Text {
            subject: format!(
                "{what} {} {way} {} failed",
                delivery.source, delivery.destination
            ),
            body: format!(
                "{} {done} {way} {} by route {} after {} attempts.\n\nReason: {reason}\n\n\
                 When the cause is mended: quaymaster delivery redrive {}",
                delivery.source,
                delivery.destination,
                delivery.route,
                delivery.attempts,
                delivery.id
            ),
        },
        notifiers,
        at,
    }
}

/// The key of a dead letter's alert.
pub fn dead_letter_key(delivery: &Delivery) -> String {
    format!("delivery:{}", delivery.id)
}

/// The key of a dead event's alert.
pub fn dead_event_key(event: i64) -> String {
    format!("inbox:{event}")
}

/// The alert for an upload that broke off and was not resumed.
pub fn partial(partial: &Partial, notifiers: Vec<NotifierName>, at: Timestamp) -> NewAlert {
    NewAlert {
        key: partial_key(partial),
        text: Text {
            subject: format!("Upload of {} broke off", partial.path),
            body: format!(
                "{} of {} broke off after {} bytes at {}. The file is not there; what was received is kept \
                 for the account to resume.",
                partial.account, partial.path, partial.parked.size_bytes, partial.lost_at
            ),
        },
        notifiers,
        at,
    }
}

/// The key of a partial upload's alert.
pub fn partial_key(partial: &Partial) -> String {
    format!("partial:{}", partial.version)
}

/// The user a message speaks of: the account whose folder it is, else the partner.
pub fn user_of<'a>(account: Option<&'a AccountName>, expectation: &'a Expectation) -> &'a str {
    account.map_or(expectation.partner.as_str(), AccountName::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_slots_key_says_what_it_was_made_of() {
        let name = ExpectationName::parse("north-daily").unwrap();
        let date = jiff::civil::date(2026, 11, 20);
        let key = missed_key(&name, date);
        assert_eq!(key, "expectation:north-daily:2026-11-20");
        assert_eq!(missed_slot(&key), Some((name, date)));
        for other in [
            "check:expect",
            "expectation:north",
            "expectation::2026-11-20",
            "expectation:north:2026-11-31",
        ] {
            assert_eq!(missed_slot(other), None, "{other}");
        }
    }

    #[test]
    fn the_originals_texts() {
        let slot = Slot {
            date: jiff::civil::date(2026, 11, 20),
            opens: Timestamp::UNIX_EPOCH,
            due: Timestamp::UNIX_EPOCH,
            cutoff: Timestamp::UNIX_EPOCH,
        };
        let folder = "transfer-agent1";
        let never = missed(Folder::Empty, folder, folder, &slot);
        assert_eq!(never.subject, "Not uploaded any files");
        assert_eq!(
            never.body,
            "Client not uploaded any files to transfer-agent1"
        );
        let none_new = missed(Folder::WithoutNew, folder, folder, &slot);
        assert_eq!(none_new.subject, "No new files uploaded today");
        assert_eq!(
            none_new.body,
            "No new files were uploaded to transfer-agent1 on 2026-11-20 by transfer-agent1"
        );
    }
}
