//! Times on the command line.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::system::SystemClock;
use qm_core::ports::clock::Clock as _;

/// `2026-11-20T17:00:00Z`, a day (its beginning, UTC), or how long ago (`90m`, `24h`, `7d`).
pub(super) fn parse(text: &str) -> Result<Timestamp, String> {
    parse_at(text, SystemClock.now())
}

fn parse_at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>() {
        let begin = day.to_zoned(TimeZone::UTC).map_err(|e| e.to_string())?;
        return Ok(begin.timestamp());
    }
    let help = || {
        format!(
            "`{text}` is not a time; write 2026-11-20T17:00:00Z, a day as in 2026-11-20, or how long ago, as in 2h"
        )
    };
    let unit = text.chars().next_back().ok_or_else(help)?;
    let number = text.strip_suffix(unit).and_then(|n| n.parse::<u32>().ok());
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(help()),
    };
    let number = i64::from(number.ok_or_else(help)?);
    now.checked_sub(SignedDuration::from_secs(number * seconds))
        .map_err(|_| help())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        for (text, expect) in [
            ("2026-11-19T01:02:03Z", Some("2026-11-19T01:02:03Z")),
            ("2026-11-19T01:02:03+01:00", Some("2026-11-19T00:02:03Z")),
            ("2026-11-19", Some("2026-11-19T00:00:00Z")),
            ("90m", Some("2026-11-20T10:30:00Z")),
            ("2d", Some("2026-11-18T12:00:00Z")),
            ("4294967295d", None),
            ("h", None),
            ("", None),
            ("5é", None),
            ("yesterday", None),
        ] {
            let expect = expect.map(|text| text.parse().unwrap());
            assert_eq!(parse_at(text, now).ok(), expect, "{text}");
        }
    }
}
