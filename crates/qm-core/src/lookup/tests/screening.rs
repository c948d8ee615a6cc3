//! What a secret says of the files that are taken.

use super::*;
use crate::file_type::FileType;

#[track_caller]
fn screen(fields: &Value) -> Screen {
    parse(&with(fields)).unwrap().screen
}

#[test]
fn every_rule_of_a_screen() {
    let all = json!({
        "pattern": "one.csv",
        "names": ["*.csv", "report-????.xls"],
        "regex": [r"[a-z]+\.json"],
        "types": ["CSV", "xls"],
        "min_size": 1,
        "max_size": "1KiB",
    });
    let glob = |text| NamePattern::glob(text).unwrap();
    let expect = Screen {
        names: vec![
            glob("one.csv"),
            glob("*.csv"),
            glob("report-????.xls"),
            NamePattern::regex(r"[a-z]+\.json").unwrap(),
        ],
        types: Some(
            ["csv", "xls"]
                .map(|text| FileType::parse(text).unwrap())
                .into(),
        ),
        min_size_bytes: 1,
        max_size_bytes: Some(1024),
        quarantine: None,
    };
    assert_eq!(screen(&all), expect);
}

/// As consoles of secret stores write what is no text.
#[test]
fn one_text_is_a_list_of_it_and_numbers_may_be_texts() {
    let texts = json!({"names": "*.csv", "types": "csv", "min_size": "7", "max_size": "8"});
    let lists = json!({"names": ["*.csv"], "types": ["csv"], "min_size": 7, "max_size": 8});
    assert_eq!(screen(&texts), screen(&lists));
    assert_eq!(screen(&lists).max_size_bytes, Some(8));
    let regex = json!({"regex": "a|b"});
    assert_eq!(
        screen(&regex).names,
        [NamePattern::regex("a|b").unwrap()],
        "it is one expression"
    );
}

#[test]
fn what_says_nothing_checks_nothing() {
    for nothing in [
        json!({}),
        json!({"names": [], "regex": "", "types": null, "min_size": 0, "pattern_type": "regex"}),
        // Of the route, whatever a secret says.
        json!({"quarantine": "rejected/{key}", "on_reject": "keep"}),
    ] {
        assert!(screen(&nothing).is_open(), "{nothing}");
    }
}

#[test]
fn mistakes() {
    let many = vec!["a"; 101];
    for (fields, names) in [
        (json!({"names": ["*.csv", "canary/*"]}), "`names`"),
        (json!({"names": [""]}), "`names`"),
        (json!({"names": 7}), "`names`"),
        (json!({"names": [["canary"]]}), "`names`"),
        (json!({"names": many}), "`names` of the secret has more"),
        (json!({"regex": ["a", "canary("]}), "`regex`"),
        (json!({"regex": many}), "`regex` of the secret has more"),
        (json!({"regex": {"canary": 1}}), "`regex`"),
        (
            json!({"types": []}),
            "`types` of the secret is an empty list",
        ),
        (json!({"types": [".canary"]}), "`types`"),
        (json!({"types": true}), "`types`"),
        (json!({"min_size": "canary"}), "`min_size`"),
        (json!({"min_size": -1}), "`min_size`"),
        (json!({"min_size": 1.5}), "`min_size`"),
        (json!({"max_size": "6TiB"}), "`max_size`"),
        (json!({"max_size": [1]}), "`max_size`"),
        (
            json!({"min_size": 2, "max_size": "1"}),
            "`max_size` of the secret is smaller than `min_size`",
        ),
    ] {
        check_refused(&fields, names);
    }
}
