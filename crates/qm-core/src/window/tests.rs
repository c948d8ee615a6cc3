use super::*;
use proptest::prelude::*;

fn windows(zone: &str, times: &[&str]) -> Result<Windows> {
    let times = times.iter().map(|text| Window::parse(text).unwrap());
    Windows::new(zone, times.collect())
}

#[track_caller]
fn check(zone: &str, times: &[&str], now: &str, expect: Option<&str>) {
    let over = windows(zone, times).unwrap().over_at(now.parse().unwrap());
    assert_eq!(
        over.map(|at| at.to_string()).as_deref(),
        expect,
        "{times:?}"
    );
}

#[test]
fn inside_and_outside() {
    // 2026-06-07 is a Sunday, Dublin an hour ahead.
    let sunday = &["sun 02:00-04:00"];
    let over = Some("2026-06-07T03:00:00Z");
    check("Europe/Dublin", sunday, "2026-06-07T00:59:59Z", None);
    check("Europe/Dublin", sunday, "2026-06-07T01:00:00Z", over);
    check("Europe/Dublin", sunday, "2026-06-07T02:59:59Z", over);
    check("Europe/Dublin", sunday, "2026-06-07T03:00:00Z", None);
    check("Europe/Dublin", sunday, "2026-06-08T01:30:00Z", None);
    check("UTC", &[], "2026-06-08T01:30:00Z", None);
    let weekly = &["weekly:sun 02:00-04:00"];
    check("Europe/Dublin", weekly, "2026-06-07T01:00:00Z", over);
}

#[test]
fn over_midnight_and_touching() {
    let night = &["fri 23:30-00:30"];
    let over = Some("2026-06-06T00:30:00Z");
    check("UTC", night, "2026-06-05T23:30:00Z", over);
    check("UTC", night, "2026-06-06T00:10:00Z", over);
    check("UTC", night, "2026-06-06T23:45:00Z", None);
    let weekend = &["sat,sun 00:00-24:00", "fri 22:00-24:00", "mon 00:00-06:00"];
    let monday = Some("2026-06-08T06:00:00Z");
    check("UTC", weekend, "2026-06-05T22:00:00Z", monday);
    check("UTC", weekend, "2026-06-07T12:00:00Z", monday);
    let overlapping = &["daily 01:00-03:00", "daily 02:00-02:30"];
    let three = Some("2026-06-07T03:00:00Z");
    check("UTC", overlapping, "2026-06-07T02:10:00Z", three);
}

#[test]
fn nights_when_clocks_change() {
    let ny = "America/New_York";
    let skipped = &["daily 02:00-03:00"];
    check(ny, skipped, "2026-03-08T06:59:59Z", None);
    check(ny, skipped, "2026-03-08T07:00:00Z", None);
    let two_hours = &["daily 01:30-03:30"];
    let over = Some("2026-03-08T07:30:00Z");
    check(ny, two_hours, "2026-03-08T06:30:00Z", over);
    // 01:00 to 02:00 happens twice: it is in both.
    let twice = &["daily 01:00-01:30"];
    let second = Some("2026-11-01T06:30:00Z");
    check(ny, twice, "2026-11-01T05:10:00Z", second);
    check(ny, twice, "2026-11-01T06:10:00Z", second);
    check(ny, twice, "2026-11-01T06:30:00Z", None);
}

#[test]
fn what_is_not_a_time_of_the_week() {
    for text in [
        "",
        "sun",
        "02:00-04:00",
        "sunday 02:00-04:00",
        "sun 2:00-4:00",
        "sun 02:00",
        "sun 02:00-02:00",
        "sun 24:00-02:00",
        "sun 02:60-04:00",
        "sun 02:00-24:01",
        "sun 02:00-04:00 UTC",
    ] {
        let parsed = Window::parse(text);
        assert_eq!(parsed.map_err(|e| e.kind()), Err(Kind::Invalid), "{text}");
    }
    assert!(windows("Europe/Nowhere", &["sun 02:00-04:00"]).is_err());
    assert!(windows("UTC", &["daily 00:00-24:00"]).is_err());
    assert!(windows("UTC", &["daily 06:00-18:00", "daily 18:00-06:00"]).is_err());
    assert!(windows("UTC", &["daily 06:00-18:00", "daily 18:01-06:00"]).is_ok());
}

#[test]
fn a_revision_keeps_them_as_written() {
    let written = windows("Europe/Dublin", &["sun 02:00-04:00"]).unwrap();
    let text = serde_json::to_string(&written).unwrap();
    assert_eq!(
        text,
        r#"{"zone":"Europe/Dublin","times":["sun 02:00-04:00"]}"#
    );
    assert_eq!(serde_json::from_str::<Windows>(&text).unwrap(), written);
    let wrong = text.replace("sun", "son");
    assert!(serde_json::from_str::<Windows>(&wrong).is_err());
}

proptest! {
    #[test]
    fn when_it_is_over_it_is_over(
        seconds in 1_700_000_000_i64..1_900_000_000,
        zone in prop::sample::select(vec!["UTC", "Europe/Dublin", "Africa/Cairo", "Australia/Lord_Howe"]),
        times in prop::collection::vec((0_u16..7, 0_u16..96, 1_u16..96), 0..12),
    ) {
        let times = times.into_iter().map(|(day, quarter, length)| {
            let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][usize::from(day)];
            let (from, to) = (quarter * 15, (quarter + length) % 96 * 15);
            let text = format!("{day} {:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60);
            Window::parse(&text).unwrap()
        });
        let Ok(windows) = Windows::new(zone, times.collect()) else { return Ok(()) };
        let now = Timestamp::from_second(seconds).unwrap();
        if let Some(over) = windows.over_at(now) {
            prop_assert!(over > now);
            prop_assert_eq!(windows.over_at(over), None);
            let before = over - jiff::SignedDuration::from_secs(1);
            prop_assert_eq!(windows.over_at(before.max(now)), Some(over));
        }
    }
}
