//! Secrets that lead to a bucket.

use super::*;
use crate::config::{AwsAccess, S3Encryption};
use crate::name::Prefix;
use std::collections::BTreeMap;

/// What a secret with these fields leads to.
fn read(fields: &Value) -> Result<(S3Place, bool)> {
    let mut secret = json!({"kind": "bucket", "url": "s3://partner-in/from-us/"});
    let all = secret.as_object_mut().unwrap();
    for (name, value) in fields.as_object().unwrap() {
        all.insert(name.clone(), value.clone());
    }
    match parse(&Secret::new(secret.to_string()))?.place {
        LookedUpPlace::Bucket {
            place,
            owner_full_control,
        } => Ok((*place, owner_full_control)),
        other @ (LookedUpPlace::Destination(_) | LookedUpPlace::Sftp(_)) => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_refused(fields: &Value, names: &str) {
    let error = read(fields).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.chain().contains(names), "{}", error.chain());
    assert!(!format!("{error:?} {:?}", error.remedy()).contains("canary"));
}

#[test]
fn what_is_needed_and_what_is_otherwise() {
    let place = S3Place {
        bucket: "partner-in".to_owned(),
        prefix: Prefix::parse("from-us").unwrap(),
        access: AwsAccess::default(),
        path_style: false,
        encryption: S3Encryption::BucketDefault,
        checksums: true,
        tags: BTreeMap::new(),
    };
    assert_eq!(read(&json!({})).unwrap(), (place, false));
    let (whole, _) = read(&json!({"url": "s3://partner-in"})).unwrap();
    assert!(whole.prefix.is_root());
}

#[test]
fn every_field() {
    let fields = json!({
        "region": "eu-west-1",
        "endpoint": "https://s3.example.org:9000/",
        "role": "arn:aws:iam::123456789012:role/from-us",
        "external_id": "agreed upon",
        "profile": "of the node",
        "acl": "bucket-owner-full-control",
        "server_side_encryption": "kms",
        "kms_key_id": "alias/theirs",
    });
    let (place, owner_full_control) = read(&fields).unwrap();
    let access = AwsAccess {
        endpoint: Some("https://s3.example.org:9000".to_owned()),
        region: Some("eu-west-1".to_owned()),
        profile: None,
        role: Some("arn:aws:iam::123456789012:role/from-us".to_owned()),
        external_id: Some("agreed upon".to_owned()),
    };
    assert_eq!(place.access, access);
    assert!(owner_full_control);
    let key = S3Encryption::Kms(Some("alias/theirs".to_owned()));
    assert_eq!(place.encryption, key);
    assert!(place.path_style && !place.checksums, "not of AWS");
    let other = json!({"endpoint": "http://[::1]:9000", "path_style": "false", "checksums": true});
    let (other, _) = read(&other).unwrap();
    assert!(!other.path_style && other.checksums, "as it says");
}

#[test]
fn names_and_rules_are_as_for_servers() {
    let secret = json!({
        "kind": "bucket",
        "url": "s3://partner-in",
        "names": ["*.csv"],
        "remote_name": "{arrived:%Y}/{name}",
    });
    let found = parse(&Secret::new(secret.to_string())).unwrap();
    assert_eq!(found.name.unwrap().as_str(), "{arrived:%Y}/{name}");
    assert!(found.screen.names[0].matches("a.csv"));
    assert!(found.place.as_sftp().is_none());
}

#[test]
fn mistakes() {
    for (fields, names) in [
        (json!({"url": null}), "no `url`"),
        (json!({"url": ["canary"]}), "`url`"),
        (json!({"url": "canary"}), "`url`"),
        (json!({"url": "s3://"}), "`url`"),
        (json!({"url": "s3:///canary"}), "`url`"),
        (json!({"url": "s3://canary/../x"}), "`url`"),
        (json!({"url": "s3://canary//x"}), "`url`"),
        (json!({"url": "s3://user:canary@x"}), "`url`"),
        // Nothing that lies on the node, and nothing that this build may not have.
        (json!({"url": "file:///canary"}), "`url`"),
        (json!({"url": "/canary"}), "`url`"),
        (json!({"url": "gs://canary"}), "`url`"),
        (json!({"url": "az://canary"}), "`url`"),
        (json!({"endpoint": "canary.example.org"}), "`endpoint`"),
        (json!({"endpoint": "https://u:canary@s3"}), "`endpoint`"),
        (json!({"endpoint": "file:///canary"}), "`endpoint`"),
        (json!({"region": 7}), "`region`"),
        (json!({"role": {"canary": 1}}), "`role`"),
        (json!({"acl": "canary"}), "`acl`"),
        (json!({"path_style": "canary"}), "`path_style`"),
        (json!({"checksums": 1}), "`checksums`"),
        (
            json!({"server_side_encryption": "canary"}),
            "`server_side_encryption`",
        ),
        (json!({"kms_key_id": "canary"}), "`kms_key_id`"),
        (
            json!({"kms_key_id": "canary", "server_side_encryption": "s3"}),
            "`kms_key_id`",
        ),
        (json!({"remote_dir": "canary"}), "`remote_dir`"),
        (json!({"names": ["canary/*"]}), "`names`"),
    ] {
        check_refused(&fields, names);
    }
}
