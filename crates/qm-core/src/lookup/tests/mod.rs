mod bucket;
mod destination;
mod screening;

use super::*;
use crate::config::{Proxy, ProxyKind};
use crate::screen::NamePattern;
use proptest::prelude::*;
use serde_json::json;

const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJjU3aLKKfJxChKCN5/F1LNz4S6/pnDKsuDa3D7p4PKm";

fn complete() -> Value {
    json!({
        "host": "sftp.example.org",
        "username": "quay",
        "password": "canary-password",
        "known_hosts": [ED25519],
    })
}

/// The complete secret with these fields instead; `null` takes one out.
fn with(fields: &Value) -> Secret {
    let mut secret = complete();
    let all = secret.as_object_mut().unwrap();
    for (name, value) in fields.as_object().unwrap() {
        all.insert(name.clone(), value.clone());
    }
    Secret::new(secret.to_string())
}

fn server(found: &LookedUp) -> &Sftp<Secret> {
    found.place.as_sftp().unwrap()
}

#[track_caller]
fn check(fields: &Value, expect: impl FnOnce(&LookedUp) -> bool) {
    let found = parse(&with(fields)).unwrap();
    assert!(expect(&found), "{found:?}");
}

#[track_caller]
fn check_refused(fields: &Value, names: &str) {
    let error = parse(&with(fields)).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.chain().contains(names), "{}", error.chain());
    assert!(!format!("{error:?} {:?}", error.remedy()).contains("canary"));
}

#[test]
fn what_is_needed_and_what_is_otherwise() {
    check(&json!({}), |found| {
        *found
            == LookedUp {
                place: LookedUpPlace::Sftp(Box::new(Sftp {
                    host: "sftp.example.org".to_owned(),
                    port: 22,
                    user: "quay".to_owned(),
                    private_key: None,
                    passphrase: None,
                    password: Some(Secret::new("canary-password".to_owned())),
                    host_keys: vec![ED25519.to_owned()],
                    folder: Template::parse(".").unwrap(),
                    create_folders: false,
                    proxy: None,
                    source_address: None,
                })),
                screen: Screen::default(),
                name: None,
            }
    });
}

#[test]
fn every_field() {
    let secret = json!({
        "port": 2222,
        "private_key": "canary-key",
        "private_key_passphrase": "canary-phrase",
        "remote_dir": "/in/{arrived:%Y}",
        "create_dir": true,
        "pattern": r"\d+\.csv",
        "pattern_type": "regex",
        "remote_name": "{stem}.txt",
        "PGPPublicKey": "of another system",
    });
    check(&secret, |found| {
        let is_revealed = |secret: &Option<Secret>, text| secret.as_ref().unwrap().reveal() == text;
        let place = server(found);
        place.port == 2222
            && is_revealed(&place.private_key, "canary-key")
            && is_revealed(&place.passphrase, "canary-phrase")
            && place.folder.as_str() == "/in/{arrived:%Y}"
            && place.create_folders
            && found.screen.names == [NamePattern::regex(r"\d+\.csv").unwrap()]
            && found.name == Some(Template::parse("{stem}.txt").unwrap())
    });
}

#[test]
fn spellings() {
    let other = json!({"username": null, "Username": "u", "password": "", "Password": "p", "PrivateKey": "k"});
    check(&other, |found| {
        let place = server(found);
        place.user == "u"
            && place.password == Some(Secret::new("p".to_owned()))
            && place.private_key == Some(Secret::new("k".to_owned()))
    });
    check(&json!({"port": "2022", "create_dir": "true"}), |found| {
        server(found).port == 2022 && server(found).create_folders
    });
    check(&json!({"kind": "sftp"}), |found| server(found).port == 22);
    let lines = format!("# scanned\nsftp.example.org {ED25519}\n[sftp.example.org]:22 {ED25519}\n");
    check(&json!({"known_hosts": lines}), |found| {
        server(found).host_keys == [ED25519, ED25519]
    });
    check(&json!({"host": "2001:db8::1"}), |found| {
        server(found).host == "2001:db8::1"
    });
}

#[test]
fn ways_there() {
    let way = |fields: Value| server(&parse(&with(&fields)).unwrap()).clone();
    let socks = way(json!({"proxy": "socks5://proxy.example.org:1080"}));
    assert_eq!(
        socks.proxy,
        Some(Proxy {
            kind: ProxyKind::Socks5,
            host: "proxy.example.org".to_owned(),
            port: 1080,
            login: None,
        })
    );
    let http = way(json!({
        "proxy": "http://quay@[2001:db8::1]:3128/",
        "proxy_password": "canary-proxy",
        "source_address": "2001:db8::7",
    }));
    let proxy = http.proxy.unwrap();
    assert_eq!(
        (proxy.kind, proxy.host.as_str(), proxy.port),
        (ProxyKind::HttpConnect, "2001:db8::1", 3128)
    );
    let password = Secret::new("canary-proxy".to_owned());
    assert_eq!(proxy.login, Some(("quay".to_owned(), password)));
    assert_eq!(http.source_address, Some("2001:db8::7".parse().unwrap()));
}

#[test]
fn what_is_missing_or_wrong() {
    for (fields, names) in [
        (json!({"kind": "canary"}), "`kind`"),
        (json!({"kind": ["sftp"]}), "`kind`"),
        (json!({"host": null}), "no `host`"),
        (json!({"host": ""}), "no `host`"),
        (json!({"host": "canary host"}), "`host`"),
        (json!({"host": ["canary"]}), "`host`"),
        (json!({"host": "canary.example.org/x"}), "`host`"),
        (json!({"port": 0}), "`port`"),
        (json!({"port": 65536}), "`port`"),
        (json!({"port": "canary"}), "`port`"),
        (json!({"port": 22.5}), "`port`"),
        (json!({"username": null}), "no `username`"),
        (json!({"username": "canary\n"}), "`username`"),
        (json!({"password": null}), "neither a `private_key`"),
        (json!({"password": 5}), "`password`"),
        (json!({"private_key": {"canary": 1}}), "`private_key`"),
        (json!({"create_dir": "canary"}), "`create_dir`"),
        (json!({"remote_dir": "{canary}"}), "`remote_dir`"),
        (json!({"remote_name": "canary}"}), "`remote_name`"),
        (json!({"pattern": "canary/*"}), "`pattern`"),
        (
            json!({"pattern": "canary(", "pattern_type": "regex"}),
            "`pattern`",
        ),
        (json!({"pattern_type": "canary"}), "`pattern_type`"),
        (json!({"proxy": "canary.example.org:1080"}), "`proxy`"),
        (json!({"proxy": "socks4://canary:1080"}), "`proxy`"),
        (json!({"proxy": "socks5://canary"}), "`proxy`"),
        (json!({"proxy": "socks5://canary:0"}), "`proxy`"),
        (json!({"proxy": "socks5://canary/x:1080"}), "`proxy`"),
        (
            json!({"proxy": "socks5://u:canary@p:1080", "proxy_password": "x"}),
            "`proxy`",
        ),
        (json!({"proxy": "socks5://canary@p:1080"}), "`proxy`"),
        (
            json!({"proxy": "socks5://p:1080", "proxy_password": "canary"}),
            "`proxy_password`",
        ),
        (json!({"proxy_password": "canary"}), "`proxy_password`"),
        (json!({"source_address": "canary"}), "`source_address`"),
        (json!({"known_hosts": 7}), "`known_hosts`"),
        (json!({"known_hosts": [7]}), "`known_hosts`"),
        (json!({"known_hosts": ["canary canary"]}), "`known_hosts`"),
        (
            json!({"known_hosts": format!("|1|canary|canary {ED25519}")}),
            "hashed",
        ),
        (
            json!({"known_hosts": format!("@revoked canary {ED25519}")}),
            "marker",
        ),
    ] {
        check_refused(&fields, names);
    }
}

#[test]
fn an_item_is_read_as_a_secret_is_and_told_of_as_what_it_is() {
    let (same, item) = (with(&json!({})), with(&json!({"port": "2222"})));
    assert_eq!(parse_item(&same).unwrap(), parse(&same).unwrap());
    assert_eq!(server(&parse_item(&item).unwrap()).port, 2222);
    let more = with(&json!({"notes": "x".repeat(SECRET_BYTES_MAX)}));
    assert!(parse_item(&more).is_ok() && parse(&more).is_err());
    for (fields, expect) in [
        (json!({"host": null}), "the item has no `host`"),
        (
            json!({"remote_dir": "{canary}"}),
            "`remote_dir` of the item has a brace or a placeholder that means nothing",
        ),
        (
            json!({"password": null}),
            "the item has neither a `private_key` nor a `password`",
        ),
    ] {
        let error = parse_item(&with(&fields)).unwrap_err();
        assert_eq!(error.public_message(), expect);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[test]
fn without_a_host_key_nobody_is_believed() {
    for none in [json!(null), json!(""), json!([]), json!("# canary only")] {
        let error = parse(&with(&json!({"known_hosts": none}))).unwrap_err();
        assert!(error.to_string().contains("no host key"), "{error}");
        let help = error.remedy().unwrap();
        assert!(help.contains("ssh-keyscan") && help.contains("another channel"));
    }
}

#[test]
fn what_is_not_json_is_not_quoted() {
    let large = format!("{{\"canary\": \"{}\"}}", "x".repeat(SECRET_BYTES_MAX));
    for text in [
        "",
        "canary",
        "\"canary\"",
        "[\"canary\"]",
        "{\"canary\"}",
        "{\"host\": canary}",
        &large,
    ] {
        let error = parse(&Secret::new(text.to_owned())).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

proptest! {
    #[test]
    fn no_value_shows_anywhere(
        name in prop::sample::select(vec![
            "host", "port", "username", "private_key", "private_key_passphrase", "password", "known_hosts",
            "remote_dir", "create_dir", "pattern", "pattern_type", "remote_name", "proxy", "proxy_password",
            "source_address", "kind", "names", "regex", "types", "min_size", "max_size", "url", "region",
            "endpoint", "role", "external_id", "acl", "path_style", "checksums", "server_side_encryption",
            "kms_key_id", "destination",
        ]),
        kind in prop::sample::select(vec!["sftp", "bucket", "destination"]),
        shape in 0_u8..4,
        text in "[{}()|@*#/ \\\\a-z\n]{0,12}canary42[{}()|@*#/ \\\\a-z\n]{0,12}",
    ) {
        let value = match shape {
            0 => json!(text),
            1 => json!([text]),
            2 => json!({ text: 1 }),
            _ => json!([[text]]),
        };
        let mut fields = json!({ name: value });
        if name != "kind" {
            fields["kind"] = json!(kind);
        }
        for (needed, value) in [("url", "s3://partner-in/from-us"), ("destination", "archive")] {
            if name != needed {
                fields[needed] = json!(value);
            }
        }
        match parse(&with(&fields)) {
            Err(error) => {
                let told = format!("{error:?} {:?}", error.remedy());
                prop_assert!(!told.contains("canary42"), "{}", told);
            }
            Ok(found) if ["private_key", "private_key_passphrase", "password"].contains(&name) => {
                let told = format!("{found:?}");
                prop_assert!(!told.contains("canary42"), "{}", told);
            }
            Ok(_) => {}
        }
    }
}
