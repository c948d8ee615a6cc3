//! Wall-clock times for expectations: the binary knows no other clock, so tests set due times a
//! few seconds ahead.

use anyhow::{Context as _, Result};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};
use std::time::Duration;

/// A due time as the configuration writes it.
#[derive(Clone, Debug)]
pub struct Due {
    /// The instant.
    pub at: Timestamp,
    /// Local time.
    pub time: String,
    /// The zone's IANA name.
    pub zone: String,
    /// The local date.
    pub date: String,
}

/// Now, by the clock that the binary has too.
#[expect(
    clippy::disallowed_methods,
    reason = "the binary under test reads this clock as well"
)]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A due time so long from now, in a zone where it is about noon: no test meets a midnight.
pub fn due_in(span: Duration) -> Result<Due> {
    let span = SignedDuration::try_from(span).context("a short span")?;
    let at = Timestamp::from_second(now().checked_add(span)?.as_second() + 1)?;
    let utc_hour = at.to_zoned(TimeZone::UTC).hour();
    let ahead = 12 - utc_hour;
    // The signs of these names are the other way round.
    let zone = match ahead {
        0 => "Etc/GMT".to_owned(),
        ahead => format!("Etc/GMT{:+}", -ahead),
    };
    let local: Zoned = at.to_zoned(TimeZone::fixed(Offset::constant(ahead)));
    Ok(Due {
        at,
        time: local.strftime("%H:%M:%S").to_string(),
        zone,
        date: local.date().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_due_time_is_about_noon_in_its_zone() {
        let due = due_in(Duration::from_secs(5)).unwrap();
        assert!(due.time.starts_with("12:"), "{due:?}");
        let zone = TimeZone::get(&due.zone).unwrap();
        let local = due.at.to_zoned(zone);
        assert_eq!(local.strftime("%H:%M:%S").to_string(), due.time);
        assert_eq!(local.date().to_string(), due.date);
    }
}
