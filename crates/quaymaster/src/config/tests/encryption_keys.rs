//! `[encryption_key.NAME]`, and where their material lies.

use qm_core::config::{Config, EncryptionKey};
use std::path::Path;
use std::time::Duration;

use super::{messages, right};

fn config(key: &str) -> String {
    format!(
        "[node]\ndata = \"data\"\n\
         [bucket.b]\nurl = \"file:///srv/b\"\nencryption_key = \"k\"\n\
         [encryption_key.k]\n{key}\n"
    )
}

#[track_caller]
fn key(text: &str) -> EncryptionKey {
    let config: Config = right(&config(text));
    config.encryption_keys.into_values().next().unwrap()
}

#[test]
fn providers() {
    assert_eq!(key("provider = \"file\""), EncryptionKey::File);
    assert_eq!(key("provider = \"imported\""), EncryptionKey::Imported);
    let kms = "provider = \"aws-kms\"\nkey_id = \"alias/landing\"";
    let EncryptionKey::AwsKms {
        key_id,
        access,
        cache,
    } = key(kms)
    else {
        panic!("not a key of AWS KMS");
    };
    assert_eq!(key_id, "alias/landing");
    assert_eq!(access, qm_core::config::AwsAccess::default());
    assert_eq!(cache, Duration::from_mins(5));
    let all = "\nregion = \"eu-west-1\"\nendpoint = \"http://127.0.0.1:5000\"\nprofile = \"p\"\
               \nrole = \"arn:aws:iam::123456789012:role/r\"\nexternal_id = \"e\"\ncache = \"0s\"";
    let EncryptionKey::AwsKms { access, cache, .. } = key(&format!("{kms}{all}")) else {
        panic!("not a key of AWS KMS");
    };
    assert_eq!(access.region.as_deref(), Some("eu-west-1"));
    assert_eq!(access.endpoint.as_deref(), Some("http://127.0.0.1:5000"));
    assert_eq!(access.profile.as_deref(), Some("p"));
    assert_eq!(access.external_id.as_deref(), Some("e"));
    assert!(access.role.is_some());
    assert_eq!(cache, Duration::ZERO);
}

#[test]
fn mistakes() {
    for (text, expect) in [
        (
            "",
            "[encryption_key.k] needs `provider`\n  help: for example provider = \"file\"",
        ),
        (
            "provider = \"fil\"",
            "provider: `fil` is not known here\n  help: did you mean `file`?",
        ),
        (
            "provider = \"file\"\nkey_id = \"k\"",
            "unknown key `key_id` in [encryption_key.k]\n  help: known here: provider",
        ),
        (
            "provider = \"aws-kms\"",
            "[encryption_key.k] needs `key_id`\n  help: for example key_id = \"alias/landing\"",
        ),
        (
            "provider = \"aws-kms\"\nkey_id = \"k\"\ncache = \"5\"",
            "cache: `5` is not a time span\n  help: write a number and its unit (ms, s, m, h or d), as in `30m` or `24h`",
        ),
    ] {
        let found = messages(&config(text));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].ends_with(expect), "{text}: {}", found[0]);
    }
}

#[test]
fn the_folder_of_encryption_keys() {
    let base = config("provider = \"file\"");
    let folder = |text: &str| right(text).node.encryption_keys;
    assert_eq!(
        folder(&base),
        Path::new("/etc/quaymaster/data/encryption-keys")
    );
    let elsewhere = base.replace("[node]", "[node]\nencryption_keys = \"/srv/keys\"");
    assert_eq!(folder(&elsewhere), Path::new("/srv/keys"));
    let in_bucket = base.replace("[node]", "[node]\nencryption_keys = \"/srv/b/keys\"");
    let found = messages(&in_bucket);
    assert!(
        found[0].contains("the node's encryption keys lies in the folder of bucket `b`"),
        "{found:?}"
    );
}

#[test]
fn the_example_of_the_operators_document() {
    let document = include_str!("../../../../../docs/encryption-keys.md");
    let (_, example) = document.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let config = right(&format!("[node]\ndata = \"data\"\n{example}"));
    assert_eq!(config.encryption_keys.len(), 3);
}
