//! Secrets that name a destination of the configuration.

use super::*;
use crate::Retry;
use crate::config::Lookup;

/// What a secret with these fields says.
fn read(fields: &Value) -> Result<LookedUp> {
    let mut secret = json!({"kind": "destination", "destination": "archive"});
    let all = secret.as_object_mut().unwrap();
    for (name, value) in fields.as_object().unwrap() {
        all.insert(name.clone(), value.clone());
    }
    parse(&Secret::new(secret.to_string()))
}

fn lookup(destinations: &[&str]) -> Lookup {
    let minute = json!({"secs": 60, "nanos": 0});
    serde_json::from_value(json!({
        "name": "push/{path.0}",
        "store": "Node",
        "require_tags": {},
        "destinations": destinations,
        "limits": {
            "concurrency": 1,
            "bytes_per_second": null,
            "closed": null,
            "breaker": {"failures": 1, "pause": minute},
        },
    }))
    .unwrap()
}

#[test]
fn names_and_rules_are_as_for_servers() {
    let archive = LookedUpPlace::Destination(DestinationName::parse("archive").unwrap());
    let bare = LookedUp {
        place: archive.clone(),
        screen: Screen::default(),
        name: None,
    };
    assert_eq!(read(&json!({})).unwrap(), bare);
    // What a server would need is left alone.
    assert_eq!(read(&json!({"host": "sftp.example.org"})).unwrap(), bare);
    let found = read(&json!({"names": ["*.csv"], "max_size": 5, "remote_name": "{stem}-2.csv"}));
    let found = found.unwrap();
    assert_eq!(found.place, archive);
    assert_eq!(found.name.unwrap().as_str(), "{stem}-2.csv");
    assert!(found.screen.names[0].matches("a.csv"));
    assert_eq!(found.screen.max_size_bytes, Some(5));
    assert!(found.place.as_sftp().is_none());
}

#[test]
fn mistakes() {
    for (fields, names) in [
        (json!({"destination": null}), "no `destination`"),
        (json!({"destination": ["canary"]}), "`destination`"),
        // No path of this machine, and nothing that a route looked up.
        (json!({"destination": "/canary"}), "`destination`"),
        (json!({"destination": "../canary"}), "`destination`"),
        (json!({"destination": "push/canary"}), "`destination`"),
        (json!({"remote_dir": "canary"}), "`remote_dir`"),
        (json!({"remote_name": "canary}"}), "`remote_name`"),
        (json!({"types": []}), "`types`"),
    ] {
        let error = read(&fields).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.chain().contains(names), "{}", error.chain());
        assert!(!format!("{error:?} {:?}", error.remedy()).contains("canary"));
    }
}

#[test]
fn only_what_the_lookup_lists_is_allowed() {
    let found = read(&json!({})).unwrap();
    for allowed in [vec!["archive"], vec!["products", "archive"]] {
        let lookup = lookup(&allowed);
        assert!(found.check_allowed(&lookup).is_ok(), "{allowed:?}");
    }
    for others in [vec![], vec!["products"], vec!["archive-2", "Archive"]] {
        let refused = found.check_allowed(&lookup(&others)).unwrap_err();
        assert_eq!(
            (refused.kind(), refused.retry_verdict()),
            (Kind::Refused, Retry::Never)
        );
        assert_eq!(
            refused.public_message(),
            "the looked-up destination `archive` is not among those that the lookup allows; add it to the \
             lookup's `destinations`, or name another one"
        );
    }
    let server = parse(&with(&json!({}))).unwrap();
    assert!(server.check_allowed(&lookup(&[])).is_ok());
}
