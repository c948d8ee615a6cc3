//! What a plan writes about each kind of thing. Each function takes its type apart by name, so
//! that a field that is added must be told here as well.

use qm_core::account::Account;
use qm_core::config::{
    Bucket, Destination, Directory, Email, Node, Notifier, OnFailure, Route, SftpListen,
    SmtpSecurity,
};
use qm_core::expectation::Expectation;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Name and value in a fixed order; `None` is not written.
pub(super) type Facts = Vec<(&'static str, Option<String>)>;

pub(super) fn node(node: &Node) -> Facts {
    let Node {
        data,
        secrets,
        alert,
        partial_kept,
        partial_alert_after,
    } = node;
    vec![
        ("data", Some(path(data))),
        ("secrets", secrets.as_deref().map(path)),
        ("alert", list(alert)),
        ("partial_kept", Some(span(*partial_kept))),
        ("partial_alert_after", Some(span(*partial_alert_after))),
    ]
}

pub(super) fn sftp(listen: &SftpListen) -> Facts {
    let SftpListen {
        address,
        connections_max,
        connections_per_account_max,
        idle,
    } = listen;
    vec![
        ("address", Some(address.to_string())),
        ("connections_max", Some(connections_max.to_string())),
        (
            "connections_per_account_max",
            Some(connections_per_account_max.to_string()),
        ),
        ("idle", Some(span(*idle))),
    ]
}

pub(super) fn bucket(bucket: &Bucket) -> Facts {
    let Bucket { folder } = bucket;
    vec![("folder", Some(path(folder)))]
}

pub(super) fn account(account: &Account) -> Facts {
    let Account {
        name: _,
        partner,
        ssh_keys,
        networks,
        mailbox,
        may,
        types,
        temp_suffixes,
    } = account;
    let keys: Vec<String> = ssh_keys
        .iter()
        .map(|key| match key.comment() {
            "" => key.fingerprint(),
            comment => format!("{} {}", key.fingerprint(), comment.escape_debug()),
        })
        .collect();
    vec![
        ("partner", Some(partner.to_string())),
        ("mailbox", Some(mailbox.to_string())),
        ("may", list(may)),
        ("types", types.as_ref().and_then(list)),
        ("networks", list(networks)),
        ("ssh_keys", list(&keys)),
        ("temp_suffixes", list(temp_suffixes)),
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
    let password = login
        .as_ref()
        .map(|login| format!("secret:{}", login.password.0));
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

pub(super) fn route(route: &Route) -> Facts {
    let Route {
        name: _,
        arrives,
        deliver,
        retry,
        on_failure,
        min_size_bytes,
        alert,
    } = route;
    let on_failure = match on_failure {
        OnFailure::Block => "block",
        OnFailure::SkipSuperseded => "skip_superseded",
    };
    vec![
        ("arrives", Some(arrives.to_string())),
        ("deliver", list(deliver)),
        ("retry", Some(retry.to_string())),
        ("on_failure", Some(on_failure.to_owned())),
        ("min_size", Some(format!("{min_size_bytes} bytes"))),
        ("alert", list(alert)),
    ]
}

pub(super) fn destination(destination: &Destination) -> Facts {
    let Destination::Directory(Directory {
        folder,
        strip,
        uid,
        gid,
        mode,
        folder_mode,
        concurrency,
    }) = destination;
    vec![
        ("path", Some(path(folder))),
        ("strip", (!strip.is_root()).then(|| strip.to_string())),
        ("uid", uid.map(|uid| uid.to_string())),
        ("gid", gid.map(|gid| gid.to_string())),
        ("mode", Some(format!("{mode:04o}"))),
        ("folder_mode", Some(format!("{folder_mode:04o}"))),
        ("concurrency", Some(concurrency.to_string())),
    ]
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
    [(3_600_000, "h"), (60_000, "m"), (1_000, "s")]
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
