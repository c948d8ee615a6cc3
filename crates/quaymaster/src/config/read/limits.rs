//! The keys of every table that says how much a destination is given at a time.

use qm_core::config::{BreakerPolicy, DestinationLimits};
use qm_core::window::{Window, Windows};
use std::time::Duration;

use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
use crate::config::sizes;
use crate::config::values::{self, text};

/// Deliveries at a time to one destination, so that a slow one never takes every worker.
const CONCURRENCY: u32 = 4;
/// More at a time only wait for the same disk or line.
const CONCURRENCY_MAX: u32 = 64;
/// A line that breaks once or twice is no reason to wait.
const BREAKER: BreakerPolicy = BreakerPolicy {
    failures: 5,
    pause: Duration::from_mins(1),
};
/// More failures in a row than this say nothing new.
const BREAKER_FAILURES_MAX: u32 = 1_000;

pub(super) fn limits(section: &mut Section<'_>, report: &mut Report) -> DestinationLimits {
    let concurrency = section.optional(report, "concurrency", |item| {
        values::whole(item, 1..=CONCURRENCY_MAX)
    });
    let bytes_per_second = section.optional(report, "bandwidth", sizes::bandwidth);
    let closed = closed(section, report);
    let breaker = breaker(section, report);
    DestinationLimits {
        concurrency: concurrency.unwrap_or(CONCURRENCY),
        bytes_per_second,
        closed,
        breaker: breaker.unwrap_or(BREAKER),
    }
}

/// `closed` and the `zone` that its times are meant in, which nobody guesses.
fn closed(section: &mut Section<'_>, report: &mut Report) -> Option<Windows> {
    let times = section.list(report, "closed", |item| Ok(Window::parse(text(item)?)?));
    let zone = section.optional(report, "zone", values::zone);
    let missing = match (section.has("closed"), section.has("zone")) {
        (true, true) | (false, false) => None,
        (true, false) => Some((
            "closed",
            "in which time zone is not said",
            "add its IANA name, as in zone = \"Europe/Dublin\"",
        )),
        (false, true) => Some((
            "zone",
            "there is a `zone` but no `closed` times",
            "add closed = [\"sun 02:00-04:00\"], or leave the zone out",
        )),
    };
    if let Some((key, message, help)) = missing {
        let fault = Fault::new(format!("{key}: {message}")).help(help);
        report.say_of(&section.key(key), fault);
    }
    let times = times?;
    if times.is_empty() {
        return None;
    }
    match Windows::new(&zone?, times) {
        Ok(windows) => Some(windows),
        Err(error) => {
            report.say_of(&section.key("closed"), error.into());
            None
        }
    }
}

fn breaker(section: &mut Section<'_>, report: &mut Report) -> Option<BreakerPolicy> {
    let mut section = section.section(report, "breaker")?;
    let failures = section.optional(report, "failures", |item| {
        values::whole(item, 1..=BREAKER_FAILURES_MAX)
    });
    let pause = section.optional(report, "pause", values::positive_duration);
    section.finish(report);
    Some(BreakerPolicy {
        failures: failures.unwrap_or(BREAKER.failures),
        pause: pause.unwrap_or(BREAKER.pause),
    })
}
