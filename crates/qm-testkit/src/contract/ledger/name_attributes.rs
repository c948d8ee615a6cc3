//! Attributes of files that their bucket cannot keep.

use jiff::Timestamp;
use qm_core::id::BucketName;
use qm_core::name::{ObjectPath, Prefix};
use qm_core::operation::{Change, NameChange};
use qm_core::ports::bucket::Attributes;
use qm_core::ports::ledger::Ledger;

use crate::ledger::sample::{alert, bucket, minute, path, publish, rename, run, version};

fn attributes(modified: Option<i64>, mode: Option<u32>) -> Attributes {
    Attributes {
        modified: modified.map(minute),
        mode,
    }
}

async fn set(ledger: &dyn Ledger, name: &str, identity: &str, attributes: Attributes) {
    let path = path(name);
    let set = ledger.set_name_attributes(&path, identity, attributes);
    set.await.unwrap();
}

async fn get(ledger: &dyn Ledger, name: &str) -> Option<(String, Attributes)> {
    ledger.name_attributes(&path(name)).await.unwrap()
}

/// What is not given stays, as long as it is the same file.
pub async fn attributes_belong_to_an_identity(ledger: &dyn Ledger) {
    assert_eq!(get(ledger, "a").await, None);
    let steps = [
        ("one", attributes(Some(1), None), attributes(Some(1), None)),
        (
            "one",
            attributes(None, Some(0o640)),
            attributes(Some(1), Some(0o640)),
        ),
        (
            "one",
            attributes(Some(2), None),
            attributes(Some(2), Some(0o640)),
        ),
        (
            "two",
            attributes(None, Some(0o600)),
            attributes(None, Some(0o600)),
        ),
        (
            "two",
            attributes(Some(3), None),
            attributes(Some(3), Some(0o600)),
        ),
        ("one", attributes(None, None), attributes(None, None)),
    ];
    for (identity, given, expect) in steps {
        set(ledger, "a", identity, given).await;
        let found = get(ledger, "a").await;
        assert_eq!(found, Some((identity.to_owned(), expect)), "{given:?}");
    }
    let past: Timestamp = "1969-12-31T23:59:59.5Z".parse().unwrap();
    let past = Attributes {
        modified: Some(past),
        mode: Some(0o7777),
    };
    set(ledger, "b", "", past).await;
    assert_eq!(get(ledger, "b").await, Some((String::new(), past)));
}

/// Files directly in the folder that are asked for, not those below, beside or in another bucket.
pub async fn attributes_of_a_folder(ledger: &dyn Ledger) {
    let names = [
        "top",
        "in/a",
        "in/b",
        "in/deep/c",
        "in0",
        "inn/d",
        "in/\u{10ffff}",
    ];
    for (mode, name) in (0..).zip(names) {
        set(ledger, name, name, attributes(None, Some(mode))).await;
    }
    let elsewhere = ObjectPath {
        bucket: BucketName::parse("elsewhere").unwrap(),
        key: path("in/e").key,
    };
    let other = ledger.set_name_attributes(&elsewhere, "e", Attributes::default());
    other.await.unwrap();
    let table: [(&str, &[&str]); 5] = [
        ("", &["in0", "top"]),
        ("in", &["a", "b", "\u{10ffff}"]),
        ("in/deep", &["c"]),
        ("inn", &["d"]),
        ("nothing", &[]),
    ];
    let asked = ["top", "a", "b", "c", "d", "e", "in0", "\u{10ffff}", "none"];
    for (folder, expect) in table {
        let folder = Prefix::parse(folder).unwrap();
        let found = ledger.name_attributes_in(&bucket(), &folder, &asked).await;
        let found = found.unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), expect, "{folder}");
        for (name, found) in found {
            let path = folder.join(&name).unwrap();
            assert_eq!(get(ledger, path.as_str()).await, Some(found));
        }
    }
    let folder = Prefix::parse("in").unwrap();
    for (asked, expect) in [(&["b", "none"][..], &["b"][..]), (&[], &[])] {
        let found = ledger.name_attributes_in(&bucket(), &folder, asked).await;
        assert_eq!(found.unwrap().keys().collect::<Vec<_>>(), expect);
    }
}

/// With the completed rename, not before; nothing is left under names that are gone.
pub async fn attributes_follow_a_rename_and_end_with_a_removal(ledger: &dyn Ledger) {
    run(ledger, publish("a", 1)).await;
    let (one, two) = (attributes(Some(1), None), attributes(Some(2), None));
    set(ledger, "a", "one", one).await;
    set(ledger, "in/b", "two", two).await;
    let operation = ledger.record(rename("a", "in/b", 1)).await.unwrap();
    assert_eq!(get(ledger, "in/b").await, Some(("two".to_owned(), two)));
    ledger.complete(&operation).await.unwrap();
    assert_eq!(get(ledger, "a").await, None);
    assert_eq!(get(ledger, "in/b").await, Some(("one".to_owned(), one)));
    run(ledger, rename("in/b", "in/b", 1)).await;
    assert_eq!(get(ledger, "in/b").await, Some(("one".to_owned(), one)));
    // A file without any takes the name: it does not inherit them.
    run(ledger, rename("x", "in/b", 2)).await;
    assert_eq!(get(ledger, "in/b").await, None);
    set(ledger, "in/b", "two", two).await;
    let remove = NameChange {
        change: Change::Remove,
        arrival: None,
        ..publish("in/b", 2)
    };
    let failing = ledger.record(remove.clone()).await.unwrap();
    ledger.fail(&failing, "no", alert("failed")).await.unwrap();
    assert!(get(ledger, "in/b").await.is_some());
    run(ledger, remove).await;
    assert_eq!(get(ledger, "in/b").await, None);

    set(ledger, "c", "one", one).await;
    let restore = NameChange {
        change: Change::Restore,
        ..publish("c", 3)
    };
    run(ledger, restore).await;
    assert_eq!(
        get(ledger, "c").await,
        None,
        "of the version that was there"
    );
    set(ledger, "d", "one", one).await;
    let audit = publish("d", 4).audit;
    let d = path("d");
    let found = ledger.found(&d, None, version(4), audit).await;
    assert!(found.unwrap().is_some());
    assert_eq!(
        get(ledger, "d").await,
        None,
        "somebody put another file there"
    );
}
