//! What a message from outside says: objects were seen. Messages repeat and overtake each other, so
//! a sighting is a hint where to look, never a fact about what is there now.

pub mod dead_letter;
mod key;
mod message;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Result;
use crate::name::Prefix;

/// The `eventSource` of our own reports: their keys are those of our bucket, without the prefix
/// that it has in the store.
const OWN_SOURCE: &str = "quaymaster:watch";

/// What our own reports call a removal, as S3 does.
const REMOVED: &str = "ObjectRemoved:Delete";

/// What is watched, as the store names it.
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a> {
    /// The bucket there; `None` where no store names one.
    pub bucket: Option<&'a str>,
    /// Where in it our keys begin.
    pub prefix: &'a Prefix,
}

/// An object that somebody saw.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sighting {
    /// Its key in our bucket, as it was written: nobody has checked it yet.
    pub key: String,
    /// The version the store gave it.
    pub native_version: Option<String>,
    /// The store's mark of its content.
    pub etag: Option<String>,
    /// Its length.
    pub size_bytes: Option<u64>,
    /// Orders messages about one key; says nothing about other keys.
    pub sequencer: Option<String>,
    /// When it happened, by the clock of whoever tells.
    pub at: Option<Timestamp>,
    /// True if it was seen to be removed; a listing that lacks it is no such sight.
    pub is_removal: bool,
}

/// A message that was understood.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Notification {
    /// Objects to look at.
    pub sightings: Vec<Sighting>,
    /// What the message says besides and is nothing to act on.
    pub notes: Vec<String>,
    /// Records of it that cannot be understood, and why.
    pub faults: Vec<String>,
}

impl Notification {
    /// Reads S3's notifications (one or many records, or only their keys), `EventBridge`'s, either of
    /// them in an envelope of SNS, and our own reports. `Invalid` if it is none that could ever be
    /// understood.
    pub fn read(body: &str, watched: Watched<'_>) -> Result<Self> {
        message::read(body, watched)
    }
}

impl Sighting {
    /// The message in which a part of ours that looked for itself says what it saw.
    pub fn report(&self) -> String {
        let mut object = json!({ "key": key::encode(&self.key) });
        let mut set = |name: &str, value: Option<Value>| {
            if let (Some(fields), Some(value)) = (object.as_object_mut(), value) {
                fields.insert(name.to_owned(), value);
            }
        };
        set("size", self.size_bytes.map(Value::from));
        set("eTag", self.etag.clone().map(Value::from));
        set("versionId", self.native_version.clone().map(Value::from));
        set("sequencer", self.sequencer.clone().map(Value::from));
        let mut record = json!({ "eventSource": OWN_SOURCE, "s3": { "object": object } });
        if let (Some(fields), Some(at)) = (record.as_object_mut(), self.at) {
            fields.insert("eventTime".to_owned(), at.to_string().into());
        }
        if let (Some(fields), true) = (record.as_object_mut(), self.is_removal) {
            fields.insert("eventName".to_owned(), REMOVED.into());
        }
        json!({ "Records": [record] }).to_string()
    }
}
