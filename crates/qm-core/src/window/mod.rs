//! Times of the week in a zone, such as a partner's maintenance.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::expectation::Days;
use crate::local_time::{first_instant, last_instant};
use crate::{Error, Kind, Result};

const MINUTES_A_DAY: u16 = 24 * 60;

/// Times of the week.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Windows {
    name: String,
    zone: TimeZone,
    times: Vec<Window>,
}

/// One time of the week; one that ends before it begins ends on the next day.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Window {
    text: String,
    days: Days,
    /// In minutes of the day.
    begins: u16,
    ends: u16,
}

/// [`Windows`] in a revision.
#[derive(Clone, Deserialize, Serialize)]
struct Written {
    zone: String,
    times: Vec<Window>,
}

impl Windows {
    /// Times in a zone by its IANA name. Some of the week must be left, or nothing would ever be
    /// over.
    pub fn new(zone: &str, times: Vec<Window>) -> Result<Self> {
        let known = TimeZone::get(zone).map_err(|cause| {
            Error::new(
                Kind::Invalid,
                format!("`{}` is not a time zone", zone.escape_debug()),
            )
            .help("write its IANA name, such as `Europe/Dublin` or `UTC`")
            .source(cause)
        })?;
        if is_always(&times) {
            return Err(Error::new(Kind::Invalid, "these times leave nothing of the week")
                .help("leave out some minutes at least; to stop deliveries for good, remove them from the route"));
        }
        Ok(Self {
            name: zone.to_owned(),
            zone: known,
            times,
        })
    }

    /// IANA name of their zone.
    pub fn zone(&self) -> &str {
        &self.name
    }

    /// Each of them.
    pub fn times(&self) -> &[Window] {
        &self.times
    }

    /// When the time is over that `now` lies in; `None` if it lies in none. Times that touch or
    /// overlap are one.
    pub fn over_at(&self, now: Timestamp) -> Option<Timestamp> {
        let mut over = None;
        while let Some(end) = self.one_over_at(over.unwrap_or(now)) {
            over = Some(end);
        }
        over
    }

    /// Of the single times that `now` lies in, the one that ends last.
    fn one_over_at(&self, now: Timestamp) -> Option<Timestamp> {
        let today = self.zone.to_datetime(now).date();
        [today.yesterday().ok(), Some(today)]
            .into_iter()
            .flatten()
            .flat_map(|date| {
                self.times
                    .iter()
                    .filter_map(move |time| time.on(date, &self.zone))
            })
            .filter(|(begins, ends)| *begins <= now && now < *ends)
            .map(|(_, ends)| ends)
            .max()
    }
}

impl Window {
    /// Parses `sun 02:00-04:00`, `daily 23:30-00:30`, `mon,thu 12:00-13:00`; days may also be written
    /// as expectations have them, `weekly:mon,thu`.
    pub fn parse(text: &str) -> Result<Self> {
        parse_window(text).ok_or_else(|| {
            Error::new(
                Kind::Invalid,
                format!("`{}` is not a time of the week", text.escape_debug()),
            )
            .help(
                "write days and a time from and to, as in `sun 02:00-04:00`, `mon,thu 12:00-13:00`, \
                 `weekdays 00:00-24:00` or, over midnight, `daily 23:30-00:30`",
            )
        })
    }

    /// From when to when, if it begins on this date.
    fn on(&self, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        if !self.days.contains(date.weekday()) {
            return None;
        }
        let last_date = if self.ends <= self.begins || self.ends == MINUTES_A_DAY {
            date.tomorrow().ok()?
        } else {
            date
        };
        Some((
            first_instant(zone, date, time(self.begins)),
            last_instant(zone, last_date, time(self.ends)),
        ))
    }

    fn minutes(&self) -> u16 {
        if self.begins < self.ends {
            self.ends - self.begins
        } else {
            MINUTES_A_DAY - self.begins + self.ends
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
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

impl TryFrom<Written> for Windows {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        Self::new(&written.zone, written.times)
    }
}

impl From<Windows> for Written {
    fn from(windows: Windows) -> Self {
        Self {
            zone: windows.name,
            times: windows.times,
        }
    }
}

fn parse_window(text: &str) -> Option<Window> {
    let (days, times) = text.trim().split_once(char::is_whitespace)?;
    let days = Days::parse(days).or_else(|| Days::parse(&format!("weekly:{days}")))?;
    let (begins, ends) = times.split_once('-')?;
    let (begins, ends) = (minute(begins)?, minute(ends)?);
    if begins == ends || begins == MINUTES_A_DAY {
        return None;
    }
    Some(Window {
        text: text.trim().to_owned(),
        days,
        begins,
        ends,
    })
}

/// `HH:MM` as minutes of the day, 24:00 included.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let two_digits = |part: &str| {
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<u16>().ok())
            .flatten()
    };
    let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= MINUTES_A_DAY).then_some(total)
}

fn time(minute: u16) -> Time {
    let minute = i64::from(minute % MINUTES_A_DAY);
    Time::midnight().wrapping_add(jiff::Span::new().minutes(minute))
}

/// True if every minute of a week is in one of them.
fn is_always(times: &[Window]) -> bool {
    let day = usize::from(MINUTES_A_DAY);
    let mut week = vec![false; 7 * day];
    for window in times {
        for (index, weekday) in WEEK.into_iter().enumerate() {
            if window.days.contains(weekday) {
                let first = index * day + usize::from(window.begins);
                for minute in first..first + usize::from(window.minutes()) {
                    week[minute % (7 * day)] = true;
                }
            }
        }
    }
    week.into_iter().all(|is_in| is_in)
}

const WEEK: [jiff::civil::Weekday; 7] = {
    use jiff::civil::Weekday as Day;
    [
        Day::Monday,
        Day::Tuesday,
        Day::Wednesday,
        Day::Thursday,
        Day::Friday,
        Day::Saturday,
        Day::Sunday,
    ]
};

#[cfg(test)]
mod tests;
