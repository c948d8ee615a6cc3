//! The difference between two configurations.

use super::examples::full;
use super::right;
use crate::config::plan::plan;

#[test]
fn from_nothing() {
    let new = right(&full());
    assert_eq!(
        plan(None, &new).to_string(),
        "\
+ node: data /var/lib/quaymaster, secrets /etc/quaymaster/secrets, encryption_keys /var/lib/quaymaster/encryption-keys, alert sre, partial_kept 2d, partial_alert_after 90s, dead_letters_kept 4d
+ listen.sftp: address [::1]:0, connections_max 500, connections_per_account_max 5, idle 1h
+ bucket landing: url file:///srv/landing, keep_versions 10, keep_for 30d
+ account north: partner north, mailbox landing/north, may delete list mkdir overwrite read rename write, types csv xlsx, networks 203.0.113.0/24 2001:db8::/32 198.51.100.7/32, ssh_keys SHA256:yxsAevJG874lKMlM1LasOVltXRG03hdewzpOh7ynX8s ops@north SHA256:rbT/2dSEv8umjOIqlL5WGCZqw+cpTd+5m3TK0Jn4XW4 ops@south, temp_suffixes .wip
+ expectation north-daily: partner north, files landing/north/*, types csv, min_size 1024 bytes, due 17:00:05, on weekly:mon,fri, zone Europe/Dublin, grace 30m, alert sre
+ notifier sre: to sre@example.org night@example.org, from quaymaster@example.org, host mail.example.org, port 2525, security tls, user quaymaster, password secret:smtp-password, ca_file /etc/quaymaster/ca.pem, retry 3 attempts, +60s, +600s
+ route products: arrives landing/north/*.csv, deliver share, retry 4 attempts, +600s, +1200s, +2400s, on_failure block, min_size 1 bytes, alert sre
+ destination share: kind directory, path /mnt/share, uid 10002, gid 0, mode 0664, folder_mode 0770, strip north, concurrency 8, breaker 5 failures, 1m"
    );
}

/// One replacement in the full configuration, and the lines that it makes.
#[test]
fn changes() {
    for (from, to, expect) in [
        ("", "", "nothing changes"),
        (
            "\"/var/lib/quaymaster\"",
            "\"/data\"",
            "~ node: data /var/lib/quaymaster → /data (takes effect at the next start)\n\
             ~ node: encryption_keys /var/lib/quaymaster/encryption-keys → /data/encryption-keys (takes effect at the next start)",
        ),
        (
            "[::1]:0",
            "127.0.0.1:2022",
            "~ listen.sftp: address [::1]:0 → 127.0.0.1:2022 (takes effect at the next start)",
        ),
        (
            "idle = \"1h\"",
            "",
            "~ listen.sftp: idle 1h → 30m (takes effect at the next start)",
        ),
        (
            "connections_per_account_max = 5",
            "",
            "~ listen.sftp: connections_per_account_max 5 → 20",
        ),
        (
            "retry = \"camel\"",
            "retry = \"lambda\"",
            "~ route products: retry 4 attempts, +600s, +1200s, +2400s → 3 attempts, +60s, +120s",
        ),
        (
            "types = [\"csv\", \"XLSX\"]",
            "",
            "~ account north: types csv xlsx → none",
        ),
        (
            "secret:smtp-password",
            "secret:other",
            "~ notifier sre: password secret:smtp-password → secret:other",
        ),
        (
            "[bucket.landing]",
            "[bucket.spare]\nurl = \"file:///srv/spare\"\n[bucket.landing]",
            "+ bucket spare: url file:///srv/spare, keep_versions 10, keep_for 30d",
        ),
        (
            "url = \"file:///srv/landing\"",
            "url = \"s3://landing\"\nregion = \"eu-west-1\"",
            "~ bucket landing: url file:///srv/landing → s3://landing\n\
             ~ bucket landing: region none → eu-west-1\n\
             ~ bucket landing: checksums none → true",
        ),
    ] {
        let old = right(&full());
        let new = right(&full().replacen(from, to, 1));
        assert_eq!(plan(Some(&old), &new).to_string(), expect);
        assert_eq!(plan(Some(&new), &new).to_string(), "nothing changes");
    }
}

#[test]
fn deliveries() {
    let new = right(super::delivering::ALL);
    let text = plan(None, &new).to_string();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| {
            ["+ route", "+ destination", "+ node", "+ listen"]
                .iter()
                .any(|kind| line.starts_with(kind))
        })
        .collect();
    assert_eq!(lines.join("\n"), DELIVERIES.trim());
}

const DELIVERIES: &str = "
+ node: data /data, encryption_keys /data/encryption-keys, partial_kept 1d, partial_alert_after 10m, dead_letters_alert 10, dead_letters_alert_after 1d, undelivered_alert_after 1h, dead_letters_kept 4d, ledger PostgreSQL by secret:ledger
+ listen.sftp: address 0.0.0.0:2022, connections_max 1000, connections_per_account_max 20, idle 30m, host_key secret:host-key
+ route bank: arrives landing/in/*.csv, deliver bank copies, screen names *.csv /[a-z]+\\.csv/; types csv; at least 1 bytes; at most 1073741824 bytes; rejected go to quarantine/{key}, retry 3 attempts, +60s, +120s, max_age 2d, on_failure independent, min_size 0 bytes, after move to archive/{arrived:%Y}/{name}
+ route push: arrives staging/*/**, lookup secret sftp/{path.0} in AWS Secrets Manager region eu-west-1 with tag service=push, retry 3 attempts, +60s, +120s, on_failure skip_superseded, min_size 0 bytes, after delete, concurrency 2, breaker 5 failures, 1m
+ destination bank: kind sftp, host sftp.bank.example:2222, user quay, private_key secret:bank-key, passphrase secret:bank-passphrase, password secret:bank-password, host_keys SHA256:yxsAevJG874lKMlM1LasOVltXRG03hdewzpOh7ynX8s, folder in/{arrived:%Y}, create_folders true, proxy socks5://me@proxy.example:1080 with secret:proxy-password, source_address 203.0.113.7, name {stem}-{arrived@Europe/Dublin:%Y%m%d}.csv, concurrency 1, bandwidth 10485760 bytes/s, closed sun 02:00-04:00 in Europe/Dublin, breaker 3 failures, 5m
+ destination copies: kind bucket, bucket archive, prefix in, acl bucket-owner-full-control, strip in, concurrency 4, breaker 5 failures, 1m
";

#[test]
fn a_destination_that_becomes_one_of_another_kind() {
    let old = right(&full());
    let text = full();
    let (before, _) = text.split_once("[destination.share]").unwrap();
    let new = right(&format!(
        "{before}[destination.share]\nkind = \"bucket\"\nbucket = \"spare\"\n[bucket.spare]\nurl = \"file:///srv/spare\"\n"
    ));
    let text = plan(Some(&old), &new).to_string();
    for line in [
        "~ destination share: kind directory → bucket",
        "~ destination share: path /mnt/share → none",
        "~ destination share: bucket none → spare",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

#[test]
fn what_another_kind_of_place_does_not_have() {
    let url = "url = \"file:///srv/landing\"";
    let on_s3 = "url = \"s3://landing\"\nregion = \"eu-west-1\"";
    let old = right(&full().replacen(url, on_s3, 1));
    assert_eq!(
        plan(Some(&old), &right(&full())).to_string(),
        "~ bucket landing: url s3://landing → file:///srv/landing\n\
         ~ bucket landing: region eu-west-1 → none\n\
         ~ bucket landing: checksums true → none"
    );
}

#[test]
fn what_goes_away() {
    let old = right(&full());
    let new = right(
        "node = { data = \"/var/lib/quaymaster\", secrets = \"/etc/quaymaster/secrets\", partial_kept = \"2d\", \
         partial_alert_after = \"90s\" }\nlisten.sftp = { address = \"[::1]:0\", connections_max = 500, \
         connections_per_account_max = 5, idle = \"1h\" }",
    );
    assert_eq!(
        plan(Some(&old), &new).to_string(),
        "\
~ node: alert sre → none
- bucket landing (its objects stay where they are)
- account north (its sessions end)
- expectation north-daily
- notifier sre
- route products
- destination share"
    );
}
