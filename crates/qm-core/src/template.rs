//! Names made of an arrival: text with a fixed set of placeholders.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::Result;
use crate::id::PartnerName;
use crate::name::ObjectPath;

/// Text with placeholders such as `{name}`, `{stem}`, `{extension}`, `{key}`, `{folder}`, `{path.N}` (component N of the
/// key, from 0), `{bucket}`, `{partner}` and `{arrived:%Y-%m-%d}` (of the arrival, UTC, or in a zone:
/// `{arrived@Europe/Dublin:%Y%m%d}`). `{{` and `}}` are braces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    text: String,
}

/// What placeholders stand for.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Where the object is.
    pub path: &'a ObjectPath,
    /// Whose mailbox it is in, if anybody's.
    pub partner: Option<&'a PartnerName>,
    /// When it arrived.
    pub arrived_at: Timestamp,
}

impl Template {
    /// Parses it; an unknown placeholder, zone or date format is an error that names those there are.
    pub fn parse(text: &str) -> Result<Self> {
        let _ = text;
        todo!()
    }

    /// Puts the facts in. `Refused` if one is missing (no such component, no partner).
    pub fn render(&self, facts: &Facts<'_>) -> Result<String> {
        let _ = facts;
        todo!()
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Template {
    fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
