//! `quaymaster metrics`: what the ledger counts now, as Prometheus reads it. Labels are names of the
//! configuration, states and outcomes, never files or partners' folders: what a route looks up is
//! counted under the route.

use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Ledger;
use super::account::explain;
use crate::system::SystemClock;
use qm_core::id::DestinationName;
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::{StateCount, TableCounts};

/// More dead events than this are counted as so many.
const DEAD_EVENTS_MAX: u32 = 10_000;

/// What is counted.
#[derive(Default)]
struct Numbers {
    deliveries: Vec<StateCount>,
    loads: Vec<TableCounts>,
    dead_events: usize,
    alerts_firing: usize,
    oldest_open_since: Option<Timestamp>,
}

pub(super) async fn run(ledger: &Ledger) -> anyhow::Result<()> {
    let ledger = ledger.open().await?;
    let dead_events = ledger.events(DEAD_EVENTS_MAX, Some(true)).await;
    let oldest = ledger.oldest_open().await.map_err(explain)?;
    let numbers = Numbers {
        deliveries: ledger.delivery_counts().await.map_err(explain)?,
        loads: ledger.load_counts().await.map_err(explain)?,
        dead_events: dead_events.map_err(explain)?.len(),
        alerts_firing: ledger.firing("").await.map_err(explain)?.len(),
        oldest_open_since: oldest.map(|oldest| oldest.created_at),
    };
    print!("{}", text(&numbers, SystemClock.now()));
    Ok(())
}

fn text(numbers: &Numbers, now: Timestamp) -> String {
    let mut text = String::new();
    let mut by_state: BTreeMap<(String, &str), u64> = BTreeMap::new();
    let mut dead: BTreeMap<String, u64> = BTreeMap::new();
    for count in &numbers.deliveries {
        let to = label(&count.destination);
        *dead.entry(to.clone()).or_default() += match count.state.as_str() {
            "dead" => count.count,
            _ => 0,
        };
        *by_state.entry((to, &count.state)).or_default() += count.count;
    }
    head(&mut text, "deliveries", "gauge", "Deliveries in a state.");
    for ((to, state), count) in by_state {
        let _ = writeln!(
            text,
            "quaymaster_deliveries{{destination=\"{to}\",state=\"{state}\"}} {count}"
        );
    }
    head(
        &mut text,
        "dead_letters",
        "gauge",
        "Deliveries that wait for a redrive.",
    );
    for (to, count) in dead {
        let _ = writeln!(
            text,
            "quaymaster_dead_letters{{destination=\"{to}\"}} {count}"
        );
    }
    let said = "Events from outside that could not be read and wait for a redrive.";
    head(&mut text, "dead_events", "gauge", said);
    let _ = writeln!(text, "quaymaster_dead_events {}", numbers.dead_events);
    loads(&mut text, &numbers.loads);
    head(
        &mut text,
        "alerts_firing",
        "gauge",
        "Alerts that are firing.",
    );
    let _ = writeln!(text, "quaymaster_alerts_firing {}", numbers.alerts_firing);
    let said = "How long the oldest open delivery has been open.";
    head(&mut text, "oldest_open_delivery_age_seconds", "gauge", said);
    let age = numbers
        .oldest_open_since
        .map_or(0, |since| now.duration_since(since).as_secs().max(0));
    let _ = writeln!(text, "quaymaster_oldest_open_delivery_age_seconds {age}");
    text
}

fn loads(text: &mut String, loads: &[TableCounts]) {
    head(text, "loads_total", "counter", "Loads that ended.");
    for one in loads {
        let to = label(&one.destination);
        let _ = writeln!(
            text,
            "quaymaster_loads_total{{destination=\"{to}\"}} {}",
            one.loads
        );
    }
    head(text, "rows_total", "counter", "Rows of loads that ended.");
    for one in loads {
        let (to, counts) = (label(&one.destination), one.counts);
        for (outcome, rows) in [
            ("inserted", counts.inserted),
            ("updated", counts.updated),
            ("unchanged", counts.unchanged),
            ("rejected", counts.rejected),
            ("superseded", counts.superseded),
        ] {
            let _ = writeln!(
                text,
                "quaymaster_rows_total{{destination=\"{to}\",outcome=\"{outcome}\"}} {rows}"
            );
        }
    }
}

fn head(text: &mut String, name: &str, kind: &str, said: &str) {
    let _ = writeln!(text, "# HELP quaymaster_{name} {said}");
    let _ = writeln!(text, "# TYPE quaymaster_{name} {kind}");
}

fn label(destination: &DestinationName) -> String {
    let name = match destination.as_looked_up() {
        Some((route, _)) => format!("{route}/*"),
        None => destination.to_string(),
    };
    name.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::id::RouteName;
    use qm_core::load::Counts;

    #[test]
    fn what_is_looked_up_is_one_label() {
        let route = RouteName::parse("push").unwrap();
        let count = |destination, state: &str, count| StateCount {
            destination,
            state: state.to_owned(),
            count,
        };
        let share = || DestinationName::parse("share").unwrap();
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let numbers = Numbers {
            deliveries: vec![
                count(DestinationName::looked_up(&route, "a"), "dead", 2),
                count(DestinationName::looked_up(&route, "b"), "dead", 3),
                count(share(), "delivered", 4),
            ],
            loads: vec![TableCounts {
                destination: share(),
                loads: 2,
                counts: Counts {
                    read: 5,
                    inserted: 4,
                    rejected: 1,
                    ..Counts::default()
                },
            }],
            dead_events: 1,
            alerts_firing: 6,
            oldest_open_since: Some("2026-11-20T11:59:00Z".parse().unwrap()),
        };
        let text = text(&numbers, now);
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                "quaymaster_deliveries{destination=\"push/*\",state=\"dead\"} 5",
                "quaymaster_deliveries{destination=\"share\",state=\"delivered\"} 4",
                "quaymaster_dead_letters{destination=\"push/*\"} 5",
                "quaymaster_dead_letters{destination=\"share\"} 0",
                "quaymaster_dead_events 1",
                "quaymaster_loads_total{destination=\"share\"} 2",
                "quaymaster_rows_total{destination=\"share\",outcome=\"inserted\"} 4",
                "quaymaster_rows_total{destination=\"share\",outcome=\"updated\"} 0",
                "quaymaster_rows_total{destination=\"share\",outcome=\"unchanged\"} 0",
                "quaymaster_rows_total{destination=\"share\",outcome=\"rejected\"} 1",
                "quaymaster_rows_total{destination=\"share\",outcome=\"superseded\"} 0",
                "quaymaster_alerts_firing 6",
                "quaymaster_oldest_open_delivery_age_seconds 60",
            ]
        );
    }
}
