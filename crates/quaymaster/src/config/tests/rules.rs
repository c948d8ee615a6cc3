//! Routes and expectations that can do nothing, and those that can.

use std::fmt::Write as _;

use super::{messages, read};

const ACCOUNTS: &str = r#"
node.data = "data"
bucket.landing.url = "file:///srv/landing"
bucket.empty.url = "file:///srv/empty"
bucket.watched = { url = "file:///srv/watched", watch = {} }
notifier.sre = { kind = "email", to = ["a@b"], from = "a@b", host = "h" }
destination.share = { kind = "directory", path = "/mnt/share" }
destination.tape = { kind = "directory", path = "/mnt/tape" }
[partner.north.account.north]
mailbox = "landing/north"
types = ["csv", "json"]
temp_suffixes = [".wip"]
[partner.south.account.south]
mailbox = "landing/south"
[partner.south.account.reader]
mailbox = "landing"
may = ["list", "read"]
[partner.idle]
"#;

fn check_text(text: &str, expect: &[&str]) {
    let text = format!("{ACCOUNTS}{text}");
    let messages: Vec<String> = messages(&text)
        .iter()
        .map(|m| {
            m.splitn(4, ':')
                .nth(3)
                .unwrap_or_default()
                .trim()
                .to_owned()
        })
        .collect();
    assert_eq!(messages, expect, "{text}");
    assert_eq!(
        read(&[("quaymaster.toml", &text)]).is_ok(),
        expect.is_empty()
    );
}

#[test]
fn routes_that_can_and_cannot_match() {
    let elsewhere = |pattern: &str| {
        format!(
            "the route can never match: no account that may upload has `{pattern}` in its mailbox\n  \
             help: mailboxes are: landing/north, landing, landing/south"
        )
    };
    let types = |pattern: &str| {
        format!(
            "the route can never match: no account that reaches `{pattern}` may upload such a file\n  \
             help: the types are csv or json"
        )
    };
    let temp = |pattern: &str| {
        format!(
            "the route can never match: `{pattern}` matches only names of unfinished uploads\n  \
             help: a file arrives under its final name; match that"
        )
    };
    for (pattern, expect) in [
        ("landing/**", None),
        ("landing/north/*.csv", None),
        ("landing/north/*.CSV", None),
        ("landing/north/*", None),
        ("landing/*/x/y.json", None),
        ("landing/south/README", None),
        ("landing/south/*.part.csv", None),
        ("landing/south/*.wip", None),
        ("landing/?outh/**/done.flag", None),
        ("landing/*.csv", Some(elsewhere("landing/*.csv"))),
        ("landing/east/*", Some(elsewhere("landing/east/*"))),
        ("landing/north1/*", Some(elsewhere("landing/north1/*"))),
        ("empty/**", Some(elsewhere("empty/**"))),
        ("landing/north/*.xml", Some(types("landing/north/*.xml"))),
        ("landing/north/README", Some(types("landing/north/README"))),
        ("landing/south/*.part", Some(temp("landing/south/*.part"))),
        ("landing/south/.in.*", Some(temp("landing/south/.in.*"))),
        ("landing/south/*~", Some(temp("landing/south/*~"))),
        (
            "landing/north",
            Some(
                "the route can never match: `landing/north` is a mailbox, not a file\n  \
                 help: for the files in it write `landing/north/*`, for folders as well `landing/north/**`"
                    .to_owned(),
            ),
        ),
        (
            "landing/.quaymaster/**",
            Some(
                "the route can never match: no file has `.quaymaster` in its path\n  \
                 help: that name is reserved by the server"
                    .to_owned(),
            ),
        ),
    ] {
        let route = format!("[route.r]\nwhen.arrives = \"{pattern}\"\ndeliver = [\"share\"]\n");
        check_text(&route, &expect.as_deref().into_iter().collect::<Vec<_>>());
    }
}

/// Nobody needs an account there, and some names never arrive all the same.
#[test]
fn routes_from_a_watched_bucket_that_can_and_cannot_match() {
    let temp = |pattern: &str| {
        format!(
            "the route can never match: `{pattern}` matches only names of unfinished uploads\n  \
             help: a file arrives under its final name; match that"
        )
    };
    let reserved = "the route can never match: no file has `.quaymaster` in its path\n  \
                    help: that name is reserved by the server";
    for (pattern, expect) in [
        ("watched/**", None),
        ("watched/*.csv", None),
        ("watched/deep/*", None),
        ("watched/.deep/**/done.flag", None),
        ("watched/*.part.csv", None),
        // Only an account has ends of its own.
        ("watched/*.wip", None),
        ("watched/*.part", Some(temp("watched/*.part"))),
        ("watched/**/.*", Some(temp("watched/**/.*"))),
        ("watched/a.csv~", Some(temp("watched/a.csv~"))),
        ("watched/.quaymaster/**", Some(reserved.to_owned())),
        ("watched/*/.quaymaster/a.csv", Some(reserved.to_owned())),
    ] {
        let route = format!("[route.r]\nwhen.arrives = \"{pattern}\"\ndeliver = [\"share\"]\n");
        check_text(&route, &expect.as_deref().into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn expectations_that_can_and_cannot_be_met() {
    for (partner, files, types, expect) in [
        ("north", "landing/north/*", "", None),
        (
            "north",
            "landing/north/*",
            "types = [\"json\", \"xml\"]",
            None,
        ),
        ("south", "landing/south/*.xml", "", None),
        (
            "north",
            "landing/south/*",
            "",
            Some(
                "the expectation can never be met: no account of partner `north` that may upload has \
                 `landing/south/*` in its mailbox\n  help: mailboxes are: landing/north",
            ),
        ),
        (
            "north",
            "landing/north/*",
            "types = [\"xml\"]",
            Some(
                "the expectation can never be met: no account of partner `north` that reaches \
                 `landing/north/*` may upload such a file\n  help: the types are csv or json",
            ),
        ),
        (
            "south",
            "landing/south/*.csv",
            "types = [\"xml\"]",
            Some(
                "the expectation can never be met: no account of partner `south` that reaches \
                 `landing/south/*.csv` may upload such a file\n  help: the types are xml",
            ),
        ),
        (
            "idle",
            "landing/north/*",
            "",
            Some(
                "the expectation can never be met: there is no account of partner `idle`\n  \
                 help: add a table [partner.idle.account.NAME]",
            ),
        ),
    ] {
        let text = format!(
            "[expectation.e]\npartner = \"{partner}\"\nfiles = \"{files}\"\n{types}\ndue = \"17:00\"\n\
             on = \"daily\"\nzone = \"UTC\"\nalert = [\"sre\"]\n"
        );
        check_text(&text, &expect.into_iter().collect::<Vec<_>>());
    }
}

/// Routes as (name, pattern, destinations, least size).
fn routes(routes: &[(&str, &str, &str, u32)]) -> String {
    let mut text = String::new();
    for (name, pattern, deliver, min_size) in routes {
        writeln!(
            text,
            "[route.{name}]\nwhen.arrives = \"{pattern}\"\ndeliver = [{deliver}]\nmin_size = {min_size}"
        )
        .unwrap();
    }
    text
}

#[test]
fn routes_that_hide_others() {
    let hidden = |name: &str, by: &str, pattern: &str| {
        format!(
            "route `{name}` is hidden by route `{by}`, whose `{pattern}` matches the same files and \
             delivers them to the same destinations\n  \
             help: remove one of the two, or let them match different files"
        )
    };
    let (share, both) = ("\"share\"", "\"share\", \"tape\"");
    let all = "landing/**";
    let csv = "landing/north/*.csv";
    for (given, expect) in [
        (
            vec![("a", all, share, 0), ("b", csv, share, 0)],
            Some(hidden("b", "a", all)),
        ),
        (
            vec![("a", csv, share, 0), ("b", all, share, 0)],
            Some(hidden("a", "b", all)),
        ),
        (
            vec![("a", csv, share, 0), ("b", csv, share, 0)],
            Some(hidden("b", "a", csv)),
        ),
        (
            vec![("z", csv, share, 0), ("a", csv, share, 0)],
            Some(hidden("a", "z", csv)),
        ),
        (
            vec![("a", all, both, 0), ("b", csv, share, 0)],
            Some(hidden("b", "a", all)),
        ),
        (vec![("a", all, share, 0), ("b", csv, both, 0)], None),
        (vec![("a", all, "\"tape\"", 0), ("b", csv, share, 0)], None),
        (vec![("a", all, share, 9), ("b", csv, share, 0)], None),
        (
            vec![("a", all, share, 0), ("b", csv, share, 9)],
            Some(hidden("b", "a", all)),
        ),
        (
            vec![
                ("a", "landing/north/*", share, 0),
                ("b", "landing/south/*", share, 0),
            ],
            None,
        ),
    ] {
        check_text(
            &routes(&given),
            &expect.as_deref().into_iter().collect::<Vec<_>>(),
        );
    }
}

#[test]
fn folders_in_each_other() {
    for (lines, expect) in [
        (
            "node.data = \"/srv/a/data\"\nbucket.b.url = \"file:///srv/a\"",
            "the folder of the node's data lies in the folder of bucket `b` (/srv/a)\n  help: partners could read and replace it; use folders beside each other",
        ),
        (
            "node.data = \"/srv/a\"\nbucket.b.url = \"file:///srv/a\"",
            "the folder of bucket `b` is also the folder of the node's data (/srv/a)\n  help: partners could read and replace it; use folders beside each other",
        ),
        (
            "node.data = \"/srv/a\"\nnode.secrets = \"/mnt/x/s\"\ndestination.d = { kind = \"directory\", path = \"/mnt/x\" }",
            "the folder of the node's secrets lies in the folder of destination `d` (/mnt/x)\n  help: deliveries could replace it; use folders beside each other",
        ),
        (
            "node.data = \"/srv/a\"\nbucket.b.url = \"file:///mnt/x/b\"\ndestination.d = { kind = \"directory\", path = \"/mnt/x\" }",
            "the folder of bucket `b` lies in the folder of destination `d` (/mnt/x)\n  help: deliveries would land among the uploads; use folders beside each other",
        ),
        (
            "node.data = \"/srv/a\"\nbucket.b.url = \"file:///srv/a/b\"",
            "",
        ),
        (
            "node.data = \"/srv/a\"\nbucket.b.url = \"file:///srv/b\"\nbucket.b2.url = \"file:///srv/b2\"",
            "",
        ),
        (
            "node.data = \"/srv/a\"\ndestination.d = { kind = \"directory\", path = \"/mnt/x\" }\ndestination.e = { kind = \"directory\", path = \"/mnt/x/y\" }",
            "",
        ),
    ] {
        let found = messages(lines).join("\n");
        let message = found.splitn(4, ':').nth(3).unwrap_or_default().trim();
        assert_eq!(message, expect, "{lines}");
    }
}
