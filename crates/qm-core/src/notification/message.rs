//! The shapes that messages have.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Notification, OWN_SOURCE, Sighting, Watched, key};
use crate::ports::ledger::RawEvent;
use crate::{Error, Kind, Result, Retry};

/// SNS around `EventBridge` around S3 is two; more is a message made to be unpacked for ever.
const ENVELOPES_MAX: u32 = 4;
/// What of a text somebody else wrote is repeated in a note.
const QUOTED_CHARS: usize = 200;

type Fields = Map<String, Value>;

/// A record of S3's, or the part of one that is there.
#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventName")]
    event_name: Option<String>,
    #[serde(rename = "eventSource")]
    event_source: Option<String>,
    #[serde(rename = "eventTime")]
    event_time: Option<String>,
    s3: Place,
}

#[derive(Deserialize)]
struct Place {
    bucket: Option<Bucket>,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: Option<String>,
}

/// The fields of both shapes; in S3's records the key is encoded.
#[derive(Deserialize)]
struct Object {
    key: String,
    size: Option<u64>,
    #[serde(alias = "eTag")]
    etag: Option<String>,
    #[serde(rename = "versionId", alias = "version-id")]
    version: Option<String>,
    sequencer: Option<String>,
}

/// `EventBridge`'s `detail`.
#[derive(Deserialize)]
struct Detail {
    bucket: Option<Bucket>,
    object: Object,
    /// Of a removal: by a request, or by a rule of the bucket.
    reason: Option<String>,
}

/// What `EventBridge` tells of an object.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Change {
    Created,
    Deleted,
}

pub(super) fn read(body: &str, watched: Watched<'_>) -> Result<Notification> {
    if body.len() > RawEvent::BODY_BYTES_MAX {
        return Err(unreadable("the message is too long"));
    }
    let mut found = Notification::default();
    let mut body = body.to_owned();
    for _ in 0..ENVELOPES_MAX {
        let fields = object(&body)?;
        match unwrapped(&fields, watched, &mut found)? {
            Some(inner) => body = inner,
            None => return Ok(found),
        }
    }
    Err(unreadable("the message has too many envelopes"))
}

/// Reads what is no envelope; the message in it otherwise.
fn unwrapped(
    fields: &Fields,
    watched: Watched<'_>,
    found: &mut Notification,
) -> Result<Option<String>> {
    if let Some(records) = fields.get("Records") {
        let records = records
            .as_array()
            .ok_or_else(|| unreadable("`Records` is no list"))?;
        for record in records {
            found.add_record(record, watched);
        }
        if records.is_empty() {
            found.note("no records".to_owned());
        }
        return Ok(None);
    }
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    match (
        text("Type"),
        text("Message"),
        text("detail-type"),
        text("Event"),
    ) {
        (Some("Notification"), Some(inner), _, _) => return Ok(Some(inner.to_owned())),
        (_, _, Some("Object Created"), _) => found.add_detail(fields, watched, Change::Created),
        (_, _, Some("Object Deleted"), _) => found.add_detail(fields, watched, Change::Deleted),
        (_, _, Some(other), _) => found.note(format!("`{}`", quoted(other))),
        (_, _, _, Some("s3:TestEvent")) => found.note("test event".to_owned()),
        (Some(other), _, _, _) => found.note(format!("`{}`, no records", quoted(other))),
        // As the loader said that this one replaces.
        (None, _, None, _) => return Err(unreadable("Invalid event source")),
    }
    Ok(None)
}

impl Notification {
    fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    fn add_record(&mut self, record: &Value, watched: Watched<'_>) {
        let record = match Record::deserialize(record) {
            Ok(record) => record,
            Err(error) => return self.faults.push(format!("a record has no object: {error}")),
        };
        let name = record.event_name.as_deref().unwrap_or("ObjectCreated");
        // Some stores write the name as their configuration does, with `s3:` before it.
        let name = name.strip_prefix("s3:").unwrap_or(name);
        let written = &record.s3.object.key;
        // What a rule of the store removes when its time is over was nobody's wish.
        let is_removal = name.starts_with("ObjectRemoved");
        if !is_removal && !name.starts_with("ObjectCreated") {
            return self.note(format!("{} of `{}`", quoted(name), quoted(written)));
        }
        let Some(key) = key::decode(written) else {
            let fault = format!("the key `{}` is no encoded UTF-8", quoted(written));
            return self.faults.push(fault);
        };
        let at = record.event_time.as_deref().and_then(time);
        let mut sighting = record.s3.object.sighting(key, at);
        sighting.is_removal = is_removal;
        if record.event_source.as_deref() == Some(OWN_SOURCE) {
            self.sightings.push(sighting);
        } else {
            self.add(record.s3.bucket, sighting, watched);
        }
    }

    fn add_detail(&mut self, fields: &Fields, watched: Watched<'_>, change: Change) {
        match fields.get("detail").map(Detail::deserialize) {
            // What a rule of the store removes when its time is over was nobody's wish.
            Some(Ok(Detail {
                reason: Some(reason),
                object,
                ..
            })) if change == Change::Deleted && reason != "DeleteObject" => {
                self.note(format!("{} of `{}`", quoted(&reason), quoted(&object.key)));
            }
            Some(Ok(detail)) => {
                let at = fields.get("time").and_then(Value::as_str).and_then(time);
                let key = detail.object.key.clone();
                let mut sighting = detail.object.sighting(key, at);
                sighting.is_removal = change == Change::Deleted;
                self.add(detail.bucket, sighting, watched);
            }
            Some(Err(error)) => self.faults.push(format!("`detail` has no object: {error}")),
            None => self.faults.push("the event has no `detail`".to_owned()),
        }
    }

    /// As the store names it.
    fn add(&mut self, bucket: Option<Bucket>, sighting: Sighting, watched: Watched<'_>) {
        let named = bucket.and_then(|bucket| bucket.name);
        if let (Some(named), Some(bucket)) = (&named, watched.bucket)
            && named != bucket
        {
            return self.note(format!("about another bucket, `{}`", quoted(named)));
        }
        let prefix = watched.prefix.as_str();
        let below = if prefix.is_empty() {
            Some(sighting.key.as_str())
        } else {
            sighting
                .key
                .strip_prefix(prefix)
                .and_then(|rest| rest.strip_prefix('/'))
        };
        match below.map(str::to_owned) {
            Some(key) => self.sightings.push(Sighting { key, ..sighting }),
            None => self.note(format!(
                "`{}` is not in our part of it",
                quoted(&sighting.key)
            )),
        }
    }
}

impl Object {
    fn sighting(self, key: String, at: Option<Timestamp>) -> Sighting {
        Sighting {
            key,
            native_version: self.version.filter(|version| !version.is_empty()),
            etag: self.etag,
            size_bytes: self.size,
            sequencer: self.sequencer,
            at,
            is_removal: false,
        }
    }
}

fn object(body: &str) -> Result<Fields> {
    match serde_json::from_str(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(unreadable("the message is no JSON object")),
        Err(error) => Err(unreadable("the message is no JSON").source(error)),
    }
}

/// A time that cannot be read is left out: nothing is decided by it.
fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn quoted(text: &str) -> String {
    text.chars().take(QUOTED_CHARS).collect()
}

fn unreadable(message: &'static str) -> Error {
    // What is to blame may be this program: a later one is given its chance.
    Error::new(Kind::Invalid, message)
        .during("reading a message")
        .retry(Retry::Later)
}
