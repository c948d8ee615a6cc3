//! Alarms on destinations, and how long dead letters are kept.

use qm_core::alarm::{Alarm, Alarms, Metric};
use std::time::Duration;

use super::{messages, right};

const DIRECTORY: &str = "kind = \"directory\"\npath = \"/mnt/share\"";
const TABLE: &str = "kind = \"sqlite\"\npath = \"/srv/t.sqlite\"\ntable = \"t\"\nmode = \"append\"\n\
                     declaration = \"rows\"";

fn config(node: &str, destination: &str) -> String {
    config_of(DIRECTORY, node, destination)
}

fn config_of(place: &str, node: &str, destination: &str) -> String {
    format!(
        "[node]\ndata = \"data\"\n{node}\n\
         [notifier.sre]\nkind = \"email\"\nto = [\"sre@example.org\"]\nfrom = \"q@example.org\"\n\
         host = \"mail.example.org\"\n\
         [declaration.rows.column.id]\n\
         [destination.share]\n{place}\n{destination}\n"
    )
}

fn alarms(destination: &str) -> Alarms {
    alarms_of(TABLE, destination)
}

fn alarms_of(place: &str, destination: &str) -> Alarms {
    let config = right(&config_of(place, "", destination));
    let mut destinations = config.destinations.into_values();
    destinations.next().unwrap().alarms
}

#[test]
fn a_preset_and_what_takes_its_place() {
    assert_eq!(alarms(""), Alarms::default());
    let preset = alarms("alarms = \"lambda\"\nalarm_to = [\"sre\"]");
    assert_eq!(preset.rules, Alarm::lambda());
    let shown: Vec<(&str, u64, u64)> = preset
        .rules
        .iter()
        .map(|rule| (rule.metric.as_str(), rule.at_least, rule.window.as_secs()))
        .collect();
    assert_eq!(
        shown,
        [
            ("attempts", 5, 900),
            ("failures", 2, 900),
            ("held_back", 3, 600),
            ("duration", 500, 900),
            ("running", 3, 60),
        ]
    );
    assert_eq!(preset.tell.len(), 1);
    let other = "[[destination.share.alarm]]\nmetric = \"failures\"\nat_least = 7\nwindow = \"1h\"";
    let mine = Alarm {
        metric: Metric::Failures,
        at_least: 7,
        window: Duration::from_hours(1),
    };
    assert_eq!(alarms(other).rules, std::slice::from_ref(&mine));
    let both = alarms(&format!("alarms = \"lambda\"\n{other}")).rules;
    assert_eq!(both.len(), 5);
    assert_eq!(both.last(), Some(&mine));
}

#[test]
fn where_no_rows_are_loaded_nobody_waits_for_any() {
    let metrics: Vec<Metric> = alarms_of(DIRECTORY, "alarms = \"lambda\"")
        .rules
        .iter()
        .map(|rule| rule.metric)
        .collect();
    assert_eq!(
        metrics,
        [
            Metric::Attempts,
            Metric::Failures,
            Metric::HeldBack,
            Metric::Running
        ]
    );
    let alarm =
        "[[destination.share.alarm]]\nmetric = \"duration\"\nat_least = 500\nwindow = \"15m\"";
    let said = messages(&config("", alarm)).concat();
    let fault = "metric: `duration` is of a thousand rows, and this destination loads none\n  help: put the alarm on \
                 a destination that is a table, or watch `running` here";
    assert!(
        said.starts_with("quaymaster.toml:14:") && said.ends_with(fault),
        "{said}"
    );
    assert_eq!(alarms(alarm).rules.len(), 1);
}

#[test]
fn mistakes_about_alarms() {
    let one = |lines: &str| format!("[[destination.share.alarm]]\n{lines}");
    for (text, expect) in [
        (
            "alarms = \"other\"".to_owned(),
            "alarms: `other` is not known here",
        ),
        (
            "alarm_to = [\"sre\"]".to_owned(),
            "alarm_to: there is no alarm",
        ),
        ("alarm = \"lambda\"".to_owned(), "alarm: a list is needed"),
        (
            "alarm = [\"lambda\"]".to_owned(),
            "alarm: a table is needed",
        ),
        (
            one("metric = \"failures\"\nwindow = \"15m\""),
            "[destination.share.alarm] needs `at_least`",
        ),
        (
            one("metric = \"sum\"\nat_least = 1\nwindow = \"15m\""),
            "metric: `sum` is not known here",
        ),
        (
            one("metric = \"failures\"\nat_least = 1001\nwindow = \"15m\""),
            "at_least: 1001 is out of range",
        ),
        (
            one("metric = \"failures\"\nat_least = 1\nwindow = \"9s\""),
            "window: an alarm looks back from 10 seconds to a day",
        ),
        (
            one("metric = \"failures\"\nat_least = 1\nwindow = \"25h\""),
            "window: an alarm looks back from 10 seconds to a day",
        ),
        (
            one("metric = \"failures\"\nat_least = 1\nwindow = \"15m\"\nsum = 1"),
            "unknown key `sum` in [destination.share.alarm]",
        ),
    ] {
        let said = messages(&config("", &text));
        assert!(
            said.len() == 1 && said[0].contains(expect),
            "{text}: {said:?}"
        );
    }
}

#[test]
fn dead_letters_are_told_of_before_they_are_purged() {
    let said = |node: &str| messages(&config(node, ""));
    assert!(said("dead_letters_alert_after = \"3d\"").is_empty());
    assert!(said("dead_letters_alert_after = \"9d\"\ndead_letters_kept = \"forever\"").is_empty());
    let never = said("dead_letters_alert_after = \"4d\"");
    assert!(
        never.len() == 1 && never[0].contains("dead letters are purged before"),
        "{never:?}"
    );
}

#[test]
fn dead_letters_wait_four_days_unless_told_otherwise() {
    let kept = |node: &str| right(&config(node, "")).node.dead_letters_kept;
    assert_eq!(kept(""), Some(Duration::from_hours(4 * 24)));
    assert_eq!(
        kept("dead_letters_kept = \"14d\""),
        Some(Duration::from_hours(14 * 24))
    );
    assert_eq!(kept("dead_letters_kept = \"forever\""), None);
    for wrong in ["\"0s\"", "\"never\"", "4"] {
        let said = messages(&config(&format!("dead_letters_kept = {wrong}"), ""));
        assert!(
            said.len() == 1
                && said[0].contains("dead_letters_kept: ")
                && said[0].contains("forever"),
            "{wrong}: {said:?}"
        );
    }
}
