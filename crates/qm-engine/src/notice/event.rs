//! One raw event: what it says is looked at, what came of it is a row.

use futures_util::FutureExt as _;
use qm_core::alert::{NewAlert, Text, dead_event_key};
use qm_core::config::{BucketPlace, Config};
use qm_core::delivery::verdict;
use qm_core::name::Prefix;
use qm_core::notification::{Notification, Watched};
use qm_core::ports::clock::Identifiers;
use qm_core::ports::ledger::{EventState, InboxRow};
use qm_core::retry::{Next, RetryPolicy};
use qm_core::{Error, Kind, Result};
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use super::look::{Look, Seen};
use crate::Ports;
use crate::driver::panicked;
use crate::retain::later;

/// A message may name thousands of objects; what is recorded of it is for people.
const NOTE_CHARS_MAX: usize = 2_000;

/// What was found out.
#[derive(Default)]
struct Reading {
    notes: Vec<String>,
    /// What will not be better the next time: nobody can act on it as it is.
    bad: Vec<String>,
}

/// Reads it and records what came of it. Ends without a record if the ledger does not work: then
/// the event is still waiting.
pub(super) async fn read(ports: Ports, identifiers: Arc<dyn Identifiers>, row: InboxRow) {
    let (_, config) = ports.running();
    let reading = AssertUnwindSafe(understand(&ports, &config, identifiers.as_ref(), &row));
    let result = reading
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
    if let Err(error) = record(&ports, &config, &row, result).await {
        tracing::warn!(
            event = row.id,
            error = error.chain(),
            "event not recorded as read"
        );
    }
}

async fn understand(
    ports: &Ports,
    config: &Config,
    identifiers: &dyn Identifiers,
    row: &InboxRow,
) -> Result<Reading> {
    let name = &row.event.bucket;
    let place = config.buckets.get(name).map(|bucket| &bucket.place);
    let (Some(place), Some(bucket)) = (place, ports.buckets.get(name)) else {
        return Err(Error::new(
            Kind::Refused,
            format!("bucket `{name}` is not in the configuration any more"),
        ));
    };
    let root = Prefix::default();
    let watched = match place {
        BucketPlace::Directory(_) => (None, &root),
        BucketPlace::S3(place) => (Some(place.bucket.as_str()), &place.prefix),
        BucketPlace::Gcs(place) | BucketPlace::Azure(place) => {
            (Some(place.bucket.as_str()), &place.prefix)
        }
    };
    let (bucket_there, prefix) = watched;
    let watched = Watched {
        bucket: bucket_there,
        prefix,
    };
    let message = Notification::read(&row.event.body, watched)?;
    let look = Look {
        ports,
        identifiers,
        bucket: bucket.as_ref(),
        name,
        is_directory: matches!(place, BucketPlace::Directory(_)),
    };
    let mut reading = Reading {
        notes: message.notes,
        bad: message.faults,
    };
    let mut first_error = None;
    for sighting in &message.sightings {
        // One that fails hides no other; what is done now is known the next time.
        match look.at(sighting).await {
            Ok(Seen::Done(note)) => reading.notes.push(note),
            Ok(Seen::Bad(reason)) => reading.bad.push(reason),
            Err(error) => {
                let error = error.with("key", sighting.key.escape_debug());
                first_error.get_or_insert(error);
            }
        }
    }
    first_error.map_or(Ok(reading), Err)
}

async fn record(
    ports: &Ports,
    config: &Config,
    row: &InboxRow,
    result: Result<Reading>,
) -> Result<()> {
    let now = ports.clock.now();
    let (id, bucket) = (row.id, &row.event.bucket);
    let attempt = row.attempts.saturating_add(1);
    let (state, error) = match result {
        Ok(reading) if reading.bad.is_empty() => {
            let note = note(&reading.notes);
            tracing::info!(event = id, %bucket, note, "event read");
            (EventState::Done(note), None)
        }
        Ok(reading) => {
            let reason = note(&reading.bad);
            (EventState::Dead(reason.clone()), Some(reason))
        }
        Err(error) => {
            let chain = error.chain();
            match RetryPolicy::lambda().after_failure(attempt, verdict(&error)) {
                Next::After(pause) => {
                    let at = later(now, pause);
                    tracing::warn!(event = id, %bucket, attempt, %at, error = chain, "event not read");
                    (EventState::Waiting(at), Some(chain))
                }
                Next::GiveUp => (EventState::Dead(shortened(&chain)), Some(chain)),
            }
        }
    };
    let (alert, is_done) = match &state {
        EventState::Dead(reason) => {
            tracing::error!(event = id, %bucket, attempt, error = reason, "event given up");
            (Some(dead_letter(row, reason, config, now)), false)
        }
        EventState::Done(_) => (None, true),
        EventState::Waiting(_) => (None, false),
    };
    ports
        .ledger
        .event_read(id, state, error, alert, now)
        .await?;
    if is_done && row.last_error.is_some() {
        // It may have been a dead letter that was redriven.
        ports.ledger.resolve(&dead_event_key(id), None, now).await?;
    }
    Ok(())
}

fn note(notes: &[String]) -> String {
    let mut text = String::new();
    for (index, note) in notes.iter().enumerate() {
        if text.chars().count() + note.chars().count() > NOTE_CHARS_MAX && index > 0 {
            let _ = write!(text, "; and {} more", notes.len() - index);
            break;
        }
        if index > 0 {
            text.push_str("; ");
        }
        text.push_str(&shortened(note));
    }
    text
}

fn shortened(text: &str) -> String {
    text.chars().take(NOTE_CHARS_MAX).collect()
}

fn dead_letter(row: &InboxRow, reason: &str, config: &Config, now: jiff::Timestamp) -> NewAlert {
    let (id, bucket) = (row.id, &row.event.bucket);
    NewAlert {
        key: dead_event_key(id),
        text: Text {
            subject: format!("Something in bucket {bucket} could not be taken in"),
            body: format!(
                "Bucket {bucket} was told of files that others put there, in event {id}, and not all of them \
                 could be taken in. They are not delivered.\n\nReason: {reason}\n\n\
                 The event: quaymaster inbox show {id}\n\
                 When the cause is mended: quaymaster inbox redrive {id}"
            ),
        },
        notifiers: config.node.alert.clone(),
        at: now,
    }
}
