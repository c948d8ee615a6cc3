//! Routes and destinations that are wrong: what is said about them.

use super::messages;
use super::values::check;

const BASE: &str = r#"
node.data = "data"
bucket.landing.url = "file:///srv/landing"
bucket.archive = { url = "file:///srv/archive" }
bucket.seen = { url = "file:///srv/seen", watch = {} }
[partner.p.account.a]
mailbox = "landing"
[destination.share]
kind = "directory"
path = "/mnt/share"
"#;
const SFTP: &str = "[destination.d]\nkind = \"sftp\"\nhost = \"h\"\nuser = \"u\"\n";
const PIN: &str = "host_keys = [\"SHA256:yxsAevJG874lKMlM1LasOVltXRG03hdewzpOh7ynX8s\"]\n";

/// What is said behind file and place, all of it.
#[track_caller]
fn check_text(text: &str, expect: &[&str]) {
    let text = format!("{BASE}{text}");
    let found: Vec<String> = messages(&text)
        .iter()
        .map(|m| {
            let (_, said) = m.split_once(": ").unwrap_or_default();
            said.to_owned()
        })
        .collect();
    assert_eq!(found, expect, "{text}");
}

fn route(lines: &str) -> String {
    format!("[route.r]\nwhen.arrives = \"landing/in/**\"\n{lines}\n")
}

#[test]
fn where_a_route_goes() {
    for (lines, expect) in [
        ("deliver = [\"share\"]", None),
        (
            "",
            Some("[route.r] needs `deliver`\n  help: for example deliver = [\"share\"]"),
        ),
        (
            "deliver = [\"share\"]\nlookup = { kind = \"secrets\", name = \"x\", require_tag = { a = \"b\" } }",
            Some(
                "lookup: the route has `deliver` as well\n  help: keep one of the two; for both write a second route",
            ),
        ),
        (
            "lookup = { kind = \"vault\", name = \"x\" }",
            Some("kind: `vault` is not known here\n  help: known are: secrets, dynamodb"),
        ),
        (
            "lookup = { name = \"sftp/{path.0}\", require_tag = { a = \"b\" } }",
            Some("[route.r.lookup] needs `kind`\n  help: kind = \"secrets\" or \"dynamodb\""),
        ),
        (
            "lookup = { kind = \"secrets\", require_tag = { a = \"b\" } }",
            Some("[route.r.lookup] needs `name`\n  help: for example name = \"sftp/{path.0}\""),
        ),
        (
            "lookup = { kind = \"secrets\", name = \"sftp/{path.0}\", region = \"eu-west-1\", require_tag = { a = \"b\" } }",
            Some(
                "unknown key `region` in [route.r.lookup]\n  help: known here: kind, name, store, require_tag, destinations, concurrency, bandwidth, closed, zone, breaker",
            ),
        ),
        (
            "lookup = { kind = \"secrets\", name = \"sftp/{path.0}\", store = \"awz\", require_tag = { a = \"b\" } }",
            Some("store: `awz` is not known here\n  help: did you mean `aws`?"),
        ),
        (
            "lookup = { kind = \"secrets\", name = \"sftp/{path.0}\" }",
            Some(
                "lookup: without `require_tag` any secret of the node could be found\n  help: require_tag = { service = \"push\" }, and the same in the file NAME.tags beside each secret",
            ),
        ),
        (
            "lookup = { kind = \"secrets\", name = \"sftp/{path.0}\", store = \"aws\" }",
            None,
        ),
        (
            "lookup = { kind = \"secrets\", name = \"sftp/{path.0}\", require_tag = {} }",
            Some("require_tag: no tag is in it\n  help: put one into it, or leave the key out"),
        ),
        (
            "lookup = { kind = \"secrets\", name = \"sftp/{path.0}\", require_tag = { a = 1 } }",
            Some(
                "require_tag: `a` is a whole number, not a text\n  help: write `{ key = \"value\" }`",
            ),
        ),
        (
            "lookup = { kind = \"secrets\", name = \"sftp/{path.0}\", require_tag = \"push\" }",
            Some(
                "require_tag: a table of tags is needed, not a text\n  help: write `{ key = \"value\" }`",
            ),
        ),
    ] {
        check_text(&route(lines), &expect.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn propagations() {
    for (propagate, expect) in [
        ("propagate = [\"delete\", \"rename\"]", None),
        ("propagate = [\"rename\"]\nafter = \"delete\"", None),
        (
            "propagate = [\"deletes\"]",
            Some("propagate: `deletes` is not known here\n  help: did you mean `delete`?"),
        ),
        (
            "propagate = \"delete\"",
            Some(
                "propagate: a list is needed, not a text\n  help: write it in brackets: propagate = [\"…\"]",
            ),
        ),
    ] {
        let lines = format!("deliver = [\"share\"]\n{propagate}");
        check_text(&route(&lines), &expect.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn screens() {
    for (screen, expect) in [
        ("screen = { min_size = 0 }", None),
        (
            "screen = {}",
            Some(
                "[route.r.screen] checks nothing\n  help: add names = [\"*.csv\"], regex, types, min_size or max_size, or leave the table out",
            ),
        ),
        (
            "screen = { min_size = 2, max_size = 1 }",
            Some(
                "max_size: it is smaller than `min_size`, so no file would pass\n  help: swap the two",
            ),
        ),
        (
            "screen = { min_size = 2, on_reject = \"keep\", quarantine = \"q/{key}\" }",
            Some(
                "on_reject: a file that goes to `quarantine` is not kept where it is\n  help: leave one of the two out",
            ),
        ),
        (
            "screen = { min_size = 2, on_reject = \"delete\" }",
            Some("on_reject: `delete` is not known here\n  help: known are: keep"),
        ),
        (
            "screen = { min_size = 2, quarantine = \"in/bad/{name}\" }",
            Some(
                "`landing/in/example` would become `landing/in/bad/example`, which is a file for the same route\n  help: move it where `landing/in/**` does not match",
            ),
        ),
    ] {
        let lines = format!("deliver = [\"share\"]\n{screen}");
        check_text(&route(&lines), &expect.into_iter().collect::<Vec<_>>());
    }
    let lines = route("deliver = [\"share\"]\nscreen = { regex = [\"(\"] }");
    let found = messages(&format!("{BASE}{lines}"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains(": regex: ") && found[0].contains("help: "),
        "{found:?}"
    );
}

#[test]
fn what_happens_afterwards() {
    let back = |to: &str| {
        format!(
            "`landing/in/example` would become `landing/{to}`, which is a file for the same route\n  help: move it where `landing/in/**` does not match"
        )
    };
    for (after, expect) in [
        ("\"keep\"", None),
        ("\"delete\"", None),
        ("{ move = \"archive/{key}\" }", None),
        ("{ move = \"archive/{arrived:%Y}/{name}\" }", None),
        ("{ move = \"in/done/{name}\" }", Some(back("in/done/example"))),
        ("{ move = \"{key}\" }", Some(back("in/example"))),
        (
            "\"archive\"",
            Some("after: `archive` is not known here\n  help: write `keep`, `delete`, or { move = \"archive/{arrived:%Y}/{name}\" }".to_owned()),
        ),
        (
            "{ copy = \"x\" }",
            Some("[route.r.after] needs `move`\n  help: for example move = \"archive/{arrived:%Y}/{name}\"\nunknown key `copy` in [route.r.after]\n  help: known here: move".to_owned()),
        ),
    ] {
        let text = format!("{BASE}{}", route(&format!("deliver = [\"share\"]\nafter = {after}")));
        let found: Vec<String> = messages(&text)
            .iter()
            .map(|m| m.split_once(": ").unwrap_or_default().1.to_owned())
            .collect();
        assert_eq!(found.join("\n"), expect.unwrap_or_default(), "{after}");
    }
}

#[test]
fn any_folder_but_one_is_a_route_s() {
    let of_folders = |to: &str| {
        format!(
            "[route.r]\nwhen.arrives = \"landing/*/**\"\ndeliver = [\"share\"]\nafter.move = \"{to}\"\n"
        )
    };
    check_text(&of_folders("sent/{key}"), &[]);
    check_text(
        &of_folders("{path.0}/sent/{name}"),
        &[
            "`landing/example/example` would become `landing/example/sent/example`, which is a file for the same route\n  help: move it where `landing/*/**` does not match",
        ],
    );
}

#[test]
fn names_that_no_file_has() {
    let lookup = |name: &str| {
        route(&format!(
            "lookup = {{ kind = \"secrets\", name = \"{name}\", require_tag = {{ a = \"b\" }} }}"
        ))
    };
    check_text(&lookup("sftp/{path.1}"), &[]);
    let found = messages(&format!("{BASE}{}", lookup("sftp/{path.20}")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("no file of route `r` has such a name: for `landing/in/example`, "),
        "{found:?}"
    );
    let found = messages(&format!(
        "{BASE}{}",
        route("deliver = [\"share\"]\nafter = { move = \"../{name}\" }")
    ));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("no file of route `r` has such a name"),
        "{found:?}"
    );
}

#[test]
fn routes_that_hide_others() {
    let two = |narrow: &str| {
        format!(
            "[route.wide]\nwhen.arrives = \"landing/**\"\ndeliver = [\"share\"]\nscreen.min_size = 1\n\
             [route.narrow]\nwhen.arrives = \"landing/in/**\"\n{narrow}\n"
        )
    };
    let hidden = "route `narrow` is hidden by route `wide`, whose `landing/**` matches the same files and delivers them to the same destinations\n  help: remove one of the two, or let them match different files";
    check_text(
        &two("deliver = [\"share\"]\nscreen.min_size = 1"),
        &[hidden],
    );
    // What the wide one rejects goes by the narrow one alone.
    check_text(&two("deliver = [\"share\"]"), &[]);
    check_text(
        &two("lookup = { kind = \"secrets\", name = \"x\", require_tag = { a = \"b\" } }"),
        &[],
    );
    let same = "[route.a]\nwhen.arrives = \"landing/**\"\nlookup = { kind = \"secrets\", name = \"{path.0}\", require_tag = { a = \"b\" } }\n\
                [route.b]\nwhen.arrives = \"landing/**\"\nlookup = { kind = \"secrets\", name = \"NAME\", require_tag = { a = \"b\" } }\n";
    check_text(&same.replace("NAME", "{path.1}"), &[]);
    let found = messages(&format!("{BASE}{}", same.replace("NAME", "{path.0}")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("route `b` is hidden by route `a`"),
        "{found:?}"
    );
}

#[test]
fn buckets_as_destinations() {
    let bucket = |lines: &str| {
        format!(
            "{}[destination.d]\nkind = \"bucket\"\n{lines}\n",
            route("deliver = [\"d\"]")
        )
    };
    for (lines, expect) in [
        ("bucket = \"archive\"\nname = \"{name}\"", None),
        (
            "bucket = \"archiv\"",
            Some("bucket: there is no bucket `archiv`\n  help: did you mean `archive`?"),
        ),
        (
            "bucket = \"archive\"\nstrip = \"in\"\nname = \"{name}\"",
            Some(
                "strip: nothing is left to cut off where `name` says the whole name\n  help: leave one of the two out",
            ),
        ),
        (
            "bucket = \"archive\"\nacl = \"bucket-owner-full-control\"",
            Some("acl: only a bucket of S3 has one\n  help: leave the key out"),
        ),
        (
            "bucket = \"landing\"\nprefix = \"out\"",
            Some(
                "bucket: deliveries would land among the mailbox of account `a`, and nobody would notice them\n  help: add `watch = {}` to [bucket.landing], or give the destination a `prefix` of its own",
            ),
        ),
    ] {
        check_text(&bucket(lines), &expect.into_iter().collect::<Vec<_>>());
    }
    let circle = "[route.r]\nwhen.arrives = \"seen/in/**\"\ndeliver = [\"d\"]\n\
                  [destination.d]\nkind = \"bucket\"\nbucket = \"seen\"\n";
    check_text(&format!("{circle}prefix = \"out\"\n"), &[]);
    check_text(
        circle,
        &[
            "deliver: `seen/in/example` would be delivered to `seen/in/example`, which starts the route again\n  \
           help: give destination `d` a prefix where `seen/in/**` does not match",
        ],
    );
}

#[test]
fn proxies() {
    let key = "private_key = \"secret:k\"\n";
    for (lines, expect) in [
        (
            format!("{key}{PIN}proxy = \"proxy.example:1080\"\n"),
            "proxy: not the URL of a proxy\n  help: as in `socks5://proxy.example.org:1080` or `http://user@proxy.example.org:3128`",
        ),
        (
            format!("{key}{PIN}proxy = \"socks5://proxy.example\"\n"),
            "proxy: not the URL of a proxy\n  help: as in `socks5://proxy.example.org:1080` or `http://user@proxy.example.org:3128`",
        ),
        (
            format!("{key}{PIN}proxy = \"socks5://me@proxy.example:1080\"\n"),
            "proxy: the user of the proxy has no password\n  help: add proxy_password = \"secret:NAME\", or take the user out of the URL",
        ),
        (
            format!(
                "{key}{PIN}proxy = \"socks5://proxy.example:1080\"\nproxy_password = \"secret:p\"\n"
            ),
            "proxy_password: nobody logs in with it\n  help: write the user into the URL, as in proxy = \"socks5://user@proxy.example.org:1080\"",
        ),
        (
            format!("{key}{PIN}proxy_password = \"secret:p\"\n"),
            "proxy_password: there is no `proxy`\n  help: add proxy = \"socks5://user@proxy.example.org:1080\", or leave the password out",
        ),
    ] {
        check_text(&format!("{SFTP}{lines}"), &[expect]);
    }
}

#[test]
fn sftp_servers() {
    let key = "private_key = \"secret:k\"\n";
    for (lines, expect) in [
        (format!("{key}{PIN}"), None),
        (
            key.to_owned(),
            Some(
                "[destination.d] needs `host_keys`\n  help: `ssh-keyscan -p PORT HOST` shows them; compare the fingerprint (`ssh-keygen -lf FILE`) with what the partner tells you by another way, then write host_keys = [\"ssh-ed25519 AAAA…\"]",
            ),
        ),
        (
            format!("{key}host_keys = []\n"),
            Some(
                "host_keys: the list is empty, so no server would be believed\n  help: put at least one into it",
            ),
        ),
        (
            PIN.to_owned(),
            Some(
                "[destination.d] needs `private_key` or `password`\n  help: as in private_key = \"secret:NAME\", the secret being the text of the key's file",
            ),
        ),
        (
            format!("password = \"secret:p\"\npassphrase = \"secret:q\"\n{PIN}"),
            Some(
                "passphrase: there is no `private_key` that it opens\n  help: add the private key, or leave the passphrase out",
            ),
        ),
        (
            format!("{key}{PIN}source_address = \"eth0\"\n"),
            Some(
                "source_address: `eth0` is not an IP address\n  help: write the address alone, as in `203.0.113.7`",
            ),
        ),
        (
            format!("{key}{PIN}port = 0\n"),
            Some("port: 0 is out of range\n  help: use a number from 1 to 65535"),
        ),
        (
            format!("{key}{PIN}host = \"sftp://h\"\n").replace("host = \"h\"\n", ""),
            Some(
                "host: `sftp://h` is not a host\n  help: write the name or address alone, as in `mail.example.org`; the port is a key of its own",
            ),
        ),
    ] {
        let server = if lines.contains("host = ") {
            SFTP.replace("host = \"h\"\n", "")
        } else {
            SFTP.to_owned()
        };
        check_text(
            &format!("{server}{lines}"),
            &expect.into_iter().collect::<Vec<_>>(),
        );
    }
    for host_key in [
        "h ssh-ed25519 nonsense",
        "|1|a|b ssh-ed25519 AAAA",
        "@revoked h ssh-ed25519 AAAA",
    ] {
        let found = messages(&format!("{BASE}{SFTP}{key}host_keys = [\"{host_key}\"]\n"));
        assert_eq!(found.len(), 1, "{host_key}: {found:?}");
        assert!(found[0].contains(": host_keys: "), "{found:?}");
    }
}

#[test]
fn how_much_at_a_time() {
    let rate = "\n  help: write a size and `/s`, as in `10 MiB/s`";
    check(
        "[destination.d]",
        |c| {
            let limits = &c.destinations.values().next().unwrap().limits;
            format!("{:?} {:?}", limits.bytes_per_second, limits.breaker.pause)
        },
        &[
            ("bandwidth = \"10 MiB/s\"", Ok("Some(10485760) 60s")),
            ("bandwidth = \"1KiB/s\"", Ok("Some(1024) 60s")),
            ("bandwidth = \"2048/s\"", Ok("Some(2048) 60s")),
            ("breaker = { pause = \"5m\" }", Ok("None 300s")),
            (
                "bandwidth = \"10 MiB\"",
                Err(&format!("bandwidth: `10 MiB` is not a bandwidth{rate}")),
            ),
            (
                "bandwidth = \"10 Mbit/s\"",
                Err(&format!("bandwidth: `10 Mbit/s` is not a bandwidth{rate}")),
            ),
            (
                "bandwidth = 10",
                Err(&format!(
                    "bandwidth: a text in quotes is needed, not a whole number{rate}"
                )),
            ),
            (
                "bandwidth = \"0MiB/s\"",
                Err("bandwidth: `0MiB/s` is out of range\n  help: use `1KiB/s` to `1TiB/s`"),
            ),
            (
                "breaker = { failures = 0 }",
                Err("failures: 0 is out of range\n  help: use a number from 1 to 1000"),
            ),
            (
                "closed = [\"sun 02:00-04:00\"]",
                Err(
                    "closed: in which time zone is not said\n  help: add its IANA name, as in zone = \"Europe/Dublin\"",
                ),
            ),
            (
                "zone = \"UTC\"",
                Err(
                    "zone: there is a `zone` but no `closed` times\n  help: add closed = [\"sun 02:00-04:00\"], or leave the zone out",
                ),
            ),
        ],
    );
}
