//! One file with as many different mistakes as it has lines: all are told at once, each with its
//! place, the line and the remedy.

use super::read;

#[test]
fn every_mistake_of_a_file_is_told_with_place_and_remedy() {
    let problems = read(&[("quaymaster.toml", include_str!("mistakes.toml"))]).unwrap_err();
    let expect: Vec<&str> = EXPECT.trim().split("\n\n").collect();
    for (problem, expect) in problems.iter().zip(&expect) {
        assert_eq!(problem, expect);
        assert!(problem.contains("\n  help: "), "no remedy: {problem}");
    }
    assert_eq!(problems.len(), expect.len());
}

const EXPECT: &str = r#"
quaymaster.toml:1:2: [node] needs `data`
    1 | [node]
      |  ^^^^
  help: for example data = "/var/lib/quaymaster"

quaymaster.toml:3:17: alert: "sre" is in the list twice
    3 | alert = ["sre", "sre", "oncall"]
      |                 ^^^^^
  help: leave one of them out

quaymaster.toml:3:24: alert: there is no notifier `oncall`
    3 | alert = ["sre", "sre", "oncall"]
      |                        ^^^^^^^^
  help: notifiers are: pager, sre

quaymaster.toml:4:16: partial_kept: `1 day` is not a time span
    4 | partial_kept = "1 day"
      |                ^^^^^^^
  help: write a number and its unit (ms, s, m, h or d), as in `30m` or `24h`

quaymaster.toml:5:1: unknown key `colour` in [node]
    5 | colour…
      | ^^^^^^
  help: known here: data, secrets, encryption_keys, alert, partial_kept, partial_alert_after, dead_letters_alert, dead_letters_alert_after, undelivered_alert_after, dead_letters_kept, ledger, tags

quaymaster.toml:8:1: unknown key `adress` in [listen.sftp]
    8 | adress…
      | ^^^^^^
  help: did you mean `address`?

quaymaster.toml:9:19: connections_max: a whole number is needed, not a text
    9 | connections_max = "many"
      |                   ^^^^^^
  help: use a number from 1 to 100000

quaymaster.toml:10:31: connections_per_account_max: 0 is out of range
   10 | connections_per_account_max = 0
      |                               ^
  help: use a number from 1 to 100000

quaymaster.toml:11:8: idle: 30 has no unit
   11 | idle = 30
      |        ^^
  help: write a number and its unit (ms, s, m, h or d), as in `30m` or `24h`

quaymaster.toml:17:7: url: `ftp` is not a store
   17 | url = "ftp://archive"
      |       ^^^^^^^^^^^^^^^
  help: file:///srv/landing for a directory, s3://, gs:// or az:// for an object store

quaymaster.toml:20:7: the folder of bucket `inner` lies in the folder of bucket `landing` (/srv/landing)
   20 | url = "file:///srv/landing/inner"
      |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  help: each object must belong to one bucket; use folders beside each other

quaymaster.toml:23:13: ssh_keys: not a public key in OpenSSH's one-line form (length invalid)
   23 | ssh_keys = ["ssh-ed25519 AAAA ops@north"]
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  help: paste the one line of the partner's `.pub` file, as in `ssh-ed25519 AAAA… name@host`; PuTTYgen shows it as "Public key for pasting into OpenSSH authorized_keys file"

quaymaster.toml:24:13: networks: `203.0.113.7` is an address, not a network
   24 | networks = ["203.0.113.7", "203.0.113.5/24", "everywhere"]
      |             ^^^^^^^^^^^^^
  help: for this one address write `203.0.113.7/32`

quaymaster.toml:24:28: networks: `203.0.113.5/24` has bits behind its /24
   24 | networks = ["203.0.113.7", "203.0.113.5/24", "everywhere"]
      |                            ^^^^^^^^^^^^^^^^
  help: the network is `203.0.113.0/24`

quaymaster.toml:24:46: networks: `everywhere` is not a network
   24 | networks = ["203.0.113.7", "203.0.113.5/24", "everywhere"]
      |                                              ^^^^^^^^^^^^
  help: write it in CIDR form, as in `203.0.113.0/24` or `2001:db8::/32`

quaymaster.toml:25:11: mailbox: a path has no empty, `.` or `..` components
   25 | mailbox = "landing/../south"
      |           ^^^^^^^^^^^^^^^^^^
  help: write a bucket and a folder in it, as in `landing/north`

quaymaster.toml:26:16: may: `upload` is nothing an account may do
   26 | may = ["list", "upload"]
      |                ^^^^^^^^
  help: it may: list, read, write, overwrite, delete, rename, mkdir

quaymaster.toml:27:10: types: `.csv` is not a file extension
   27 | types = [".csv", "json"]
      |          ^^^^^^
  help: write the extension alone, without dot: `csv`

quaymaster.toml:28:18: temp_suffixes: `.json` is also in `types`, so these files would never arrive
   28 | temp_suffixes = [".json"]
      |                  ^^^^^^^
  help: take it out of one of the two

quaymaster.toml:30:24: there are two accounts `north`
   30 | [partner.south.account.north]
      |                        ^^^^^
  help: it is also at quaymaster.toml:22:24; the name is what the partner logs in with, so no two may share it

quaymaster.toml:31:11: mailbox: there is no bucket `lading`
   31 | mailbox = "lading/south"
      |           ^^^^^^^^^^^^^^
  help: did you mean `landing`?

quaymaster.toml:34:11: partner: there is no partner `nroth`
   34 | partner = "nroth"
      |           ^^^^^^^
  help: did you mean `north`?

quaymaster.toml:35:9: files: `**` in `**.csv` is not a component of its own
   35 | files = "landing/north/**.csv"
      |         ^^^^^^^^^^^^^^^^^^^^^^
  help: `**` stands alone between slashes; use `*` within a name

quaymaster.toml:36:12: min_size: `1 KB` is not a size
   36 | min_size = "1 KB"
      |            ^^^^^^
  help: write a number of bytes, or a number and its unit (KiB, MiB, GiB, TiB), as in `1KiB`

quaymaster.toml:37:7: due: `25:00` is not a time of day
   37 | due = "25:00"
      |       ^^^^^^^
  help: write hours and minutes, `17:00`, or with seconds, `17:00:05`; the last is `23:59:59`

quaymaster.toml:38:6: on: `mondays` names no days
   38 | on = "mondays"
      |      ^^^^^^^^^
  help: write `daily`, `weekdays`, or `weekly:` and days, as in `weekly:fri` or `weekly:mon,thu`

quaymaster.toml:39:8: zone: `Europe/Dublinn` is not a time zone
   39 | zone = "Europe/Dublinn"
      |        ^^^^^^^^^^^^^^^^
  help: did you mean `Europe/Dublin`?

quaymaster.toml:40:9: grace: `soon` is not a time span
   40 | grace = "soon"
      |         ^^^^^^
  help: write a number and its unit (ms, s, m, h or d), as in `30m` or `24h`

quaymaster.toml:41:9: alert: the list is empty, so nobody would be told
   41 | alert = []
      |         ^^
  help: put at least one into it

quaymaster.toml:43:11: [notifier.sre] needs `from`
   43 | [notifier.sre]
      |           ^^^
  help: for example from = "quaymaster@example.org"

quaymaster.toml:45:7: to: `sre at example.org` is not a mail address
   45 | to = ["sre at example.org"]
      |       ^^^^^^^^^^^^^^^^^^^^
  help: write the address alone, as in `sre@example.org`

quaymaster.toml:46:8: host: `smtp://mail.example.org` is not a host
   46 | host = "smtp://mail.example.org"
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^
  help: write the name or address alone, as in `mail.example.org`; the port is a key of its own

quaymaster.toml:47:12: security: `ssl` is not known here
   47 | security = "ssl"
      |            ^^^^^
  help: known are: starttls, tls, plain

quaymaster.toml:49:12: password: a secret does not stand in the configuration
   49 | password =…
      |            ^
  help: write `secret:NAME` and put the secret into the file NAME of the [node] secrets folder, or into the environment variable QUAYMASTER_SECRET_NAME

quaymaster.toml:52:8: kind: `webhook` is not known here
   52 | kind = "webhook"
      |        ^^^^^^^^^
  help: known are: email

quaymaster.toml:55:8: [route.products] needs `when`
   55 | [route.products]
      |        ^^^^^^^^
  help: say what starts it: when = { arrives = "landing/north/*" }

quaymaster.toml:56:12: deliver: there is no destination `prodcuts`
   56 | deliver = ["prodcuts"]
      |            ^^^^^^^^^^
  help: destinations are: bad name, share

quaymaster.toml:57:9: retry: `lamda` is not a way to retry
   57 | retry = "lamda"
      |         ^^^^^^^
  help: write `lambda` (3 attempts: now, +1 min, +2 min), `camel` (4: now, +10, +20, +40 min), or the pauses, as in ["1m", "10m"]

quaymaster.toml:58:14: on_failure: `ignore` is not known here
   58 | on_failure = "ignore"
      |              ^^^^^^^^
  help: known are: block, skip_superseded, independent

quaymaster.toml:61:20: arrives: `*/raw/*` has no bucket before its first `/`
   61 | when = { arrives = "*/raw/*", marker = "done.flag" }
      |                    ^^^^^^^^^
  help: begin the pattern with the name of a bucket, as in `landing/north/*.csv`

quaymaster.toml:61:31: unknown key `marker` in [route.raw.when]
   61 | when = { arrives = "*/raw/*", marker…
      |                               ^^^^^^
  help: known here: arrives

quaymaster.toml:62:11: deliver: a list is needed, not a text
   62 | deliver = "share"
      |           ^^^^^^^
  help: write it in brackets: deliver = ["…"]

quaymaster.toml:66:8: the folder of destination `share` lies in the folder of bucket `landing` (/srv/landing)
   66 | path = "/srv/landing/out"
      |        ^^^^^^^^^^^^^^^^^^
  help: deliveries would land among the uploads; use folders beside each other

quaymaster.toml:67:7: uid: -1 is out of range
   67 | uid = -1
      |       ^^
  help: use a number from 0 to 4294967294

quaymaster.toml:68:8: mode: a text of octal digits is needed, not a whole number
   68 | mode = 664
      |        ^^^
  help: write octal digits in quotes, as in "0664"

quaymaster.toml:69:15: folder_mode: 0470 leaves the owner without rwx, so no later delivery could replace anything
   69 | folder_mode = "0470"
      |               ^^^^^^
  help: at least "0770"

quaymaster.toml:70:15: concurrency: 1000 is out of range
   70 | concurrency = 1000
      |               ^^^^
  help: use a number from 1 to 64

quaymaster.toml:72:14: `bad name` is not a valid name
   72 | [destination."bad name"]
      |              ^^^^^^^^^^
  help: use 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first

quaymaster.toml:72:14: [destination."bad name"] needs `kind`
   72 | [destination."bad name"]
      |              ^^^^^^^^^^
  help: kind = "directory" or "bucket" or "sftp" or "sqlite" or "postgres" or "dynamodb"

quaymaster.toml:75:2: unknown table `rout`
   75 | [rout…
      |  ^^^^
  help: did you mean `route`?
"#;
