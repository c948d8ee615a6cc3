//! What a plan writes about each kind of thing. Each function takes its type apart by name, so
//! that a field that is added must be told here as well.

mod routing;
mod table;

use qm_core::account::Account;
use qm_core::config::{
    AwsAccess, Bucket, BucketPlace, CloudPlace, Email, EncryptionKey, LedgerPlace, Node, Notifier,
    S3Encryption, S3Place, SecretName, SftpListen, SmtpSecurity, Watch,
};
use qm_core::expectation::Expectation;
use qm_core::message_text::{OwnText, Words};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

pub(super) use routing::{destination, route};
pub(super) use table::declaration;

/// Name and value in a fixed order; `None` is not written.
pub(super) type Facts = Vec<(&'static str, Option<String>)>;

pub(super) fn node(node: &Node) -> Facts {
    let Node {
        data,
        secrets,
        encryption_keys,
        alert,
        partial_kept,
        partial_alert_after,
        dead_letters_alert,
        dead_letters_alert_after,
        undelivered_alert_after,
        dead_letters_kept,
        ledger,
        tags,
    } = node;
    let ledger = match ledger {
        LedgerPlace::Sqlite => None,
        LedgerPlace::Postgres(name) => Some(format!("PostgreSQL by {}", secret(name))),
    };
    vec![
        ("data", Some(path(data))),
        ("secrets", secrets.as_deref().map(path)),
        ("encryption_keys", Some(path(encryption_keys))),
        ("alert", list(alert)),
        ("partial_kept", Some(span(*partial_kept))),
        ("partial_alert_after", Some(span(*partial_alert_after))),
        (
            "dead_letters_alert",
            dead_letters_alert.map(|number| number.to_string()),
        ),
        (
            "dead_letters_alert_after",
            dead_letters_alert_after.map(span),
        ),
        ("undelivered_alert_after", undelivered_alert_after.map(span)),
        (
            "dead_letters_kept",
            Some(dead_letters_kept.map_or_else(|| "forever".to_owned(), span)),
        ),
        ("ledger", ledger),
        ("tags", tagged(tags)),
    ]
}

pub(super) fn sftp(listen: &SftpListen) -> Facts {
    let SftpListen {
        address,
        connections_max,
        connections_per_account_max,
        idle,
        host_key,
    } = listen;
    vec![
        ("address", Some(address.to_string())),
        ("connections_max", Some(connections_max.to_string())),
        (
            "connections_per_account_max",
            Some(connections_per_account_max.to_string()),
        ),
        ("idle", Some(span(*idle))),
        ("host_key", host_key.as_ref().map(secret)),
    ]
}

pub(super) fn bucket(bucket: &Bucket) -> Facts {
    let Bucket {
        place,
        encryption_key,
        keep_versions,
        keep_for,
        watch,
        is_shared,
    } = bucket;
    let mut facts = vec![
        ("url", Some(place.to_string())),
        (
            "encryption_key",
            encryption_key.as_ref().map(ToString::to_string),
        ),
        ("keep_versions", Some(keep_versions.to_string())),
        ("keep_for", keep_for.map(span)),
        ("watch", watch.as_ref().map(watched)),
        ("shared", is_shared.then(|| "true".to_owned())),
    ];
    match place {
        BucketPlace::Directory(_) => {}
        BucketPlace::S3(place) => facts.extend(s3(place)),
        BucketPlace::Gcs(place) | BucketPlace::Azure(place) => facts.extend(cloud(place)),
    }
    facts
}

fn s3(place: &S3Place) -> Facts {
    let S3Place {
        bucket: _,
        prefix: _,
        access,
        path_style,
        encryption,
        checksums,
        tags,
    } = place;
    let encryption = match encryption {
        S3Encryption::BucketDefault => None,
        S3Encryption::S3 => Some("s3".to_owned()),
        S3Encryption::Kms(None) => Some("kms".to_owned()),
        S3Encryption::Kms(Some(key_id)) => Some(format!("kms with {key_id}")),
    };
    let mut facts = aws(access);
    facts.extend([
        ("path_style", path_style.then(|| "true".to_owned())),
        ("server_side_encryption", encryption),
        ("checksums", checksums.then(|| "true".to_owned())),
        ("tags", tagged(tags)),
    ]);
    facts
}

pub(super) fn aws(access: &AwsAccess) -> Facts {
    let AwsAccess {
        endpoint,
        region,
        profile,
        role,
        external_id,
    } = access;
    vec![
        ("endpoint", endpoint.clone()),
        ("region", region.clone()),
        ("profile", profile.clone()),
        ("role", role.clone()),
        ("external_id", external_id.clone()),
    ]
}

fn cloud(place: &CloudPlace) -> Facts {
    let CloudPlace {
        bucket: _,
        prefix: _,
        endpoint,
        account,
        credential,
    } = place;
    vec![
        ("endpoint", endpoint.clone()),
        ("account", account.clone()),
        ("credential", credential.as_ref().map(secret)),
    ]
}

fn watched(watch: &Watch) -> String {
    match watch {
        Watch::Listing { every, settle } => {
            format!(
                "listing every {}, settled after {}",
                span(*every),
                span(*settle)
            )
        }
        Watch::Sqs { queue, access } => match &access.region {
            Some(region) => format!("queue {queue} in {region}"),
            None => format!("queue {queue}"),
        },
    }
}

pub(super) fn encryption_key(key: &EncryptionKey) -> Facts {
    let elsewhere = AwsAccess::default();
    let (provider, key_id, cache, access) = match key {
        EncryptionKey::File => ("file", None, None, &elsewhere),
        EncryptionKey::Imported => ("imported", None, None, &elsewhere),
        EncryptionKey::AwsKms {
            key_id,
            access,
            cache,
        } => ("aws-kms", Some(key_id.clone()), Some(span(*cache)), access),
    };
    let mut facts = vec![
        ("provider", Some(provider.to_owned())),
        ("key_id", key_id),
        ("cache", cache),
    ];
    facts.extend(aws(access));
    facts
}

pub(super) fn account(account: &Account) -> Facts {
    let Account {
        name: _,
        partner,
        ssh_keys,
        networks,
        mailbox,
        home,
        may,
        types,
        temp_suffixes,
        declare,
    } = account;
    let keys: Vec<String> = ssh_keys
        .iter()
        .map(|key| match key.comment() {
            "" => key.fingerprint(),
            comment => format!("{} {}", key.fingerprint(), comment.escape_debug()),
        })
        .collect();
    let declared: Vec<String> = declare
        .iter()
        .map(|declared| format!("{} = {}", declared.files, declared.name))
        .collect();
    vec![
        ("partner", Some(partner.to_string())),
        ("mailbox", Some(mailbox.to_string())),
        ("home", (!home.is_root()).then(|| format!("/{home}"))),
        ("may", list(may)),
        ("types", types.as_ref().and_then(list)),
        ("networks", list(networks)),
        ("ssh_keys", list(&keys)),
        ("temp_suffixes", list(temp_suffixes)),
        ("declare", list(&declared)),
    ]
}

pub(super) fn expectation(expectation: &Expectation) -> Facts {
    let Expectation {
        name: _,
        partner,
        files,
        types,
        min_size_bytes,
        due,
        on,
        zone,
        grace,
        alert,
    } = expectation;
    vec![
        ("partner", Some(partner.to_string())),
        ("files", Some(files.to_string())),
        ("types", types.as_ref().and_then(list)),
        ("min_size", Some(format!("{min_size_bytes} bytes"))),
        ("due", Some(due.to_string())),
        ("on", Some(on.to_string())),
        ("zone", Some(zone.clone())),
        ("grace", Some(span(*grace))),
        ("alert", list(alert)),
    ]
}

pub(super) fn text(text: &OwnText) -> Facts {
    let OwnText { subject, body } = text;
    // On one line, as everything here.
    let written = |words: &Words| format!("{:?}", words.as_str());
    vec![
        ("subject", subject.as_ref().map(written)),
        ("body", body.as_ref().map(written)),
    ]
}

pub(super) fn notifier(notifier: &Notifier) -> Facts {
    let Notifier::Email(Email {
        to,
        from,
        host,
        port,
        security,
        login,
        ca_file,
        retry,
    }) = notifier;
    let security = match security {
        SmtpSecurity::Plain => "plain",
        SmtpSecurity::StartTls => "starttls",
        SmtpSecurity::Tls => "tls",
    };
    let user = login.as_ref().map(|login| login.user.clone());
    let password = login.as_ref().map(|login| secret(&login.password));
    vec![
        ("to", list(to)),
        ("from", Some(from.clone())),
        ("host", Some(host.clone())),
        ("port", Some(port.to_string())),
        ("security", Some(security.to_owned())),
        ("user", user),
        ("password", password),
        ("ca_file", ca_file.as_deref().map(path)),
        ("retry", Some(retry.to_string())),
    ]
}

/// As `environment=prod commit=0a1b2c3`.
pub(crate) fn tagged(tags: &BTreeMap<String, String>) -> Option<String> {
    list(tags.iter().map(|(tag, value)| format!("{tag}={value}")))
}

/// By name, as the configuration has it.
fn secret(name: &SecretName) -> String {
    format!("secret:{}", name.0)
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> Option<String> {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    (!items.is_empty()).then(|| items.join(" "))
}

/// In the largest unit that needs no fraction, as the configuration is written.
fn span(span: Duration) -> String {
    let milliseconds = span.as_millis();
    [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ]
    .into_iter()
    .find(|(unit, _)| milliseconds >= *unit && milliseconds.is_multiple_of(*unit))
    .map_or_else(
        || match milliseconds {
            0 => "0s".to_owned(),
            some => format!("{some}ms"),
        },
        |(unit, letter)| format!("{}{letter}", milliseconds / unit),
    )
}
