//! Statements that run for every file or on every scan must find their rows by an index, whatever
//! the number of rows. There are no statistics, so a plan is the same for ten and for a million.

use rusqlite::Connection;

use crate::sqlite::{
    alerts, arrivals, attempts, current_names, deliveries, departures, finished, inbox, kept, line,
    loads, measures, migrate, name_attributes, operations, overtaking, slots,
};

/// Small by themselves: what is pending, lists given with the call.
const SCANS_ALLOWED: [&str; 7] = [
    "SCAN CONSTANT ROW",
    // Rows up to a limit.
    "SCAN (subquery-1)",
    // One row a destination, one a state.
    "SCAN destinations",
    "SCAN c",
    "SCAN json_each VIRTUAL TABLE INDEX 1:",
    "SCAN p",
    "SCAN pending_names",
];

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap();
    let count = statement.parameter_count();
    let nulls = vec![rusqlite::types::Null; count];
    let rows = statement
        .query_map(rusqlite::params_from_iter(nulls), |row| row.get(3))
        .unwrap();
    rows.map(Result::unwrap).collect()
}

/// The plan uses these indexes, sorts only where that is said, and reads no table from end to
/// end. A partial index may be read from end to end: it holds only what is to be done.
#[track_caller]
fn check(connection: &Connection, sql: &str, indexes: &[&str], sorts: bool) {
    let plan = plan(connection, sql);
    let words = format!("{sql}\n{plan:#?}");
    for index in indexes {
        let is_used = plan.iter().any(|step| {
            let mut parts = step.split_whitespace();
            parts.any(|part| part == *index)
        });
        assert!(is_used, "{index} is not used by {words}");
    }
    for step in &plan {
        let is_scan = step.starts_with("SCAN")
            && !SCANS_ALLOWED.contains(&step.as_str())
            && !PARTIAL.iter().any(|index| step.ends_with(index));
        assert!(!is_scan, "{step} in {words}");
    }
    let is_sorted = plan.iter().any(|step| step.contains("TEMP B-TREE"));
    assert_eq!(is_sorted, sorts, "{words}");
}

/// Indexes of rows that wait for something.
const PARTIAL: [&str; 12] = [
    "operations_departures",
    "arrivals_outbox",
    "current_names_hidden",
    "inbox_dead",
    "inbox_waiting",
    "deliveries_finished",
    "deliveries_next",
    "deliveries_running",
    "deliveries_overtaken",
    "notifications_waiting",
    "notifications_dead",
    "slots_cutoff",
];

fn migrated() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate::migrate(&mut connection, migrate::MIGRATIONS).unwrap();
    connection
}

fn columns<T: rusqlite::types::FromSql>(connection: &Connection, sql: &str, at: usize) -> Vec<T> {
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(at)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// As a CHECK with a list of three words does: three times the price of a small statement.
#[test]
fn no_rule_of_a_table_makes_a_table_for_each_row() {
    let c = &migrated();
    let tables: Vec<String> = columns(c, "PRAGMA table_list", 1);
    let own = tables.iter().filter(|name| !name.starts_with("sqlite_"));
    for table in own {
        let names: Vec<String> = columns(c, &format!("PRAGMA table_info ({table})"), 1);
        let places = vec!["?"; names.len()].join(", ");
        let insert = format!("EXPLAIN INSERT INTO {table} VALUES ({places})");
        let mut statement = c.prepare(&insert).unwrap();
        let nulls = rusqlite::params_from_iter(vec![rusqlite::types::Null; names.len()]);
        let steps = statement.query_map(nulls, |row| row.get(1)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert!(
            !steps.iter().any(|step| step == "OpenEphemeral"),
            "a CHECK or an index of {table} does: {steps:?}"
        );
    }
}

/// The rules were put in other words where they stand: the rows of before pass them, others do not.
#[test]
fn rules_in_other_words_hold_for_the_rows_of_before() {
    let mut c = Connection::open_in_memory().unwrap();
    let (before, after) = migrate::MIGRATIONS.split_at(3);
    migrate::migrate(&mut c, before).unwrap();
    let add = |c: &Connection, decision: &str| {
        let sql = "INSERT INTO audit (at, actor, activity, subject, decision)
             VALUES (1, 'a', 'b', 'c', ?1)";
        c.execute(sql, [decision])
    };
    for decision in ["allowed", "denied", "failed"] {
        add(&c, decision).unwrap();
    }
    assert!(!after.is_empty());
    migrate::migrate(&mut c, migrate::MIGRATIONS).unwrap();
    add(&c, "denied").unwrap();
    add(&c, "perhaps").unwrap_err();
    assert_eq!(columns::<i64>(&c, "SELECT count(*) FROM audit", 0), [4]);
    assert_eq!(columns::<String>(&c, "PRAGMA integrity_check", 0), ["ok"]);
}

#[test]
fn arrivals_and_names() {
    let c = &migrated();
    check(c, arrivals::UNROUTED, &["arrivals_outbox"], false);
    check(c, arrivals::ORIGINAL, &["arrivals_content"], false);
    check(c, arrivals::BETWEEN, &["arrivals_time"], true);
    check(
        c,
        kept::IS_NEEDED,
        &["arrivals_unrouted", "deliveries_version"],
        false,
    );
    check(c, current_names::CURRENT, &[], false);
    check(c, current_names::HIDDEN, &["current_names_hidden"], false);
    check(c, operations::PENDING, &[], false);
}

#[test]
fn kept_versions() {
    let c = &migrated();
    check(c, kept::KEPT, &["kept_versions_name"], false);
    check(c, kept::RELEASING, &["kept_versions_state"], false);
    let candidates = [
        "kept_versions_state",
        "kept_names_versions",
        "kept_versions_name",
        "arrivals_unrouted",
        "deliveries_version",
    ];
    check(c, kept::CANDIDATES, &candidates, false);
}

#[test]
fn events_and_attributes() {
    let c = &migrated();
    check(c, inbox::DUE, &["inbox_waiting"], false);
    check(c, inbox::NEXT, &["inbox_waiting"], false);
    check(c, inbox::DEAD, &["inbox_dead"], false);
    check(c, inbox::PURGE, &["inbox_dead"], false);
    check(c, inbox::FORGET, &["inbox_done"], false);
    check(c, name_attributes::OF_ONE, &[], false);
}

#[test]
fn deliveries_in_line() {
    let c = &migrated();
    check(c, line::PROMOTE, &["deliveries_later"], false);
    check(c, line::LINE, &["deliveries_line"], false);
    check(
        c,
        line::IS_BEHIND,
        &["deliveries_running", "deliveries_waiting"],
        false,
    );
    check(
        c,
        line::MOVE_UP,
        &["deliveries_waiting", "deliveries_independent"],
        false,
    );
    let next = [
        "deliveries_next",
        "deliveries_running",
        "deliveries_waiting",
    ];
    check(c, line::NEXT_READY, &next, false);
    check(c, line::WAITING_AT, &["deliveries_next"], false);
}

#[test]
fn attempts_and_what_follows_them() {
    let c = &migrated();
    check(c, attempts::FINISH, &["deliveries_after"], false);
    check(c, attempts::END, &[], false);
    check(c, attempts::HAS_INTERRUPTED, &["deliveries_running"], false);
    check(c, attempts::TAKE_OVER, &["deliveries_running"], false);
    let mark = ["deliveries_after", "deliveries_version"];
    check(c, finished::MARK, &mark, false);
    let needed = [
        "deliveries_finished",
        "arrivals_unrouted",
        "deliveries_version",
    ];
    check(c, finished::FINISHED, &needed, false);
    check(c, deliveries::OLDEST_WAITING, &["deliveries_aging"], false);
    check(c, deliveries::OLDEST_OPEN, &["deliveries_state"], false);
}

#[test]
fn loads_and_what_alarms_count() {
    let c = &migrated();
    check(c, attempts::IS_HELD_BACK, &["attempts_begun"], false);
    check(c, attempts::BEGIN, &["deliveries_running"], false);
    check(c, loads::RECORD, &[], false);
    check(c, loads::OF_DELIVERY, &[], false);
    check(c, loads::OF_DESTINATION, &["loads_destination"], false);
    check(c, measures::ATTEMPTS, &["attempts_begun"], false);
    check(c, measures::FAILURES, &["attempts_failed"], false);
    check(c, measures::HELD_BACK, &["attempts_held_back"], false);
    check(c, measures::DURATION, &["loads_ended"], false);
    let running = ["attempts_begun", "deliveries_running"];
    check(c, measures::RUNNING, &running, false);
}

#[test]
fn deliveries_and_what_overtakes_them() {
    let c = &migrated();
    check(c, overtaking::OVERTAKE, &["deliveries_newest"], false);
    check(c, overtaking::IS_OVERTAKEN, &["deliveries_target"], false);
    let supersede = ["deliveries_overtaken", "deliveries_target"];
    check(c, overtaking::SUPERSEDE, &supersede, false);
    check(c, overtaking::IS_HELD, &[], false);
    check(c, overtaking::IS_LATEST, &["deliveries_target"], false);
}

#[test]
fn departures_and_what_follows() {
    let c = &migrated();
    let outbox = ["operations_departures", "arrivals_unrouted"];
    check(c, departures::DEPARTURES, &outbox, false);
    let copies = [
        "deliveries_version",
        "deliveries_target",
        "arrivals_restored",
    ];
    check(c, departures::COPIES_OF, &copies, false);
    check(c, departures::COPIES, &["deliveries_target"], false);
    check(c, departures::GIVE_UP, &["deliveries_after"], false);
    check(c, departures::REMOVE, &["deliveries_target"], false);
}

#[test]
fn alerts_and_slots() {
    let c = &migrated();
    check(c, alerts::DUE, &["notifications_waiting"], true);
    check(c, alerts::IS_DUE, &["notifications_waiting"], false);
    check(c, alerts::NEXT, &["notifications_waiting"], false);
    check(c, alerts::FIRING, &["alerts_firing"], false);
    check(c, slots::MISSED, &[], false);
    check(c, slots::LAST, &["slots_cutoff"], false);
}
