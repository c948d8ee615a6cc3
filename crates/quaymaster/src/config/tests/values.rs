//! Single values: what they become, or what is said about them.

use qm_core::config::Config;
use std::fmt::Write as _;

use super::{NORTH_KEY, messages, read};

/// A configuration with one line more in a table that has all it needs.
pub(super) fn with(table: &str, line: &str) -> String {
    let mut text = String::new();
    for (name, needed) in [
        ("[node]", "data = \"data\""),
        ("[listen.sftp]", ""),
        ("[bucket.b]", "url = \"file:///srv/b\""),
        ("[partner.p.account.a]", "mailbox = \"b/a\""),
        (
            "[expectation.e]",
            "partner = \"p\"\nfiles = \"b/a/*\"\ndue = \"17:00\"\non = \"daily\"\nzone = \"UTC\"\nalert = [\"n\"]",
        ),
        (
            "[notifier.n]",
            "kind = \"email\"\nto = [\"a@b\"]\nfrom = \"a@b\"\nhost = \"h\"",
        ),
        ("[route.r]", "when.arrives = \"b/a/*\"\ndeliver = [\"d\"]"),
        ("[destination.d]", "kind = \"directory\"\npath = \"/mnt/d\""),
    ] {
        // A line of the test goes before the one of the same key that is needed.
        let key = line.split([' ', '.']).next().unwrap_or_default();
        let kept: Vec<&str> = needed
            .lines()
            .filter(|l| name != table || l.split([' ', '.']).next() != Some(key))
            .collect();
        let own = if name == table { line } else { "" };
        writeln!(text, "{name}\n{own}\n{}", kept.join("\n")).unwrap();
    }
    text
}

/// The value that the line becomes, as `show` prints it, or the first line of each problem.
#[track_caller]
pub(super) fn check(
    table: &str,
    show: impl Fn(&Config) -> String,
    cases: &[(&str, Result<&str, &str>)],
) {
    for (line, expect) in cases {
        let text = with(table, line);
        match (read(&[("quaymaster.toml", &text)]), expect) {
            (Ok(config), Ok(expect)) => assert_eq!(show(&config), *expect, "{line}"),
            (Err(_), Err(expect)) => {
                let messages = messages(&text).join("\n");
                let message = messages.splitn(4, ':').nth(3).unwrap_or_default();
                assert_eq!(message.trim_start(), *expect, "{line}");
            }
            (found, expect) => panic!("{line}: {found:?} instead of {expect:?}"),
        }
    }
}

#[test]
fn time_spans() {
    let help = "\n  help: write a number and its unit (ms, s, m, h or d), as in `30m` or `24h`";
    let bad = |text: &str| format!("grace: `{text}` is not a time span{help}");
    check(
        "[expectation.e]",
        |c| format!("{:?}", c.expectations.values().next().unwrap().grace),
        &[
            ("grace = \"500ms\"", Ok("500ms")),
            ("grace = \"10s\"", Ok("10s")),
            ("grace = \"30m\"", Ok("1800s")),
            ("grace = \"24h\"", Ok("86400s")),
            ("grace = \"7d\"", Ok("604800s")),
            ("grace = \"0s\"", Ok("0ns")),
            (
                "grace = \"\"",
                Err(
                    "grace: the text is empty\n  help: write something between the quotes, or leave the key out",
                ),
            ),
            ("grace = \"m\"", Err(&bad("m"))),
            ("grace = \"30\"", Err(&bad("30"))),
            ("grace = \"30 m\"", Err(&bad("30 m"))),
            ("grace = \"1h30m\"", Err(&bad("1h30m"))),
            ("grace = \"-5m\"", Err(&bad("-5m"))),
            ("grace = \"1.5h\"", Err(&bad("1.5h"))),
            (
                "grace = \"99999999999999999999s\"",
                Err(&bad("99999999999999999999s")),
            ),
            (
                "grace = \"18446744073709551615d\"",
                Err("grace: `18446744073709551615d` is too long\n  help: at most a year (366d)"),
            ),
            (
                "grace = \"367d\"",
                Err("grace: `367d` is too long\n  help: at most a year (366d)"),
            ),
            (
                "grace = true",
                Err(
                    "grace: a text in quotes is needed, not true or false\n  help: write one text in quotes",
                ),
            ),
        ],
    );
}

#[test]
fn sizes() {
    let help = "\n  help: write a number of bytes, or a number and its unit (KiB, MiB, GiB, TiB), as in `1KiB`";
    check(
        "[route.r]",
        |c| c.routes.values().next().unwrap().min_size_bytes.to_string(),
        &[
            ("min_size = 0", Ok("0")),
            ("min_size = 1_000", Ok("1000")),
            ("min_size = \"5\"", Ok("5")),
            ("min_size = \"5B\"", Ok("5")),
            ("min_size = \"1KiB\"", Ok("1024")),
            ("min_size = \"5TiB\"", Ok("5497558138880")),
            (
                "min_size = \"6TiB\"",
                Err("min_size: no file is that large\n  help: at most 5TiB"),
            ),
            (
                "min_size = -1",
                Err(&format!("min_size: `-1` is not a size{help}")),
            ),
            (
                "min_size = \"1kb\"",
                Err(&format!("min_size: `1kb` is not a size{help}")),
            ),
            (
                "min_size = 1.5",
                Err(&format!("min_size: a size is needed, not a fraction{help}")),
            ),
        ],
    );
}

#[test]
fn times_of_day() {
    let help = "\n  help: write hours and minutes, `17:00`, or with seconds, `17:00:05`; the last is `23:59:59`";
    let bad = |text: &str| format!("due: `{text}` is not a time of day{help}");
    check(
        "[expectation.e]",
        |c| c.expectations.values().next().unwrap().due.to_string(),
        &[
            ("due = \"00:00\"", Ok("00:00:00")),
            ("due = \"23:59:59\"", Ok("23:59:59")),
            ("due = 17:00:05", Ok("17:00:05")),
            ("due = \"24:00\"", Err(&bad("24:00"))),
            ("due = \"17:60\"", Err(&bad("17:60"))),
            ("due = \"7:00\"", Err(&bad("7:00"))),
            ("due = \"17\"", Err(&bad("17"))),
            ("due = \"17:00:00:00\"", Err(&bad("17:00:00:00"))),
            ("due = \"5pm\"", Err(&bad("5pm"))),
            ("due = \"+7:00\"", Err(&bad("+7:00"))),
        ],
    );
}

#[test]
fn permissions() {
    let help = "\n  help: write octal digits in quotes, as in \"0664\"";
    let bad = format!("mode: these are no octal permissions{help}");
    check(
        "[destination.d]",
        |c| {
            let destination = c.destinations.values().next().unwrap();
            let qm_core::config::DestinationPlace::Directory(d) = &destination.place else {
                panic!("not a directory");
            };
            format!("{:o}", d.mode)
        },
        &[
            ("mode = \"0664\"", Ok("664")),
            ("mode = \"600\"", Ok("600")),
            ("mode = 0o640", Ok("640")),
            ("mode = \"0888\"", Err(&bad)),
            ("mode = \"rw-r--r--\"", Err(&bad)),
            ("mode = \"6\"", Err(&bad)),
            (
                "mode = \"4755\"",
                Err(
                    "mode: only read, write and execute can be set\n  help: use at most \"0777\": set-user-id, set-group-id and sticky are not offered",
                ),
            ),
            (
                "mode = \"0444\"",
                Err(
                    "mode: 0444 leaves the owner without rw, so no later delivery could replace anything\n  help: at least \"0644\"",
                ),
            ),
        ],
    );
}

#[test]
fn retries() {
    check(
        "[route.r]",
        |c| c.routes.values().next().unwrap().retry.to_string(),
        &[
            ("retry = \"lambda\"", Ok("3 attempts, +60s, +120s")),
            ("retry = \"camel\"", Ok("4 attempts, +600s, +1200s, +2400s")),
            ("retry = []", Ok("1 attempts")),
            ("retry = [\"5s\", \"5s\"]", Ok("3 attempts, +5s, +5s")),
            (
                "retry = [5]",
                Err(
                    "retry: 5 has no unit\n  help: write a number and its unit (ms, s, m, h or d), as in `30m` or `24h`",
                ),
            ),
        ],
    );
}

#[test]
fn places() {
    let store =
        "\n  help: file:///srv/landing for a directory, s3://, gs:// or az:// for an object store";
    check(
        "[bucket.b]",
        |c| c.buckets.values().next().unwrap().place.to_string(),
        &[
            ("url = \"file:///srv/x\"", Ok("file:///srv/x")),
            ("url = \"file://x/y\"", Ok("file:///etc/quaymaster/x/y")),
            ("url = \"file://./x/../y\"", Ok("file:///etc/quaymaster/y")),
            ("url = \"file:///srv/a%20b\"", Ok("file:///srv/a%20b")),
            ("url = \"s3://landing\"", Ok("s3://landing")),
            ("url = \"s3://landing/in/\"", Ok("s3://landing/in")),
            ("url = \"gs://landing/in\"", Ok("gs://landing/in")),
            (
                "url = \"az://landing\"\naccount = \"store\"",
                Ok("az://landing"),
            ),
            (
                "url = \"az://landing\"",
                Err("[bucket.b] needs `account`\n  help: for example account = \"storageaccount\""),
            ),
            (
                "url = \"s3://landing/a//b\"",
                Err(
                    "url: a path has no empty, `.` or `..` components\n  help: as in s3://company-landing/uploads",
                ),
            ),
            (
                "url = \"s3://user@landing\"",
                Err(
                    "url: `user@landing` is no bucket's name\n  help: as in s3://company-landing/uploads",
                ),
            ),
            (
                "url = \"s3://landing\"\nendpoint = \"s3.example.org\"",
                Err(
                    "endpoint: not the URL of a service\n  help: as in `https://s3.example.org:9000`",
                ),
            ),
            (
                "url = \"s3://landing\"\nkms_key_id = \"k\"",
                Err(
                    "kms_key_id: only SSE-KMS takes a key\n  help: add server_side_encryption = \"kms\", or leave the key out",
                ),
            ),
            (
                "url = \"file:///srv/x\"\nregion = \"eu-west-1\"",
                Err(
                    "unknown key `region` in [bucket.b]\n  help: known here: url, encryption_key, keep_versions, keep_for, shared, watch",
                ),
            ),
            (
                "url = \"file:///srv/x\"\nencryption_key = \"k\"",
                Err(
                    "encryption_key: there is no encryption_key `k`\n  help: add a table [encryption_key.k]",
                ),
            ),
            (
                "url = \"ftp://x\"",
                Err(&format!("url: `ftp` is not a store{store}")),
            ),
            (
                "url = \"/srv/x\"",
                Err("url: not the URL of a bucket\n  help: did you mean `file:///srv/x`?"),
            ),
            (
                "url = \"file:/srv/x\"",
                Err("url: not the URL of a bucket\n  help: did you mean `file:///srv/x`?"),
            ),
            (
                "url = \"file://\"",
                Err("url: no folder behind file://\n  help: as in file:///srv/landing"),
            ),
        ],
    );
}

#[test]
fn addresses_to_listen_on() {
    let help = "\n  help: write `0.0.0.0:2022`, `127.0.0.1:2022` or `[::]:2022`";
    let bad = |text: &str| format!("address: `{text}` is not an IP address with a port{help}");
    check(
        "[listen.sftp]",
        |c| c.sftp.address.to_string(),
        &[
            ("address = \"127.0.0.1:0\"", Ok("127.0.0.1:0")),
            ("address = \":2022\"", Err(&bad(":2022"))),
            ("address = \"localhost:2022\"", Err(&bad("localhost:2022"))),
            ("address = \"0.0.0.0\"", Err(&bad("0.0.0.0"))),
            ("address = \"0.0.0.0:65536\"", Err(&bad("0.0.0.0:65536"))),
        ],
    );
}

#[test]
fn a_mail_server_login() {
    let both = "\n  help: give both, or none if the server asks for none";
    let plain = "security: the password would cross the network readable by all\n  help: use `starttls` or `tls`; a login over `plain` is only possible on this machine (localhost)";
    let login = "user = \"u\"\npassword = \"secret:s\"";
    check(
        "[notifier.n]",
        |c| {
            let qm_core::config::Notifier::Email(email) = c.notifiers.values().next().unwrap();
            format!(
                "{} {:?} {}",
                email.port,
                email.security,
                email.login.is_some()
            )
        },
        &[
            ("security = \"plain\"", Ok("25 Plain false")),
            ("security = \"tls\"", Ok("465 Tls false")),
            (login, Ok("587 StartTls true")),
            (
                "user = \"u\"",
                Err(&format!("there is a `user` but no `password`{both}")),
            ),
            (
                "password = \"secret:s\"",
                Err(&format!("there is a `password` but no `user`{both}")),
            ),
            (&format!("security = \"plain\"\n{login}"), Err(plain)),
        ],
    );
}

#[test]
fn keys_and_accounts() {
    let twice = format!("ssh_keys = [\"{NORTH_KEY}\", \"{NORTH_KEY}\"]");
    check(
        "[partner.p.account.a]",
        |c| {
            c.accounts
                .values()
                .next()
                .unwrap()
                .ssh_keys
                .len()
                .to_string()
        },
        &[
            ("ssh_keys = []", Ok("0")),
            (&format!("ssh_keys = [\"{NORTH_KEY}\"]"), Ok("1")),
            (
                &twice,
                Err(&format!(
                    "ssh_keys: \"{NORTH_KEY}\" is in the list twice\n  help: leave one of them out"
                )),
            ),
            (
                "mailbox = \"/b/a\"",
                Err(
                    "mailbox: `` is not a valid name\n  help: use 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first",
                ),
            ),
            (
                "mailbox = \"b//a\"",
                Err("mailbox: a folder of a bucket does not begin with `/`\n  help: write `a`"),
            ),
            (
                "mailbox = \"b/.quaymaster\"",
                Err(
                    "mailbox: that name is reserved by the server\n  help: write a bucket and a folder in it, as in `landing/north`",
                ),
            ),
            ("home = \"/\"", Ok("0")),
            (
                "home = \"landing/north\"",
                Err(
                    "home: a home begins with `/`\n  help: write the path that the account's programs have, as in `/landing/north`",
                ),
            ),
            (
                "home = \"/a/../b\"",
                Err(
                    "home: a path has no empty, `.` or `..` components\n  help: write the path that the account's programs have, as in `/landing/north`",
                ),
            ),
            (
                "types = []",
                Err(
                    "types: the list is empty, so no file at all would do; leave the key out to take any\n  help: put at least one into it",
                ),
            ),
            (
                "temp_suffixes = [\"wip\"]",
                Err(
                    "temp_suffixes: `wip` is not a suffix\n  help: write the end of the name with its dot, as in `.wip`",
                ),
            ),
            (
                "may = [\"reed\"]",
                Err("may: `reed` is nothing an account may do\n  help: did you mean `read`?"),
            ),
        ],
    );
}
