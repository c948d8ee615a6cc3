use super::*;
use crate::Kind;
use crate::ports::ledger::RawEvent;
use proptest::prelude::*;

fn read(body: &str) -> Result<Notification> {
    read_below(body, "")
}

fn read_below(body: &str, prefix: &str) -> Result<Notification> {
    Notification::read(
        body,
        Watched {
            bucket: Some("landing"),
            prefix: &Prefix::parse(prefix).unwrap(),
        },
    )
}

/// What is seen, what is noted, what is not understood.
#[track_caller]
fn check(body: &Value, keys: &[&str], notes: usize, faults: usize) {
    let found = read(&body.to_string()).unwrap();
    let seen: Vec<&str> = found.sightings.iter().map(|s| s.key.as_str()).collect();
    assert_eq!(seen, keys, "{found:?}");
    assert_eq!(found.notes.len(), notes, "{found:?}");
    assert_eq!(found.faults.len(), faults, "{found:?}");
}

fn record(event: &str, bucket: &str, key: &str) -> Value {
    json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-2",
        "eventTime": "2026-11-20T10:00:00.000Z",
        "eventName": event,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": { "name": bucket, "arn": format!("arn:aws:s3:::{bucket}") },
            "object": {
                "key": key, "size": 12, "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko", "sequencer": "0055AED6DCD90281E5",
            },
        },
    })
}

fn records(list: &[Value]) -> Value {
    json!({ "Records": list })
}

fn bridge(kind: &str, bucket: &str, key: &str) -> Value {
    json!({
        "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": kind,
        "source": "aws.s3", "time": "2026-11-20T10:00:00Z",
        "detail": {
            "version": "0", "bucket": { "name": bucket },
            "object": {
                "key": key, "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184",
                "version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e", "sequencer": "00617F08299329D189",
            },
            "reason": "PutObject",
        },
    })
}

fn in_sns(message: &Value) -> Value {
    json!({
        "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-west-2:1:t",
        "Subject": "Amazon S3 Notification", "Message": message.to_string(),
    })
}

#[test]
fn every_shape() {
    let put = |key| record("ObjectCreated:Put", "landing", key);
    check(&records(&[put("a.csv")]), &["a.csv"], 0, 0);
    check(
        &records(&[put("my+file%2B1.csv")]),
        &["my file+1.csv"],
        0,
        0,
    );
    check(&records(&[put("k/")]), &["k/"], 0, 0);
    let two = records(&[
        record("ObjectCreated:CompleteMultipartUpload", "landing", "a"),
        record("s3:ObjectCreated:Copy", "landing", "b"),
    ]);
    check(&two, &["a", "b"], 0, 0);
    let minimal =
        json!({ "Records": [{ "s3": { "object": { "key": "x/pipeline_success.flag" } } }] });
    check(&minimal, &["x/pipeline_success.flag"], 0, 0);
    check(
        &bridge("Object Created", "landing", "my file+1%.csv"),
        &["my file+1%.csv"],
        0,
        0,
    );
    check(&in_sns(&two), &["a", "b"], 0, 0);
    check(
        &in_sns(&bridge("Object Created", "landing", "a")),
        &["a"],
        0,
        0,
    );
    check(&in_sns(&in_sns(&two)), &["a", "b"], 0, 0);
}

/// One that no source writes says nothing that could be left at a note.
#[test]
fn an_event_of_unknown_shape_has_an_invalid_source() {
    for body in [json!({}), json!({ "key1": "value1" })] {
        for body in [in_sns(&body), body] {
            let error = read(&body.to_string()).unwrap_err();
            assert_eq!(error.public_message(), "Invalid event source");
            assert_eq!(error.retry_verdict(), crate::Retry::Later);
        }
    }
}

#[test]
fn what_is_nothing_to_act_on_is_noted() {
    let test = json!({
        "Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-20T10:00:00.000Z",
        "Bucket": "landing", "RequestId": "r", "HostId": "h",
    });
    check(&test, &[], 1, 0);
    check(&in_sns(&test), &[], 1, 0);
    check(&json!({ "Records": [] }), &[], 1, 0);
    check(
        &json!({ "Type": "SubscriptionConfirmation", "Message": "x" }),
        &[],
        1,
        0,
    );
    check(&bridge("Object Deleted", "landing", "a"), &[], 1, 0);
    check(&bridge("Object Created", "other", "a"), &[], 1, 0);
    let mixed = records(&[
        record("LifecycleExpiration:Delete", "landing", "a"),
        record("ObjectCreated:Put", "other", "b"),
        record("ObjectCreated:Put", "landing", "c"),
    ]);
    check(&mixed, &["c"], 2, 0);
}

#[test]
fn removals_are_seen_and_what_the_store_itself_ends_is_not() {
    #[track_caller]
    fn check(body: &str, expect: &[(&str, bool)]) {
        let found = read(body).unwrap();
        let seen = found.sightings.iter();
        let seen: Vec<_> = seen.map(|s| (s.key.as_str(), s.is_removal)).collect();
        assert_eq!(seen, expect, "{found:?}");
    }
    let list = records(&[
        record("ObjectRemoved:Delete", "landing", "a"),
        record("s3:ObjectRemoved:DeleteMarkerCreated", "landing", "b"),
        record("ObjectCreated:Put", "landing", "c"),
        record("LifecycleExpiration:DeleteMarkerCreated", "landing", "d"),
    ]);
    check(&list.to_string(), &[("a", true), ("b", true), ("c", false)]);
    let mut deleted = bridge("Object Deleted", "landing", "a");
    deleted["detail"]["reason"] = "DeleteObject".into();
    check(&deleted.to_string(), &[("a", true)]);
    deleted["detail"]["reason"] = "Lifecycle Expiration".into();
    check(&deleted.to_string(), &[]);
    let ours = Sighting {
        key: "in/a b.csv".to_owned(),
        native_version: None,
        etag: None,
        size_bytes: None,
        sequencer: None,
        at: None,
        is_removal: true,
    };
    check(&ours.report(), &[("in/a b.csv", true)]);
}

#[test]
fn one_record_that_is_not_understood_hides_no_other() {
    let list = records(&[
        record("ObjectCreated:Put", "landing", "100%"),
        json!({ "s3": {} }),
        json!("text"),
        record("ObjectCreated:Put", "landing", "a"),
    ]);
    check(&list, &["a"], 0, 3);
    check(&json!({ "detail-type": "Object Created" }), &[], 0, 1);
}

#[test]
fn what_can_never_be_understood_is_refused() {
    let deep = "[".repeat(100_000);
    let deep = format!("{{\"Records\":{deep}}}");
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(RawEvent::BODY_BYTES_MAX));
    let mut nested = json!({ "Records": [] });
    for _ in 0..4 {
        nested = in_sns(&nested);
    }
    let nested = nested.to_string();
    for body in [
        "",
        "not json",
        "[]",
        "7",
        "{\"Records\": 7}",
        &deep,
        &long,
        &nested,
    ] {
        let kind = read(body).map_err(|error| error.kind());
        assert_eq!(kind, Err(Kind::Invalid));
    }
}

#[test]
fn only_our_part_of_the_store_counts() {
    let list = records(&[
        record("ObjectCreated:Put", "landing", "root/a.csv"),
        record("ObjectCreated:Put", "landing", "rooted/a.csv"),
        record("ObjectCreated:Put", "landing", "root/"),
        record("ObjectCreated:Put", "landing", "b.csv"),
    ]);
    let found = read_below(&list.to_string(), "root").unwrap();
    let seen: Vec<&str> = found.sightings.iter().map(|s| s.key.as_str()).collect();
    assert_eq!(seen, ["a.csv", ""]);
    assert_eq!(found.notes.len(), 2);
}

#[test]
fn everything_that_is_said_of_an_object_is_kept() {
    let body = records(&[record("ObjectCreated:Put", "landing", "a")]).to_string();
    let said = Sighting {
        is_removal: false,
        key: "a".to_owned(),
        native_version: Some("096fKKXTRTtl3on89fVO.nfljtsv6qko".to_owned()),
        etag: Some("d41d8cd98f00b204e9800998ecf8427e".to_owned()),
        size_bytes: Some(12),
        sequencer: Some("0055AED6DCD90281E5".to_owned()),
        at: Some("2026-11-20T10:00:00Z".parse().unwrap()),
    };
    assert_eq!(read(&body).unwrap().sightings, [said]);
    let body = bridge("Object Created", "landing", "a").to_string();
    let bridged = read(&body).unwrap().sightings.remove(0);
    assert_eq!(bridged.size_bytes, Some(5));
    assert_eq!(
        bridged.etag.as_deref(),
        Some("b1946ac92492d2347c6235b4d2611184")
    );
    assert!(bridged.native_version.is_some() && bridged.at.is_some());
}

proptest! {
    #[test]
    fn our_own_report_says_what_was_seen(
        key in "\\PC{0,40}", size in proptest::option::of(any::<u64>()), identity in "\\PC{0,20}",
    ) {
        let seen = Sighting {
            is_removal: false,
            key,
            native_version: None,
            etag: Some(identity),
            size_bytes: size,
            sequencer: None,
            at: Some("2026-11-20T10:00:00.123456Z".parse().unwrap()),
        };
        // Our keys do not have the prefix that the bucket has in the store.
        let found = read_below(&seen.report(), "root").unwrap();
        prop_assert_eq!(found.sightings, vec![seen]);
    }

    #[test]
    fn nothing_that_is_sent_breaks_the_reader(body in "\\PC{0,200}") {
        let _ = read(&body);
        let _ = read(&json!({ "Records": [{ "s3": { "object": { "key": body } } }] }).to_string());
    }
}
