//! Times of the week in a zone, such as a partner's maintenance.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Result;

/// Times of the week.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Windows {
    /// IANA name of their zone.
    pub zone: String,
    /// Each as written: `sun 02:00-04:00`, `daily 23:30-00:30`, `weekdays 12:00-13:00`.
    pub times: Vec<Window>,
}

/// One time of the week; one that ends before it begins ends on the next day.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Window {
    text: String,
}

impl Windows {
    /// When the time is over that `now` lies in; `None` if it lies in none. Times that touch or
    /// overlap are one. The zone was checked when the configuration was read.
    pub fn over_at(&self, now: Timestamp) -> Option<Timestamp> {
        let _ = now;
        todo!()
    }
}

impl Window {
    /// Parses it; the error shows how one is written.
    pub fn parse(text: &str) -> Result<Self> {
        let _ = text;
        todo!()
    }
}

impl Serialize for Window {
    fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
