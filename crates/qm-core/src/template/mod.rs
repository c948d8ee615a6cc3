//! Names made of an arrival: text with a fixed set of placeholders.

mod parse;

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::id::PartnerName;
use crate::name::ObjectPath;
use crate::{Error, Kind, Result};

/// Text with placeholders such as `{name}`, `{stem}`, `{extension}`, `{key}`, `{folder}`, `{path.N}` (component N of the
/// key, from 0), `{bucket}`, `{partner}` and `{arrived:%Y-%m-%d}` (of the arrival, UTC, or in a zone:
/// `{arrived@Europe/Dublin:%Y%m%d}`). `{{` and `}}` are braces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
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

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    Name,
    Stem,
    Extension,
    Key,
    Folder,
    Component(usize),
    Bucket,
    Partner,
    Arrived { zone: TimeZone, format: String },
}

impl Template {
    /// Parses it; an unknown placeholder, zone or date format is an error that names those there are.
    pub fn parse(text: &str) -> Result<Self> {
        parse::parts(text).map(|parts| Self {
            text: text.to_owned(),
            parts,
        })
    }

    /// Puts the facts in. `Refused` if one is missing (no such component, no partner). Whoever
    /// uses the text as a name parses it as one: a partner chose parts of it.
    pub fn render(&self, facts: &Facts<'_>) -> Result<String> {
        let mut rendered = String::new();
        for part in &self.parts {
            part.render(facts, &mut rendered)?;
        }
        Ok(rendered)
    }

    /// What it always comes to; `None` if it has placeholders.
    pub fn constant(&self) -> Option<String> {
        let text = |part: &Part| match part {
            Part::Text(text) => Some(text.clone()),
            Part::Name
            | Part::Stem
            | Part::Extension
            | Part::Key
            | Part::Folder
            | Part::Component(_)
            | Part::Bucket
            | Part::Partner
            | Part::Arrived { .. } => None,
        };
        self.parts.iter().map(text).collect()
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Part {
    fn render(&self, facts: &Facts<'_>, to: &mut String) -> Result<()> {
        let key = &facts.path.key;
        let name = key.file_name();
        let text = match self {
            Self::Text(text) => text,
            Self::Name => name,
            Self::Stem => split_name(name).0,
            Self::Extension => split_name(name)
                .1
                .ok_or_else(|| missing("the file's name has no extension", facts))?,
            Self::Key => key.as_str(),
            Self::Folder => key
                .as_str()
                .rsplit_once('/')
                .map(|(folder, _)| folder)
                .ok_or_else(|| missing("the file is in no folder", facts))?,
            Self::Component(number) => key.as_str().split('/').nth(*number).ok_or_else(|| {
                let sentence = format!("the file's path has no part number {number}");
                missing(&sentence, facts)
            })?,
            Self::Bucket => facts.path.bucket.as_str(),
            Self::Partner => facts
                .partner
                .map(PartnerName::as_str)
                .ok_or_else(|| missing("the file is in no partner's mailbox", facts))?,
            Self::Arrived { zone, format } => {
                let at = facts.arrived_at.to_zoned(zone.clone());
                &strtime::format(format, &at).map_err(|cause| {
                    Error::new(Kind::Bug, "the time of arrival could not be written").source(cause)
                })?
            }
        };
        to.push_str(text);
        Ok(())
    }
}

/// Stem and extension as written; a name that begins with its only dot has none.
fn split_name(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && !extension.is_empty() => {
            (stem, Some(extension))
        }
        Some(_) | None => (name, None),
    }
}

fn missing(sentence: &str, facts: &Facts<'_>) -> Error {
    Error::new(Kind::Refused, sentence)
        .during("making a name of the file's")
        .with("file", facts.path)
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

#[cfg(test)]
mod tests;
