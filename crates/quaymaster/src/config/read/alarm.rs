//! What somebody is told of that the numbers of a destination say.

use qm_core::alarm::{Alarm, Alarms, Metric};
use std::time::Duration;

use super::{Context, notifier_name};
use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
use crate::config::tree::Item;
use crate::config::values;

/// Looked at every ten seconds: a shorter window would be over before anybody looks.
const WINDOW_MIN: Duration = Duration::from_secs(10);
/// What is older has nothing to say about now, and would be many rows.
const WINDOW_MAX: Duration = Duration::from_hours(24);
/// A thousand rows that take an hour.
const DURATION_MAX: u32 = 3_600_000;

/// Whether rows are counted there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rows {
    Loaded,
    /// Files stay what they are.
    None,
}

/// Keys `alarms`, `alarm` and `alarm_to` of a destination.
pub(super) fn alarms(
    section: &mut Section<'_>,
    rows: Rows,
    context: &Context<'_>,
    report: &mut Report,
) -> Alarms {
    let preset = section.optional(report, "alarms", |item| {
        values::word(item, &[("lambda", ())])
    });
    let mut rules = preset.map_or_else(Vec::new, |()| Alarm::lambda());
    // The preset is what fits the destination.
    rules.retain(|rule| rows == Rows::Loaded || rule.metric != Metric::Duration);
    for mut one in section.tables(report, "alarm") {
        if let Some(alarm) = alarm(&mut one, rows, report) {
            // What is said of a metric takes the place of what the preset says.
            rules.retain(|rule| rule.metric != alarm.metric);
            rules.push(alarm);
        }
        one.finish(report);
    }
    let tell = section.list(report, "alarm_to", |item| {
        notifier_name(item, &context.names)
    });
    if tell.is_some() && rules.is_empty() {
        let fault = Fault::new("alarm_to: there is no alarm that anybody could be told of")
            .help("add alarms = \"lambda\", or leave it out");
        report.say_of(&section.key("alarm_to"), fault);
    }
    Alarms {
        rules,
        tell: tell.unwrap_or_default(),
    }
}

fn alarm(section: &mut Section<'_>, rows: Rows, report: &mut Report) -> Option<Alarm> {
    let words = Metric::ALL.map(|metric| (metric.as_str(), metric));
    let metric = section.required(report, "metric", |item| values::word(item, &words));
    if metric == Some(Metric::Duration) && rows == Rows::None {
        let fault =
            Fault::new("metric: `duration` is of a thousand rows, and this destination loads none")
                .help("put the alarm on a destination that is a table, or watch `running` here");
        report.say_of(&section.key("metric"), fault);
    }
    let most = match metric {
        Some(Metric::Duration) => DURATION_MAX,
        Some(Metric::Attempts | Metric::Failures | Metric::HeldBack | Metric::Running) | None => {
            Metric::COUNTED_MAX
        }
    };
    let at_least = section.required(report, "at_least", |item| values::whole(item, 1..=most));
    let window = section.required(report, "window", window);
    Some(Alarm {
        metric: metric?,
        at_least: at_least?.into(),
        window: window?,
    })
}

fn window(item: &Item) -> Result<Duration, Fault> {
    let window = values::positive_duration(item)?;
    if !(WINDOW_MIN..=WINDOW_MAX).contains(&window) {
        return Err(Fault::new("an alarm looks back from 10 seconds to a day")
            .help("for example window = \"15m\""));
    }
    Ok(window)
}
