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
+ node: data /var/lib/quaymaster, secrets /etc/quaymaster/secrets, encryption_keys /var/lib/quaymaster/encryption-keys, alert sre, partial_kept 2d, partial_alert_after 90s
+ listen.sftp: address [::1]:0, connections_max 500, connections_per_account_max 5, idle 1h
+ bucket landing: url file:///srv/landing, keep_versions 10, keep_for 30d
+ account north: partner north, mailbox landing/north, may delete list mkdir overwrite read rename write, types csv xlsx, networks 203.0.113.0/24 2001:db8::/32 198.51.100.7/32, ssh_keys SHA256:yxsAevJG874lKMlM1LasOVltXRG03hdewzpOh7ynX8s ops@north SHA256:rbT/2dSEv8umjOIqlL5WGCZqw+cpTd+5m3TK0Jn4XW4 ops@south, temp_suffixes .wip
+ expectation north-daily: partner north, files landing/north/*, types csv, min_size 1024 bytes, due 17:00:05, on weekly:mon,fri, zone Europe/Dublin, grace 30m, alert sre
+ notifier sre: to sre@example.org night@example.org, from quaymaster@example.org, host mail.example.org, port 2525, security tls, user quaymaster, password secret:smtp-password, ca_file /etc/quaymaster/ca.pem, retry 3 attempts, +60s, +600s
+ route products: arrives landing/north/*.csv, deliver share, retry 4 attempts, +600s, +1200s, +2400s, on_failure block, min_size 1 bytes, alert sre
+ destination share: path /mnt/share, strip north, uid 10002, gid 0, mode 0664, folder_mode 0770, concurrency 8"
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
