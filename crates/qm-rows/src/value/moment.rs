//! Days and moments.

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use qm_core::{Error, Kind, Result};

use super::quoted;

const SECOND: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;

/// The format, if it can be written by: what cannot be written by cannot be read by.
pub(super) fn check_format(format: &str, column: &str) -> Result<String> {
    let epoch = jiff::Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    strtime::format(format, &epoch).map_err(|cause| {
        let sentence = format!(
            "column {column}: {} is not a format of dates",
            quoted(format)
        );
        Error::new(Kind::Invalid, sentence)
            .help("write it as in strptime, such as \"%d/%m/%Y\"")
            .source(cause)
    })?;
    Ok(format.to_owned())
}

/// Days since 1970-01-01.
pub(super) fn date(text: &str, format: Option<&str>) -> Result<i32, String> {
    let Some(format) = format else {
        let bytes = text.as_bytes();
        let is_date = bytes.len() == 10;
        let day = Some(bytes).filter(|_| is_date).and_then(iso_day);
        return day.map(|day| day.number).ok_or_else(|| no_day(text));
    };
    strtime::parse(format, text)
        .and_then(|parsed| parsed.to_date())
        .map(|date| days(date.year().into(), date.month(), date.day()))
        .map_err(|_| format!("{} is not a date written as {format}", quoted(text)))
}

/// Microseconds since 1970-01-01T00:00:00Z.
pub(super) fn timestamp(text: &str, format: Option<&str>, zone: &TimeZone) -> Result<i64, String> {
    match format {
        None => iso(text, zone),
        Some(format) => by_format(text, format, zone),
    }
}

fn by_format(text: &str, format: &str, zone: &TimeZone) -> Result<i64, String> {
    let fault = || format!("{} is not a time written as {format}", quoted(text));
    let parsed = strtime::parse(format, text).map_err(|_| fault())?;
    if parsed.offset().is_some() {
        let at = parsed.to_timestamp().map_err(|_| fault())?;
        return Ok(at.as_microsecond());
    }
    let civil = parsed
        .to_datetime()
        .or_else(|_| parsed.to_date().map(|date| date.at(0, 0, 0, 0)))
        .map_err(|_| fault())?;
    in_zone(civil, zone, text)
}

fn iso(text: &str, zone: &TimeZone) -> Result<i64, String> {
    let fault = || {
        let day = text.as_bytes().get(..10).and_then(iso_day);
        if day.is_none() {
            return no_day(text);
        }
        format!(
            "{} is not a time as in ISO 8601, such as 2026-11-30T17:00:00Z",
            quoted(text)
        )
    };
    let day = text
        .as_bytes()
        .get(..10)
        .and_then(iso_day)
        .ok_or_else(fault)?;
    let clock = Clock::read(&text.as_bytes()[10..]).ok_or_else(fault)?;
    let local = i64::from(day.number) * DAY_SECONDS + clock.seconds;
    match clock.offset_seconds {
        Some(offset) => Ok((local - offset) * SECOND + clock.micros),
        None if *zone == TimeZone::UTC => Ok(local * SECOND + clock.micros),
        None => {
            let civil = day.at(&clock).ok_or_else(fault)?;
            in_zone(civil, zone, text)
        }
    }
}

/// A clock that is put back shows an hour twice: the first is meant. One that is put forward leaves
/// one out, and nothing happened then.
fn in_zone(civil: DateTime, zone: &TimeZone, text: &str) -> Result<i64, String> {
    let moment = zone.to_ambiguous_timestamp(civil);
    if let AmbiguousOffset::Gap { .. } = moment.offset() {
        let zone = zone.iana_name().unwrap_or("its zone");
        return Err(format!(
            "{} did not exist in {zone}: clocks were put forward then",
            quoted(text)
        ));
    }
    let at = moment
        .earlier()
        .map_err(|_| format!("{} is out of range", quoted(text)))?;
    Ok(at.as_microsecond())
}

fn no_day(text: &str) -> String {
    let looks_like_one = text.len() >= 10
        && text.bytes().take(10).enumerate().all(|(at, byte)| {
            if matches!(at, 4 | 7) {
                byte == b'-'
            } else {
                byte.is_ascii_digit()
            }
        });
    if looks_like_one {
        format!("{} is a day that does not exist", quoted(text))
    } else {
        format!(
            "{} is not a date as in ISO 8601, such as 2026-11-30",
            quoted(text)
        )
    }
}

struct Day {
    number: i32,
    year: i16,
    month: i8,
    of_month: i8,
}

impl Day {
    fn at(&self, clock: &Clock) -> Option<DateTime> {
        let date = jiff::civil::Date::new(self.year, self.month, self.of_month).ok()?;
        let seconds = i32::try_from(clock.seconds).ok()?;
        let micros = i32::try_from(clock.micros).ok()?;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let small = |number: i32| i8::try_from(number).ok();
        let time =
            jiff::civil::Time::new(small(hour)?, small(minute)?, small(second)?, micros * 1000);
        Some(date.to_datetime(time.ok()?))
    }
}

/// `2026-11-30`.
fn iso_day(bytes: &[u8]) -> Option<Day> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *bytes else {
        return None;
    };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let (month, day) = (two(m1, m2)?, two(d1, d2)?);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => return None,
    };
    if year == 0 || day == 0 || day > last {
        return None;
    }
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    Some(Day {
        number: days(year, month, day),
        year: i16::try_from(year).ok()?,
        month,
        of_month: day,
    })
}

/// Days from 1970-01-01 in the Gregorian calendar, counted in eras of 400 years that begin in March.
fn days(year: i32, month: i8, day: i8) -> i32 {
    let (month, day) = (i32::from(month), i32::from(day));
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn two(tens: u8, ones: u8) -> Option<i32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i32::from(tens) * 10 + i32::from(ones))
}

/// What follows a day.
#[derive(Default)]
struct Clock {
    seconds: i64,
    micros: i64,
    offset_seconds: Option<i64>,
}

impl Clock {
    /// Nothing, or `T` or a blank, `17:00`, maybe `:59` and `.123456`, maybe `Z`, `+01:00`, `+0100` or `+01`.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut clock = Self::default();
        if bytes.is_empty() {
            return Some(clock);
        }
        let [b'T' | b't' | b' ', h1, h2, b':', m1, m2, rest @ ..] = bytes else {
            return None;
        };
        let (hour, minute) = (two(*h1, *h2)?, two(*m1, *m2)?);
        let mut rest = rest;
        let mut second = 0;
        if let [b':', s1, s2, after @ ..] = rest {
            second = two(*s1, *s2)?;
            rest = after;
            if let [b'.' | b',', after @ ..] = rest {
                let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
                if digits == 0 {
                    return None;
                }
                clock.micros = (0..6).fold(0, |micros, at| {
                    let digit = after[..digits].get(at).map_or(0, |byte| byte - b'0');
                    micros * 10 + i64::from(digit)
                });
                rest = &after[digits..];
            }
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        clock.seconds = i64::from(hour * 3600 + minute * 60 + second);
        clock.offset_seconds = offset(rest.trim_ascii_start())?;
        Some(clock)
    }
}

/// `Some(None)`: there is none.
#[expect(
    clippy::option_option,
    reason = "no offset is not the same as a wrong one"
)]
fn offset(bytes: &[u8]) -> Option<Option<i64>> {
    let (sign, digits) = match bytes {
        [] => return Some(None),
        b"Z" | b"z" => return Some(Some(0)),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        [..] => return None,
    };
    let (hours, minutes) = match *digits {
        [h1, h2] => (two(h1, h2)?, 0),
        [h1, h2, b':', m1, m2] | [h1, h2, m1, m2] => (two(h1, h2)?, two(m1, m2)?),
        [..] => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    Some(Some(sign * i64::from(hours * 3600 + minutes * 60)))
}
