//! Expectations: what must have arrived by when. A slot is one due date; all rules here are pure
//! functions of the calendar, the zone and the arrivals' times.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

use crate::arrival::{Arrival, Cause};
use crate::file_type::FileType;
use crate::id::{ExpectationName, NotifierName, PartnerName};
use crate::local_time::first_instant;
use crate::pattern::Pattern;

/// Something must arrive by a due time on certain days.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Expectation {
    /// Its name.
    pub name: ExpectationName,
    /// From whom.
    pub partner: PartnerName,
    /// Which files count.
    pub files: Pattern,
    /// Which extensions count; `None` means any.
    pub types: Option<Vec<FileType>>,
    /// Smaller files do not count; 1 unless configured, so that an empty file satisfies nothing.
    pub min_size_bytes: u64,
    /// Local time by which it must be there.
    pub due: Time,
    /// On which days.
    pub on: Days,
    /// IANA name of the zone that `due` is in.
    pub zone: String,
    /// How much later it may come without an alert.
    pub grace: Duration,
    /// Who is told.
    pub alert: Vec<NotifierName>,
}

/// Days of the week.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Days(Vec<u8>);

impl Days {
    /// `daily`, `weekdays`, or `weekly:` and days such as `fri` or `mon,thu`.
    pub fn parse(text: &str) -> Option<Self> {
        let days = match text {
            "daily" => (1..=7).collect(),
            "weekdays" => (1..=5).collect(),
            _ => {
                let mut days = text
                    .strip_prefix("weekly:")?
                    .split(',')
                    .map(|day| weekday_number(day.trim()))
                    .collect::<Option<Vec<u8>>>()?;
                days.sort_unstable();
                days.dedup();
                days
            }
        };
        (!days.is_empty()).then_some(Self(days))
    }

    /// True if the day is one of them.
    pub fn contains(&self, day: Weekday) -> bool {
        u8::try_from(day.to_monday_one_offset()).is_ok_and(|number| self.0.contains(&number))
    }
}

const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn weekday_number(name: &str) -> Option<u8> {
    let index = DAY_NAMES.iter().position(|day| *day == name)?;
    u8::try_from(index + 1).ok()
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [1, 2, 3, 4, 5, 6, 7] => f.write_str("daily"),
            [1, 2, 3, 4, 5] => f.write_str("weekdays"),
            days => {
                let names: Vec<&str> = days
                    .iter()
                    .filter_map(|d| DAY_NAMES.get(usize::from(*d) - 1).copied())
                    .collect();
                write!(f, "weekly:{}", names.join(","))
            }
        }
    }
}

/// One due date of an expectation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Slot {
    /// The local date.
    pub date: Date,
    /// From when on a file counts: the midnight after the previous slot's date.
    pub opens: Timestamp,
    /// By when it should be there.
    pub due: Timestamp,
    /// By when it must be there: due and grace.
    pub cutoff: Timestamp,
}

/// What became of a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SlotState {
    /// A file came in time.
    Met,
    /// None came by the cutoff; the alert fires while one is waited for.
    Missed,
    /// None came by the cutoff, one came later.
    Late,
}

impl SlotState {
    /// The word in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::Late => "late",
        }
    }

    /// From the ledger's word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Met, Self::Missed, Self::Late]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

impl Expectation {
    /// The slots whose cutoff lies in `(after, until]`, oldest first.
    pub fn slots(&self, zone: &TimeZone, after: Timestamp, until: Timestamp) -> Vec<Slot> {
        // A cutoff may lie on a later date than its slot, by the grace; zones add a day.
        let reach = i64::try_from(self.grace.as_secs() / 86_400)
            .unwrap_or(i64::MAX)
            .saturating_add(2)
            .min(400);
        let mut date = zone.to_datetime(after).date().saturating_sub(reach.days());
        let last = zone.to_datetime(until).date().saturating_add(1.day());
        let mut slots = Vec::new();
        while date <= last {
            if self.on.contains(date.weekday()) {
                let slot = self.slot(zone, date);
                if slot.cutoff > after && slot.cutoff <= until {
                    slots.push(slot);
                }
            }
            let Ok(next) = date.tomorrow() else { break };
            date = next;
        }
        slots
    }

    /// The first slot whose cutoff lies after `now`.
    pub fn next_slot(&self, zone: &TimeZone, now: Timestamp) -> Option<Slot> {
        let horizon = now
            .saturating_add(self.grace_signed() + SignedDuration::from_hours(24 * 9))
            .ok()?;
        self.slots(zone, now, horizon).into_iter().next()
    }

    /// True if the arrival is one that the expectation waits for, whenever it came. `sender` is the
    /// partner whose account sent it; `None` for an operator, and for an account that is no more.
    pub fn counts(&self, arrival: &Arrival, sender: Option<&PartnerName>) -> bool {
        arrival.cause == Cause::Upload
            && sender.is_none_or(|sender| *sender == self.partner)
            && arrival.version.size_bytes >= self.min_size_bytes
            && self.files.matches(&arrival.path)
            && self.types.as_ref().is_none_or(|types| {
                FileType::of(arrival.path.key.file_name()).is_some_and(|t| types.contains(&t))
            })
    }

    fn slot(&self, zone: &TimeZone, date: Date) -> Slot {
        let due = first_instant(zone, date, self.due);
        let mut previous = date.yesterday().unwrap_or(date);
        while !self.on.contains(previous.weekday()) {
            previous = previous.yesterday().unwrap_or(date);
        }
        let opens = first_instant(zone, previous.tomorrow().unwrap_or(date), Time::midnight());
        let cutoff = due
            .saturating_add(self.grace_signed())
            .unwrap_or(Timestamp::MAX);
        Slot {
            date,
            opens,
            due,
            cutoff,
        }
    }

    fn grace_signed(&self) -> SignedDuration {
        SignedDuration::try_from(self.grace).unwrap_or(SignedDuration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expectation(due: &str, on: &str, grace_minutes: u64) -> Expectation {
        Expectation {
            name: ExpectationName::parse("e").unwrap(),
            partner: PartnerName::parse("north").unwrap(),
            files: Pattern::parse("landing/north/*").unwrap(),
            types: None,
            min_size_bytes: 1,
            due: due.parse().unwrap(),
            on: Days::parse(on).unwrap(),
            zone: "Europe/Dublin".to_owned(),
            grace: Duration::from_secs(grace_minutes * 60),
            alert: vec![],
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(due: &str, on: &str, zone: &str, from: &str, until: &str, expect: &[&str]) {
        let zone = TimeZone::get(zone).unwrap();
        let slots = expectation(due, on, 0).slots(&zone, at(from), at(until));
        let found: Vec<String> = slots.iter().map(|s| s.due.to_string()).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn due_at_local_time_across_both_clock_changes() {
        check(
            "17:00",
            "daily",
            "Europe/Dublin",
            "2026-03-28T00:00:00Z",
            "2026-03-30T00:00:00Z",
            &["2026-03-28T17:00:00Z", "2026-03-29T16:00:00Z"],
        );
        check(
            "17:00",
            "daily",
            "Europe/Dublin",
            "2026-10-24T00:00:00Z",
            "2026-10-26T00:00:00Z",
            &["2026-10-24T16:00:00Z", "2026-10-25T17:00:00Z"],
        );
    }

    #[test]
    fn a_skipped_local_time_is_the_change_and_a_doubled_one_its_first() {
        check(
            "02:30",
            "daily",
            "Europe/Berlin",
            "2026-03-28T12:00:00Z",
            "2026-03-29T12:00:00Z",
            &["2026-03-29T01:00:00Z"],
        );
        check(
            "02:30",
            "daily",
            "Europe/Berlin",
            "2026-10-24T12:00:00Z",
            "2026-10-25T12:00:00Z",
            &["2026-10-25T00:30:00Z"],
        );
    }

    #[test]
    fn days_of_the_week() {
        // 2026-11-20 is a Friday.
        check(
            "17:00",
            "weekly:fri",
            "UTC",
            "2026-11-14T00:00:00Z",
            "2026-11-28T00:00:00Z",
            &["2026-11-20T17:00:00Z", "2026-11-27T17:00:00Z"],
        );
        check(
            "17:00",
            "weekdays",
            "UTC",
            "2026-11-20T00:00:00Z",
            "2026-11-24T00:00:00Z",
            &["2026-11-20T17:00:00Z", "2026-11-23T17:00:00Z"],
        );
        check(
            "09:00",
            "weekly:tue,mon",
            "UTC",
            "2026-11-20T00:00:00Z",
            "2026-11-25T00:00:00Z",
            &["2026-11-23T09:00:00Z", "2026-11-24T09:00:00Z"],
        );
        assert_eq!(Days::parse("weekly:"), None);
        assert_eq!(Days::parse("sometimes"), None);
        assert_eq!(
            Days::parse("weekly:tue,mon").unwrap().to_string(),
            "weekly:mon,tue"
        );
    }

    #[test]
    fn a_window_opens_after_the_previous_slots_day() {
        let weekly = expectation("17:00", "weekly:fri", 30);
        let zone = TimeZone::UTC;
        let slot = weekly.next_slot(&zone, at("2026-11-18T00:00:00Z")).unwrap();
        assert_eq!(slot.opens, at("2026-11-14T00:00:00Z"));
        assert_eq!(slot.cutoff, at("2026-11-20T17:30:00Z"));
        let daily = expectation("17:00", "daily", 0)
            .next_slot(&zone, at("2026-11-18T17:00:00Z"))
            .unwrap();
        assert_eq!(
            (daily.opens, daily.due),
            (at("2026-11-19T00:00:00Z"), at("2026-11-19T17:00:00Z"))
        );
    }

    #[test]
    fn a_grace_over_midnight_still_finds_yesterdays_slot() {
        let late = expectation("23:00", "daily", 180);
        let slots = late.slots(
            &TimeZone::UTC,
            at("2026-11-20T01:00:00Z"),
            at("2026-11-20T03:00:00Z"),
        );
        assert_eq!(slots.len(), 1);
        assert_eq!(slots[0].date, jiff::civil::date(2026, 11, 19));
    }
}
