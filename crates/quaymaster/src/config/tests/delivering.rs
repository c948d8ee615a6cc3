//! Routes and destinations that are right: everything that can be said, and the design's sketch.

use qm_core::config::{
    AfterDelivery, Deliver, DestinationPlace, LedgerPlace, LookupPlace, OnFailure, ProxyKind,
    SecretStore,
};
use std::time::Duration;

use super::right;

/// Everything that can be said about deliveries.
pub(super) const ALL: &str = r#"
[node]
data = "/data"
ledger = "secret:ledger"
dead_letters_alert = 10
dead_letters_alert_after = "1d"
undelivered_alert_after = "1h"

[listen.sftp]
host_key = "secret:host-key"

[bucket.landing]
url = "file:///srv/landing"
shared = true
[bucket.staging]
url = "s3://company-staging"
watch = {}
[bucket.archive]
url = "s3://company-archive"

[partner.north.account.north]
mailbox = "landing/in"

[route.bank]
when = { arrives = "landing/in/*.csv" }
deliver = ["bank", "copies"]
screen = { names = ["*.csv"], regex = ["[a-z]+\\.csv"], types = ["csv"], min_size = 1, max_size = "1GiB", quarantine = "quarantine/{key}" }
max_age = "2d"
on_failure = "independent"
after = { move = "archive/{arrived:%Y}/{name}" }

[route.push]
when = { arrives = "staging/*/**" }
after = "delete"
[route.push.lookup]
kind = "secrets"
name = "sftp/{path.0}"
store = "aws"
region = "eu-west-1"
require_tag = { service = "push" }
concurrency = 2

[destination.bank]
kind = "sftp"
host = "sftp.bank.example"
port = 2222
user = "quay"
private_key = "secret:bank-key"
passphrase = "secret:bank-passphrase"
password = "secret:bank-password"
host_keys = ["SHA256:yxsAevJG874lKMlM1LasOVltXRG03hdewzpOh7ynX8s"]
folder = "in/{arrived:%Y}"
create_folders = true
proxy = "socks5://me@proxy.example:1080"
proxy_password = "secret:proxy-password"
source_address = "203.0.113.7"
name = "{stem}-{arrived@Europe/Dublin:%Y%m%d}.csv"
concurrency = 1
bandwidth = "10 MiB/s"
closed = ["sun 02:00-04:00"]
zone = "Europe/Dublin"
breaker = { failures = 3, pause = "5m" }

[destination.copies]
kind = "bucket"
bucket = "archive"
prefix = "in"
acl = "bucket-owner-full-control"
strip = "in"
"#;

#[test]
fn everything_that_can_be_said() {
    let config = right(ALL);
    let LedgerPlace::Postgres(name) = &config.node.ledger else {
        panic!("not shared");
    };
    assert_eq!(name.0, "ledger");
    assert_eq!(config.node.dead_letters_alert, Some(10));
    assert_eq!(
        config.node.dead_letters_alert_after,
        Some(Duration::from_hours(24))
    );
    assert_eq!(
        config.node.undelivered_alert_after,
        Some(Duration::from_hours(1))
    );
    assert_eq!(config.sftp.host_key.unwrap().0, "host-key");
    let shared: Vec<bool> = config.buckets.values().map(|b| b.is_shared).collect();
    assert_eq!(shared, [false, true, false]);

    let mut routes = config.routes.values();
    let (bank, push) = (routes.next().unwrap(), routes.next().unwrap());
    assert_eq!(bank.named_destinations().len(), 2);
    assert_eq!(bank.on_failure, OnFailure::Independent);
    assert_eq!(bank.max_age, Some(Duration::from_hours(48)));
    assert_eq!(bank.screen.names.len(), 2);
    assert_eq!(bank.screen.min_size_bytes, 1);
    assert_eq!(bank.screen.max_size_bytes, Some(1 << 30));
    let AfterDelivery::Move(to) = &bank.after else {
        panic!("not moved");
    };
    assert_eq!(to.as_str(), "archive/{arrived:%Y}/{name}");
    assert_eq!(push.after, AfterDelivery::Delete);
    let Deliver::LookUp(lookup) = &push.deliver else {
        panic!("not looked up");
    };
    let LookupPlace::Secrets(SecretStore::Aws(access)) = &lookup.store else {
        panic!("not in AWS");
    };
    assert_eq!(access.region.as_deref(), Some("eu-west-1"));
    assert_eq!(lookup.require_tags["service"], "push");
    assert_eq!(lookup.limits.concurrency, 2);

    let mut destinations = config.destinations.values();
    let (bank, copies) = (destinations.next().unwrap(), destinations.next().unwrap());
    assert_eq!(bank.limits.bytes_per_second, Some(10 << 20));
    assert_eq!(bank.limits.breaker.pause, Duration::from_mins(5));
    let DestinationPlace::Sftp(sftp) = &bank.place else {
        panic!("not SFTP");
    };
    assert_eq!((sftp.port, sftp.create_folders), (2222, true));
    let proxy = sftp.proxy.as_ref().unwrap();
    assert_eq!((proxy.kind, proxy.port), (ProxyKind::Socks5, 1080));
    let (user, password) = proxy.login.as_ref().unwrap();
    assert_eq!(
        (user.as_str(), password.0.as_str()),
        ("me", "proxy-password")
    );
    let DestinationPlace::Bucket(bucket) = &copies.place else {
        panic!("not a bucket");
    };
    assert_eq!(bucket.prefix.as_str(), "in");
    assert!(bucket.owner_full_control);
}

/// As the design has it.
#[test]
fn the_sketch() {
    let config = right(
        r#"
        node.data = "/data"
        bucket.staging = { url = "file:///srv/staging", watch = {} }
        [route.push]
        when = { arrives = "staging/*/**" }
        lookup = { kind = "secrets", name = "sftp/{path.0}", require_tag = { service = "push" } }
        "#,
    );
    let Deliver::LookUp(lookup) = &config.routes.values().next().unwrap().deliver else {
        panic!("not looked up");
    };
    assert_eq!(lookup.store, LookupPlace::Secrets(SecretStore::Node));
    assert_eq!(lookup.name.as_str(), "sftp/{path.0}");
    assert_eq!(lookup.limits.concurrency, 4);
}

#[test]
fn what_is_assumed_of_an_sftp_server() {
    let config = right(
        r#"
        node.data = "/data"
        [destination.bank]
        kind = "sftp"
        host = "2001:db8::7"
        user = "quay"
        password = "secret:bank"
        host_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAgFpyTroXOefjWz2YW8TWXlqEACCd3CV8kcGlrm+wW"]
        proxy = "http://[2001:db8::1]:3128/"
        "#,
    );
    let place = &config.destinations.values().next().unwrap().place;
    let DestinationPlace::Sftp(sftp) = place else {
        panic!("not SFTP");
    };
    assert_eq!((sftp.port, sftp.folder.as_str()), (22, "."));
    assert_eq!((sftp.create_folders, sftp.source_address), (false, None));
    let proxy = sftp.proxy.as_ref().unwrap();
    assert_eq!(proxy.kind, ProxyKind::HttpConnect);
    assert_eq!((proxy.host.as_str(), proxy.port), ("2001:db8::1", 3128));
    assert_eq!(proxy.login, None);
}
