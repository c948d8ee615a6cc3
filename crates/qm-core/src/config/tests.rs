use super::*;
use serde_json::json;

/// A route to a destination, and one that looks its destination up.
fn config() -> Config {
    let second = json!({"secs": 1, "nanos": 0});
    let limits = |concurrency: u32| {
        json!({
            "concurrency": concurrency,
            "bytes_per_second": null,
            "closed": {"zone": "Europe/Dublin", "times": ["sun 02:00-04:00"]},
            "breaker": {"failures": 5, "pause": second},
        })
    };
    let route = |name: &str, deliver: serde_json::Value| {
        json!({
            "name": name,
            "arrives": "staging/**",
            "deliver": deliver,
            "screen": {
                "names": [{"glob": "*.csv"}],
                "types": null,
                "min_size_bytes": 0,
                "max_size_bytes": null,
                "quarantine": "quarantine/{key}",
            },
            "retry": [],
            "max_age": null,
            "on_failure": "Independent",
            "min_size_bytes": 0,
            "after": {"Move": "sent/{arrived:%Y}/{key}"},
            "alert": [],
        })
    };
    let lookup = json!({
        "name": "sftp/{path.0}",
        "store": "Node",
        "require_tags": {"service": "push"},
        "limits": limits(2),
    });
    serde_json::from_value(json!({
        "node": {
            "data": "data",
            "secrets": null,
            "encryption_keys": "keys",
            "alert": [],
            "partial_kept": second,
            "partial_alert_after": second,
            "dead_letters_alert": null,
            "undelivered_alert_after": null,
            "dead_letters_kept": null,
            "ledger": "Sqlite",
        },
        "sftp": {
            "address": "127.0.0.1:0",
            "connections_max": 1,
            "connections_per_account_max": 1,
            "idle": second,
            "host_key": null,
        },
        "buckets": {},
        "encryption_keys": {},
        "accounts": {},
        "expectations": {},
        "notifiers": {},
        "routes": {
            "push": route("push", json!({"LookUp": lookup})),
            "copy": route("copy", json!({"To": ["out"]})),
        },
        "destinations": {
            "out": {
                "place": {"Bucket": {"bucket": "b", "prefix": "", "owner_full_control": false}},
                "name": null,
                "strip": "",
                "limits": limits(1),
                "alarms": {
                    "rules": [{"metric": "Failures", "at_least": 2, "window": second}],
                    "tell": ["sre"],
                },
            },
        },
    }))
    .unwrap()
}

#[test]
fn limits_of_destinations_that_are_named_and_that_are_looked_up() {
    let config = config();
    let concurrency = |name: DestinationName| {
        let limits = config.destination_limits(&name);
        limits.map(|limits| limits.concurrency)
    };
    let looked_up = |route: &str| {
        let route = RouteName::parse(route).unwrap();
        concurrency(DestinationName::looked_up(&route, "sftp/acme"))
    };
    assert_eq!(concurrency(DestinationName::parse("out").unwrap()), Some(1));
    assert_eq!(concurrency(DestinationName::parse("gone").unwrap()), None);
    assert_eq!(looked_up("push"), Some(2));
    assert_eq!(looked_up("copy"), None, "it looks nothing up any more");
    assert_eq!(looked_up("gone"), None);
}

#[test]
fn a_revision_is_read_as_it_was_written() {
    let config = config();
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config);
}
