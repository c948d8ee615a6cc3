//! `docs/configuration.md` has every key that there is, and no other.

use qm_core::message_text::MessageKind;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::messages;
use crate::config::problem::Report;
use crate::config::source::Sources;
use crate::config::{read, tree};

const DOCUMENT: &str = include_str!("../../../../../docs/configuration.md");

/// Every kind of table, with and without those that may be in it.
const CONFIGURATION: &str = r#"
[node]
data = "/data"
[listen.sftp]
[partner.north.account.north]
mailbox = "folder"

[bucket]
folder = { url = "file:///srv/folder" }
listed = { url = "file:///srv/listed", watch = {} }
s3 = { url = "s3://company" }
queued = { url = "s3://company", watch = { queue = "https://sqs.example.org/landing" } }
gs = { url = "gs://company" }
az = { url = "az://company", account = "company" }

[encryption_key]
made = { provider = "file" }
owned = { provider = "imported" }
cloud = { provider = "aws-kms", key_id = "alias/landing" }

[declaration]
bare = {}
rows.column.id = {}

[route.plain]
when = { arrives = "folder/" }
deliver = ["directory"]
[route.full]
when = { arrives = "folder/" }
deliver = ["directory"]
screen = { names = ["*"] }
after = { move = "done/{key}" }
[route.push]
when = { arrives = "folder/" }
lookup = { kind = "secrets", name = "{name}", store = "node", require_tag = { a = "b" }, breaker = {} }
[route.cloud]
when = { arrives = "folder/" }
lookup = { kind = "secrets", name = "{name}", store = "aws", breaker = {} }
[route.table]
when = { arrives = "folder/" }
lookup = { kind = "dynamodb", table = "t", breaker = {} }

[destination]
directory = { kind = "directory", path = "/mnt/a", breaker = {} }
bucket = { kind = "bucket", bucket = "s3", breaker = {} }
sqlite = { kind = "sqlite", path = "/mnt/b", table = "t", key = ["id"], declaration = "rows", breaker = {} }
postgres = { kind = "postgres", url = "secret:p", table = "t", key = ["id"], declaration = "rows", breaker = {} }
dynamodb = { kind = "dynamodb", table = "t", key = ["id"], breaker = {} }
[destination.sftp]
kind = "sftp"
host = "sftp.example.org"
user = "us"
password = "secret:p"
host_keys = ["SHA256:yxsAevJG874lKMlM1LasOVltXRG03hdewzpOh7ynX8s"]
breaker = {}
[destination.alarmed]
kind = "directory"
path = "/mnt/c"
breaker = {}
alarm = [{ metric = "failures", at_least = 5, window = "1h" }]

[expectation.daily]
partner = "north"
files = "folder/"
due = "17:00"
on = "daily"
zone = "UTC"
alert = ["sre"]
[notifier.sre]
kind = "email"
to = ["a@b"]
from = "a@b"
host = "h"

[text]
no_files.subject = "a"
no_new_files.subject = "a"
late_file.subject = "a"
loaded.subject = "a"
partly_loaded.subject = "a"
all_rejected.subject = "a"
no_rows.subject = "a"
every.subject = "{subject}"
"#;

/// Tables of [`CONFIGURATION`], and the headings that have their keys.
const HEADINGS: &[(&[&str], &[&str])] = &[
    (&["node"], &["`[node]`"]),
    (&["listen.sftp"], &["`[listen.sftp]`"]),
    (
        &["partner.north.account.north"],
        &["`[partner.NAME.account.NAME]`"],
    ),
    (
        &["bucket.folder", "bucket.listed"],
        &["`[bucket.NAME]`", "`file://`"],
    ),
    (
        &["bucket.s3", "bucket.queued"],
        &["`[bucket.NAME]`", "`s3://`", "AWS"],
    ),
    (
        &["bucket.gs", "bucket.az"],
        &["`[bucket.NAME]`", "`gs://` and `az://`"],
    ),
    (
        &["bucket.listed.watch", "bucket.queued.watch"],
        &["`[bucket.NAME.watch]`", "AWS"],
    ),
    (
        &[
            "encryption_key.made",
            "encryption_key.owned",
            "encryption_key.cloud",
        ],
        &["`[encryption_key.NAME]`", "AWS"],
    ),
    (
        &["declaration.bare", "declaration.rows"],
        &["`[declaration.NAME]`"],
    ),
    (
        &["declaration.rows.column.id"],
        &["`[declaration.NAME.column.NAME]`"],
    ),
    (
        &[
            "route.plain",
            "route.full",
            "route.push",
            "route.cloud",
            "route.table",
        ],
        &["`[route.NAME]`"],
    ),
    (&["route.full.screen"], &["`[route.NAME.screen]`"]),
    (
        &[
            "route.push.lookup",
            "route.cloud.lookup",
            "route.table.lookup",
        ],
        &["`[route.NAME.lookup]`", "Limits", "AWS"],
    ),
    (
        &["destination.directory", "destination.alarmed"],
        &["`[destination.NAME]`", "Limits", "`kind = \"directory\"`"],
    ),
    (
        &["destination.bucket"],
        &["`[destination.NAME]`", "Limits", "`kind = \"bucket\"`"],
    ),
    (
        &["destination.sftp"],
        &["`[destination.NAME]`", "Limits", "`kind = \"sftp\"`"],
    ),
    (
        &["destination.sqlite"],
        &[
            "`[destination.NAME]`",
            "Limits",
            "Tables",
            "`kind = \"sqlite\"`",
        ],
    ),
    (
        &["destination.postgres"],
        &[
            "`[destination.NAME]`",
            "Limits",
            "Tables",
            "`kind = \"postgres\"`",
        ],
    ),
    (
        &["destination.dynamodb"],
        &[
            "`[destination.NAME]`",
            "Limits",
            "Tables",
            "`kind = \"dynamodb\"`",
            "AWS",
        ],
    ),
    (
        &["destination.alarmed.alarm"],
        &["`[[destination.NAME.alarm]]`"],
    ),
    (&["expectation.daily"], &["`[expectation.NAME]`"]),
    (&["notifier.sre"], &["`[notifier.NAME]`"]),
    (
        &[
            "text.no_files",
            "text.no_new_files",
            "text.late_file",
            "text.loaded",
            "text.partly_loaded",
            "text.all_rejected",
            "text.no_rows",
            "text.every",
        ],
        &["`[text.KIND]`"],
    ),
];

#[test]
fn every_key_is_in_the_reference_and_no_other() {
    let documented = documented();
    let mut accepted: BTreeMap<&[&str], BTreeSet<String>> = BTreeMap::new();
    for path in accepted_paths() {
        let tables = HEADINGS
            .iter()
            .flat_map(|(tables, headings)| tables.iter().map(move |table| (*table, *headings)));
        // The table that it is in is the one that leaves the least.
        let (key, headings) = tables
            .filter_map(|(table, headings)| {
                let key = path.strip_prefix(table)?.strip_prefix('.')?;
                Some((key, headings))
            })
            .min_by_key(|(key, _)| key.len())
            .unwrap_or_else(|| panic!("no heading has `{path}`"));
        accepted.entry(headings).or_default().insert(key.to_owned());
    }
    for (headings, accepted) in &accepted {
        let listed: BTreeSet<String> = headings
            .iter()
            .filter_map(|heading| documented.get(heading))
            .flatten()
            .map(|key| (*key).to_owned())
            .collect();
        assert_eq!(&listed, accepted, "under {headings:?}");
    }
    let known: BTreeSet<&str> = accepted.keys().copied().flatten().copied().collect();
    let headings: BTreeSet<&str> = documented.keys().copied().collect();
    assert_eq!(headings, known);
}

/// What has keys of its own only says so when it is there.
#[test]
fn every_kind_is_among_them() {
    let unknown = r#"
        encryption_key.one.provider = "?"
        notifier.one.kind = "?"
        destination.one.kind = "?"
        route.one.lookup.kind = "?"
        route.two.lookup = { kind = "secrets", store = "?" }
    "#;
    let mut count = 0;
    for message in messages(unknown) {
        let Some((_, kinds)) = message.split_once("known are: ") else {
            continue;
        };
        for kind in kinds.split(", ") {
            assert!(CONFIGURATION.contains(&format!("\"{kind}\"")), "{kind}");
        }
        count += 1;
    }
    assert_eq!(count, 5);
    for (name, kind) in MessageKind::ALL {
        assert!(DOCUMENT.contains(&format!("`{name}`")), "{name}");
        for placeholder in kind.placeholders() {
            let shown = format!("`{{{placeholder}}}`");
            assert!(DOCUMENT.contains(&shown), "{shown} of {name}");
        }
    }
}

/// The keys of the tables below each heading.
fn documented() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut documented: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut heading = "";
    for line in DOCUMENT.lines() {
        let title = line
            .strip_prefix("## ")
            .or_else(|| line.strip_prefix("### "));
        let row = line.strip_prefix("| `").and_then(|row| row.split_once('`'));
        if let Some(title) = title {
            heading = title;
        } else if let Some((key, _)) = row {
            let is_new = documented.entry(heading).or_default().insert(key);
            assert!(is_new, "`{key}` is twice under {heading}");
        }
    }
    documented
}

/// The keys that are asked for when the configuration is read, but for those that are tables in it.
fn accepted_paths() -> Vec<String> {
    let mut sources = Sources::default();
    sources.add("quaymaster.toml".to_owned(), CONFIGURATION.to_owned());
    let mut report = Report::new(sources);
    let (tree, _) = tree::read(&mut report).unwrap();
    read::config(&tree, Path::new("/etc/quaymaster"), &mut report);
    let known = std::mem::take(&mut report.known);
    let problems = report.into_problems();
    assert!(problems.is_empty(), "{problems:#?}");
    let paths = known.iter().flat_map(|(title, keys)| {
        keys.iter().map(move |key| match title.as_str() {
            "" => (*key).to_owned(),
            title => format!("{title}.{key}"),
        })
    });
    let is_table = |path: &str| {
        let mut titles = known.keys();
        titles.any(|title| {
            let rest = title.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    paths.filter(|path| !is_table(path)).collect()
}
