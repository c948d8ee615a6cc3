//! What a plan writes about routes and destinations.

use qm_core::alarm::{Alarm, Alarms};
use qm_core::config::{
    AfterDelivery, AwsAccess, BreakerPolicy, BucketDestination, Deliver, Destination,
    DestinationLimits, DestinationPlace, Directory, Lookup, LookupPlace, LookupTable, OnFailure,
    Proxy, ProxyKind, Route, SecretName, SecretStore, Sftp,
};
use qm_core::screen::Screen;
use qm_core::window::Windows;
use std::fmt::Write as _;

use super::table::table;
use super::{Facts, aws, list, path, secret, span};

pub(in super::super) fn route(route: &Route) -> Facts {
    let Route {
        name: _,
        arrives,
        deliver,
        screen,
        retry,
        max_age,
        on_failure,
        min_size_bytes,
        after,
        propagate,
        alert,
    } = route;
    let on_failure = match on_failure {
        OnFailure::Block => "block",
        OnFailure::SkipSuperseded => "skip_superseded",
        OnFailure::Independent => "independent",
    };
    let after = match after {
        AfterDelivery::Keep => None,
        AfterDelivery::Delete => Some("delete".to_owned()),
        AfterDelivery::Move(to) => Some(format!("move to {to}")),
    };
    let propagate: Vec<&str> = propagate.iter().map(|word| word.as_str()).collect();
    let (named, looked_up) = match deliver {
        Deliver::To(names) => (list(names), None),
        Deliver::LookUp(lookup) => (None, Some(lookup)),
    };
    let mut facts = vec![
        ("arrives", Some(arrives.to_string())),
        ("deliver", named),
        ("lookup", looked_up.map(lookup)),
        ("screen", screened(screen)),
        ("retry", Some(retry.to_string())),
        ("max_age", max_age.map(span)),
        ("on_failure", Some(on_failure.to_owned())),
        ("min_size", Some(format!("{min_size_bytes} bytes"))),
        ("after", after),
        ("propagate", list(&propagate)),
        ("alert", list(alert)),
    ];
    if let Some(lookup) = looked_up {
        facts.extend(limits(&lookup.limits));
    }
    facts
}

pub(in super::super) fn destination(destination: &Destination) -> Facts {
    let Destination {
        place,
        name,
        strip,
        limits: given,
        alarms: watched,
    } = destination;
    let mut facts = match place {
        DestinationPlace::Directory(place) => directory(place),
        DestinationPlace::Bucket(place) => bucket(place),
        DestinationPlace::Sftp(place) => sftp(place),
        DestinationPlace::Table(place) => table(place),
    };
    facts.extend([
        ("strip", (!strip.is_root()).then(|| strip.to_string())),
        ("name", name.as_ref().map(ToString::to_string)),
    ]);
    facts.extend(limits(given));
    facts.extend(alarms(watched));
    facts
}

fn alarms(alarms: &Alarms) -> Facts {
    let Alarms { rules, tell } = alarms;
    let said: Vec<String> = rules.iter().map(alarm).collect();
    vec![
        ("alarms", (!said.is_empty()).then(|| said.join("; "))),
        ("alarm_to", list(tell)),
    ]
}

fn alarm(alarm: &Alarm) -> String {
    let Alarm {
        metric,
        at_least,
        window,
    } = alarm;
    format!("{} {at_least} in {}", metric.as_str(), span(*window))
}

fn lookup(lookup: &Lookup) -> String {
    let Lookup {
        name,
        store,
        require_tags,
        destinations,
        limits: _,
    } = lookup;
    let mut text = match store {
        LookupPlace::Secrets(SecretStore::Node) => format!("secret {name}"),
        LookupPlace::Secrets(SecretStore::Aws(access)) => {
            format!("secret {name} in AWS Secrets Manager{}", reached(access))
        }
        LookupPlace::Table(LookupTable {
            access,
            table,
            partition_key,
        }) => format!(
            "item {name} by {partition_key} in table {table} of DynamoDB{}",
            reached(access)
        ),
    };
    for (tag, value) in require_tags {
        let _ = write!(text, " with tag {tag}={value}");
    }
    if let Some(destinations) = list(destinations) {
        let _ = write!(text, " which may lead to {destinations}");
    }
    text
}

fn reached(access: &AwsAccess) -> String {
    let mut text = String::new();
    for (fact, value) in aws(access) {
        if let Some(value) = value {
            let _ = write!(text, " {fact} {value}");
        }
    }
    text
}

fn screened(screen: &Screen) -> Option<String> {
    let Screen {
        names,
        types,
        min_size_bytes,
        max_size_bytes,
        quarantine,
    } = screen;
    let rules = [
        list(names).map(|names| format!("names {names}")),
        types
            .as_ref()
            .and_then(list)
            .map(|types| format!("types {types}")),
        (*min_size_bytes > 0).then(|| format!("at least {min_size_bytes} bytes")),
        max_size_bytes.map(|bytes| format!("at most {bytes} bytes")),
        quarantine.as_ref().map(|to| format!("rejected go to {to}")),
    ];
    let rules: Vec<String> = rules.into_iter().flatten().collect();
    (!rules.is_empty()).then(|| rules.join("; "))
}

fn limits(limits: &DestinationLimits) -> Facts {
    let DestinationLimits {
        concurrency,
        bytes_per_second,
        closed,
        breaker: BreakerPolicy { failures, pause },
    } = limits;
    vec![
        ("concurrency", Some(concurrency.to_string())),
        (
            "bandwidth",
            bytes_per_second.map(|bytes| format!("{bytes} bytes/s")),
        ),
        ("closed", closed.as_ref().map(windows)),
        (
            "breaker",
            Some(format!("{failures} failures, {}", span(*pause))),
        ),
    ]
}

fn windows(windows: &Windows) -> String {
    let times: Vec<String> = windows.times().iter().map(ToString::to_string).collect();
    format!("{} in {}", times.join(", "), windows.zone())
}

fn directory(directory: &Directory) -> Facts {
    let Directory {
        folder,
        uid,
        gid,
        mode,
        folder_mode,
    } = directory;
    vec![
        ("kind", Some("directory".to_owned())),
        ("path", Some(path(folder))),
        ("uid", uid.map(|uid| uid.to_string())),
        ("gid", gid.map(|gid| gid.to_string())),
        ("mode", Some(format!("{mode:04o}"))),
        ("folder_mode", Some(format!("{folder_mode:04o}"))),
    ]
}

fn bucket(place: &BucketDestination) -> Facts {
    let BucketDestination {
        bucket,
        prefix,
        owner_full_control,
    } = place;
    let acl = owner_full_control.then(|| "bucket-owner-full-control".to_owned());
    vec![
        ("kind", Some("bucket".to_owned())),
        ("bucket", Some(bucket.to_string())),
        ("prefix", (!prefix.is_root()).then(|| prefix.to_string())),
        ("acl", acl),
    ]
}

fn sftp(place: &Sftp<SecretName>) -> Facts {
    let Sftp {
        host,
        port,
        user,
        private_key,
        passphrase,
        password,
        host_keys,
        folder,
        create_folders,
        proxy,
        source_address,
    } = place;
    vec![
        ("kind", Some("sftp".to_owned())),
        ("host", Some(format!("{host}:{port}"))),
        ("user", Some(user.clone())),
        ("private_key", private_key.as_ref().map(secret)),
        ("passphrase", passphrase.as_ref().map(secret)),
        ("password", password.as_ref().map(secret)),
        ("host_keys", list(host_keys)),
        ("folder", Some(folder.to_string())),
        ("create_folders", create_folders.then(|| "true".to_owned())),
        ("proxy", proxy.as_ref().map(by_way_of)),
        (
            "source_address",
            source_address.map(|address| address.to_string()),
        ),
    ]
}

fn by_way_of(proxy: &Proxy<SecretName>) -> String {
    let Proxy {
        kind,
        host,
        port,
        login,
    } = proxy;
    let scheme = match kind {
        ProxyKind::Socks5 => "socks5",
        ProxyKind::HttpConnect => "http",
    };
    match login {
        None => format!("{scheme}://{host}:{port}"),
        Some((user, password)) => {
            format!("{scheme}://{user}@{host}:{port} with {}", secret(password))
        }
    }
}
