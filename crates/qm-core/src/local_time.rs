//! Local times as instants, on the nights when clocks change too.

use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, AmbiguousTimestamp, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// A local time as an instant: one that a change to summer time skips is the moment of the
/// change, one that happens twice is its first.
pub(crate) fn first_instant(zone: &TimeZone, date: Date, time: Time) -> Timestamp {
    let ambiguous = zone.to_ambiguous_timestamp(date.to_datetime(time));
    change_that_skips(zone, ambiguous)
        .unwrap_or_else(|| ambiguous.compatible().unwrap_or(Timestamp::MAX))
}

/// The same, but one that happens twice is its second.
pub(crate) fn last_instant(zone: &TimeZone, date: Date, time: Time) -> Timestamp {
    let ambiguous = zone.to_ambiguous_timestamp(date.to_datetime(time));
    change_that_skips(zone, ambiguous)
        .unwrap_or_else(|| ambiguous.later().unwrap_or(Timestamp::MAX))
}

fn change_that_skips(zone: &TimeZone, ambiguous: AmbiguousTimestamp) -> Option<Timestamp> {
    if !matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
        return None;
    }
    // Read with the offset before the change, a skipped time lies at the change or after it.
    let behind = ambiguous.compatible().ok()?;
    let just_behind = behind.saturating_add(SignedDuration::from_nanos(1)).ok()?;
    zone.preceding(just_behind)
        .next()
        .map(|change| change.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(zone: &str, date: &str, time: &str, first: &str, last: &str) {
        let zone = TimeZone::get(zone).unwrap();
        let (date, time): (Date, Time) = (date.parse().unwrap(), time.parse().unwrap());
        assert_eq!(first_instant(&zone, date, time).to_string(), first);
        assert_eq!(last_instant(&zone, date, time).to_string(), last);
    }

    #[test]
    fn nights_when_clocks_change() {
        let ny = "America/New_York";
        let plain = "2026-03-07T07:30:00Z";
        check(ny, "2026-03-07", "02:30", plain, plain);
        let change = "2026-03-08T07:00:00Z";
        check(ny, "2026-03-08", "02:00", change, change);
        check(ny, "2026-03-08", "02:30", change, change);
        check(ny, "2026-03-08", "03:00", change, change);
        let (first, second) = ("2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z");
        check(ny, "2026-11-01", "01:30", first, second);
        let no_such_day = "2011-12-30T10:00:00Z";
        check(
            "Pacific/Apia",
            "2011-12-30",
            "12:00",
            no_such_day,
            no_such_day,
        );
    }
}
