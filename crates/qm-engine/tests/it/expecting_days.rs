use qm_core::config::Config;
use std::time::Duration;

use crate::settings::{add_account, add_expectation, config};
use crate::world::World;

fn expecting(on: &str) -> Config {
    let mut config = config();
    add_account(&mut config, "north");
    add_expectation(&mut config, "north", on);
    config
}

#[tokio::test(start_paused = true)]
async fn a_weekly_partner_raises_no_alert_on_the_other_days() {
    // From Monday; due on Fridays.
    let world = World::at("2026-11-16T08:00:00Z", expecting("weekly:fri"));
    world.settles().await;
    for day in 16..=19 {
        world.it_is(&format!("2026-11-{day}T23:59:00Z")).await;
        assert_eq!(world.slots().await, Vec::<String>::new(), "{day}");
    }
    world.it_is("2026-11-20T17:00:10Z").await;
    assert_eq!(world.slots().await, ["north 2026-11-20 missed"]);
    assert_eq!(world.mails("sre").len(), 1);
    // Any day of the week before the due time is in time.
    world.it_is("2026-11-24T10:00:00Z").await;
    world.arrives("landing/north/a.csv").await;
    world.it_is("2026-11-27T17:00:10Z").await;
    assert_eq!(
        world.slots().await,
        ["north 2026-11-20 late", "north 2026-11-27 met"]
    );
}

#[tokio::test(start_paused = true)]
async fn grace_is_waited_for() {
    let mut config = expecting("daily");
    add_expectation(&mut config, "north", "daily").grace = Duration::from_mins(30);
    let world = World::new(config);
    world.settles().await;
    world.it_is("2026-11-20T17:29:00Z").await;
    assert_eq!(world.slots().await, Vec::<String>::new());
    world.arrives("landing/north/a.csv").await;
    world.it_is("2026-11-20T17:30:10Z").await;
    assert_eq!(world.slots().await, ["north 2026-11-20 met"]);
}

/// Due at 17:00 in Dublin, whatever that is in UTC that day.
async fn check_change(day: &str, before: &str, after: &str) {
    let world = World::at(&format!("{day}T00:30:00Z"), expecting("daily"));
    world.settles().await;
    world.it_is(&format!("{day}T{before}Z")).await;
    assert_eq!(world.mails("sre").len(), 0, "{day} {before}");
    world.it_is(&format!("{day}T{after}Z")).await;
    assert_eq!(world.mails("sre").len(), 1, "{day} {after}");
    assert_eq!(world.slots().await, [format!("north {day} missed")]);
}

#[tokio::test(start_paused = true)]
async fn the_clock_changes_and_five_o_clock_stays_five_o_clock() {
    check_change("2026-03-28", "16:59:59", "17:00:05").await;
    check_change("2026-03-29", "15:59:59", "16:00:05").await;
    check_change("2026-10-24", "15:59:59", "16:00:05").await;
    check_change("2026-10-25", "16:59:59", "17:00:05").await;
}

#[tokio::test(start_paused = true)]
async fn a_due_time_that_the_change_skips_or_doubles_comes_once() {
    for (day, after) in [("2026-03-29", "01:00:05"), ("2026-10-25", "00:30:05")] {
        let mut config = expecting("daily");
        let expectation = add_expectation(&mut config, "north", "daily");
        expectation.due = "02:30".parse().unwrap();
        expectation.zone = "Europe/Berlin".to_owned();
        let world = World::at(&format!("{day}T00:00:00Z"), config);
        world.settles().await;
        world.it_is(&format!("{day}T{after}Z")).await;
        world.it_is(&format!("{day}T12:00:00Z")).await;
        assert_eq!(world.slots().await, [format!("north {day} missed")]);
        assert_eq!(world.mails("sre").len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn slots_that_passed_while_the_node_was_down_are_evaluated_once() {
    let mut world = World::at("2026-11-17T12:00:00Z", expecting("daily"));
    world.settles().await;
    world.arrives("landing/north/a.csv").await;
    world.settles().await;
    // Down from Tuesday noon to Friday evening.
    world.clock.set("2026-11-20T20:00:00Z".parse().unwrap());
    world.restarts();
    world.settles().await;
    world.restarts();
    world.settles().await;
    assert_eq!(
        world.slots().await,
        [
            "north 2026-11-17 met",
            "north 2026-11-18 missed",
            "north 2026-11-19 missed",
            "north 2026-11-20 missed",
        ]
    );
    let sent = world.notifier("sre").sent();
    assert_eq!(sent.len(), 3);
    for (message, date) in sent.iter().zip(["2026-11-18", "2026-11-19", "2026-11-20"]) {
        let lines: Vec<&str> = message.text.body.lines().collect();
        assert_eq!(
            lines,
            [
                &format!("No new files were uploaded to north on {date} by north"),
                "",
                &format!(
                    "This was evaluated late: at 2026-11-20T20:00:00Z instead of {date}T17:00:00Z."
                ),
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_expectation_begins_when_it_is_applied() {
    let world = World::at("2026-11-20T18:00:00Z", config());
    world.settles().await;
    world.applies(expecting("daily"));
    world.settles().await;
    assert_eq!(world.slots().await, Vec::<String>::new());
    world.it_is("2026-11-21T17:00:10Z").await;
    assert_eq!(world.slots().await, ["north 2026-11-21 missed"]);
}
