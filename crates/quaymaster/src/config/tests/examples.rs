//! Configurations that are right, and what is assumed where they say nothing.

use qm_core::account::Verb;
use qm_core::config::{
    AfterDelivery, BucketPlace, Config, DestinationPlace, LedgerPlace, Notifier, OnFailure,
    SmtpSecurity,
};
use qm_core::retry::RetryPolicy;
use std::path::Path;
use std::time::Duration;

use super::{NORTH_KEY, SOUTH_KEY, right};
use crate::config::revision;

/// Everything that can be said.
pub(super) fn full() -> String {
    format!(
        r#"
[node]
data = "/var/lib/quaymaster"
secrets = "/etc/quaymaster/secrets"
alert = ["sre"]
partial_kept = "2d"
partial_alert_after = "90s"

[listen.sftp]
address = "[::1]:0"
connections_max = 500
connections_per_account_max = 5
idle = "1h"

[bucket.landing]
url = "file:///srv/landing"

[partner.north.account.north]
ssh_keys = ["{NORTH_KEY}", "{SOUTH_KEY}"]
networks = ["203.0.113.0/24", "2001:db8::/32", "198.51.100.7/32"]
mailbox = "landing/north"
may = ["list", "read", "write", "overwrite", "delete", "rename", "mkdir"]
types = ["csv", "XLSX"]
temp_suffixes = [".wip"]

[expectation.north-daily]
partner = "north"
files = "landing/north/*"
types = ["csv"]
min_size = "1KiB"
due = "17:00:05"
on = "weekly:mon,fri"
zone = "Europe/Dublin"
grace = "30m"
alert = ["sre"]

[notifier.sre]
kind = "email"
to = ["sre@example.org", "night@example.org"]
from = "quaymaster@example.org"
host = "mail.example.org"
port = 2525
security = "tls"
user = "quaymaster"
password = "secret:smtp-password"
ca_file = "/etc/quaymaster/ca.pem"
retry = ["1m", "10m"]

[route.products]
when = {{ arrives = "landing/north/*.csv" }}
deliver = ["share"]
retry = "camel"
on_failure = "block"
min_size = 1
alert = ["sre"]

[destination.share]
kind = "directory"
path = "/mnt/share"
strip = "north"
uid = 10002
gid = 0
mode = "0664"
folder_mode = "0770"
concurrency = 8
"#
    )
}

#[test]
fn everything_that_can_be_said() {
    let config = right(&full());
    assert_eq!(config.node.data, Path::new("/var/lib/quaymaster"));
    assert_eq!(config.node.partial_kept, Duration::from_hours(48));
    assert_eq!(config.node.partial_alert_after, Duration::from_secs(90));
    assert_eq!(config.sftp.address.to_string(), "[::1]:0");
    assert_eq!(config.sftp.connections_max, 500);
    assert_eq!(config.sftp.connections_per_account_max, 5);
    assert_eq!(config.sftp.idle, Duration::from_hours(1));

    let account = config.accounts.values().next().unwrap();
    assert_eq!(account.ssh_keys[0].as_str(), NORTH_KEY);
    assert_eq!(account.networks.len(), 3);
    assert_eq!(account.mailbox.to_string(), "landing/north");
    assert_eq!(account.may, Verb::ALL.into());
    let types = account.types.as_deref().unwrap();
    assert_eq!(qm_core::file_type::listed(types), "csv or xlsx");
    assert_eq!(account.temp_suffixes, [".wip"]);

    let expectation = config.expectations.values().next().unwrap();
    assert_eq!(expectation.min_size_bytes, 1_024);
    assert_eq!(expectation.due.to_string(), "17:00:05");
    assert_eq!(expectation.on.to_string(), "weekly:mon,fri");
    assert_eq!(expectation.grace, Duration::from_mins(30));

    let Notifier::Email(email) = config.notifiers.values().next().unwrap();
    assert_eq!(email.to, ["sre@example.org", "night@example.org"]);
    assert_eq!((email.port, email.security), (2525, SmtpSecurity::Tls));
    let login = email.login.as_ref().unwrap();
    assert_eq!(login.password.0, "smtp-password");
    assert_eq!(email.retry.attempts_max(), 3);

    let route = config.routes.values().next().unwrap();
    assert_eq!(route.arrives.to_string(), "landing/north/*.csv");
    assert_eq!(route.retry, RetryPolicy::camel());
    assert_eq!(route.on_failure, OnFailure::Block);

    let destination = config.destinations.values().next().unwrap();
    assert_eq!(destination.strip.as_str(), "north");
    assert_eq!(destination.limits.concurrency, 8);
    let DestinationPlace::Directory(share) = &destination.place else {
        panic!("not a directory");
    };
    assert_eq!((share.uid, share.gid), (Some(10_002), Some(0)));
    assert_eq!((share.mode, share.folder_mode), (0o664, 0o770));
}

#[test]
fn what_is_assumed() {
    let config = right(
        r#"
        node.data = "data"
        bucket.landing.url = "file://landing"
        partner.north.account.north.mailbox = "landing"
        [expectation.daily]
        partner = "north"
        files = "landing/"
        due = 17:00:00
        on = "daily"
        zone = "europe/dublin"
        alert = ["sre"]
        [notifier.sre]
        kind = "email"
        to = ["sre@example.org"]
        from = "quaymaster@example.org"
        host = "localhost"
        [route.all]
        when.arrives = "landing/**"
        deliver = ["share"]
        [destination.share]
        kind = "directory"
        path = "../share"
        "#,
    );
    assert_eq!(config.node.data, Path::new("/etc/quaymaster/data"));
    assert_eq!(config.node.secrets, None);
    assert_eq!(config.node.partial_kept, Duration::from_hours(24));
    assert_eq!(config.node.partial_alert_after, Duration::from_mins(10));
    assert_eq!(config.node.ledger, LedgerPlace::Sqlite);
    assert_eq!(config.node.dead_letters_alert, None);
    assert_eq!(config.node.dead_letters_alert_after, None);
    assert_eq!(config.node.undelivered_alert_after, None);
    assert_eq!(config.sftp.address.to_string(), "0.0.0.0:2022");
    assert_eq!(config.sftp.host_key, None);
    assert_eq!(config.sftp.connections_max, 1_000);
    assert_eq!(config.sftp.connections_per_account_max, 20);
    assert_eq!(config.sftp.idle, Duration::from_mins(30));
    let bucket = config.buckets.values().next().unwrap();
    assert_eq!(
        bucket.place,
        BucketPlace::Directory("/etc/quaymaster/landing".into())
    );
    assert_eq!((&bucket.encryption_key, &bucket.watch), (&None, &None));
    assert_eq!(bucket.keep_versions, 10);
    assert_eq!(bucket.keep_for, Some(Duration::from_hours(30 * 24)));

    let account = config.accounts.values().next().unwrap();
    assert_eq!(account.may, Verb::DEFAULT.into());
    assert_eq!(account.types, None);
    assert!(account.ssh_keys.is_empty() && account.networks.is_empty());

    let expectation = config.expectations.values().next().unwrap();
    assert_eq!(expectation.min_size_bytes, 1);
    assert_eq!(expectation.zone, "Europe/Dublin");
    assert_eq!(expectation.grace, Duration::ZERO);
    assert_eq!(expectation.due, jiff::civil::time(17, 0, 0, 0));

    let Notifier::Email(email) = config.notifiers.values().next().unwrap();
    assert_eq!((email.port, email.security), (587, SmtpSecurity::StartTls));
    assert_eq!(email.login, None);
    assert_eq!(email.retry, RetryPolicy::camel());

    let route = config.routes.values().next().unwrap();
    assert_eq!(route.retry, RetryPolicy::lambda());
    assert_eq!(route.on_failure, OnFailure::SkipSuperseded);
    assert_eq!(route.min_size_bytes, 0);
    assert_eq!(route.after, AfterDelivery::Keep);
    assert_eq!(route.max_age, None);
    assert!(route.screen.is_open());

    let destination = config.destinations.values().next().unwrap();
    assert_eq!(destination.limits.concurrency, 4);
    assert_eq!(destination.limits.bytes_per_second, None);
    assert_eq!(destination.limits.closed, None);
    assert_eq!(destination.limits.breaker.failures, 5);
    assert_eq!(destination.limits.breaker.pause, Duration::from_mins(1));
    let DestinationPlace::Directory(share) = &destination.place else {
        panic!("not a directory");
    };
    assert_eq!(share.folder, Path::new("/etc/share"));
    assert_eq!((share.mode, share.folder_mode), (0o640, 0o750));
    assert_eq!(share.uid, None);
}

#[test]
fn the_least_there_is() {
    let config = right("node.data = \"/data\"");
    assert!(config.accounts.is_empty() && config.buckets.is_empty());
}

#[test]
fn a_revision_comes_back_as_it_was() {
    for text in [
        full(),
        super::delivering::ALL.to_owned(),
        "node.data = \"/data\"".to_owned(),
    ] {
        let config = right(&text);
        let json = revision::to_json(&config).unwrap();
        let back: Config = revision::from_json(&json).unwrap();
        assert_eq!(back, config);
        assert_eq!(revision::to_json(&back).unwrap(), json);
        assert!(!json.contains("secret:"), "only the name is kept");
    }
    let error = revision::from_json("{\"node\":{}}").unwrap_err();
    assert!(error.remedy().unwrap().contains("apply"), "{error:?}");
}
