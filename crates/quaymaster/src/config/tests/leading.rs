//! Lookups that may lead to destinations of the configuration.

use qm_core::config::Deliver;
use qm_core::id::DestinationName;

use super::{messages, right};
use crate::config::plan::plan;

const BASE: &str = r#"
node.data = "data"
bucket.landing = { url = "file:///srv/landing", watch = {} }
bucket.archive = { url = "file:///srv/archive" }
[destination.share]
kind = "directory"
path = "/mnt/share"
[destination.archive]
kind = "bucket"
bucket = "archive"
[destination.bank]
kind = "sftp"
host = "sftp.bank.example"
user = "us"
password = "secret:p"
host_keys = ["SHA256:yxsAevJG874lKMlM1LasOVltXRG03hdewzpOh7ynX8s"]
[destination.beside]
kind = "bucket"
bucket = "landing"
prefix = "done"
[destination.inside]
kind = "bucket"
bucket = "landing"
prefix = "in/done"
[destination.rows]
kind = "sqlite"
path = "/srv/rows.sqlite"
table = "rows"
declaration = "rows"
mode = "append"
[declaration.rows.column.id]
type = "integer"
"#;
const SECRETS: &str =
    r#"kind = "secrets", name = "push/{path.1}", require_tag = { service = "push" }"#;
const ITEMS: &str = r#"kind = "dynamodb", table = "t", key = "{path.1}/""#;

fn route(name: &str, arrives: &str, lookup: &str) -> String {
    format!("[route.{name}]\nwhen.arrives = \"{arrives}\"\nlookup = {{ {lookup} }}\n")
}

fn text(lookup: &str, destinations: &str) -> String {
    let lookup = format!("{lookup}, destinations = {destinations}");
    format!("{BASE}{}", route("r", "landing/in/**", &lookup))
}

#[test]
fn both_kinds_may_lead_to_folders_buckets_and_servers() {
    for lookup in [SECRETS, ITEMS] {
        for expect in [&[][..], &["share"], &["share", "archive", "bank", "beside"]] {
            let config = right(&text(lookup, &format!("{expect:?}")));
            let Some(Deliver::LookUp(lookup)) = config.routes.values().map(|r| &r.deliver).next()
            else {
                panic!("{:?}", config.routes);
            };
            let found: Vec<&str> = lookup
                .destinations
                .iter()
                .map(DestinationName::as_str)
                .collect();
            assert_eq!(found, expect);
        }
    }
    let without = right(&format!("{BASE}{}", route("r", "landing/in/**", ITEMS)));
    let with = right(&text(ITEMS, "[]"));
    assert_eq!(with, without, "none is allowed unless it is said");
}

#[test]
fn mistakes() {
    for (destinations, expect) in [
        (
            r#"["shar"]"#,
            "destinations: there is no destination `shar`\n  help: did you mean `share`?",
        ),
        (
            r#""share""#,
            "destinations: a list is needed, not a text\n  help: write it in brackets: destinations = [\"…\"]",
        ),
        (
            r#"["share", "rows"]"#,
            "destinations: `rows` is a table, whose loads are put in order when files arrive, before anything is looked up\n  help: list folders, buckets and SFTP servers; files for a table need a route with `deliver`",
        ),
        (
            r#"["inside", "share"]"#,
            "destinations: what goes to `inside` may land where `landing/in/**` matches, and would start the route again\n  help: give destination `inside` a prefix where it does not match",
        ),
    ] {
        for lookup in [SECRETS, ITEMS] {
            let found = messages(&text(lookup, destinations));
            assert_eq!(found.len(), 1, "{destinations}: {found:?}");
            assert!(found[0].contains(expect), "{destinations}: {found:?}");
        }
    }
}

/// A route does not do what another one does if that may not lead where it may.
#[test]
fn one_that_may_lead_elsewhere_is_not_hidden() {
    let two = |wide: &str, narrow: &str| {
        let lookup = |destinations: &str| format!("{ITEMS}, destinations = {destinations}");
        let wide = route("wide", "landing/**", &lookup(wide));
        let narrow = route("narrow", "landing/in/**", &lookup(narrow));
        messages(&format!("{BASE}{wide}{narrow}"))
    };
    for (wide, narrow, is_right) in [
        ("[]", r#"["share"]"#, true),
        (r#"["share"]"#, r#"["share", "archive"]"#, true),
        (r#"["share", "archive"]"#, r#"["archive"]"#, false),
        (r#"["share"]"#, "[]", false),
    ] {
        let found = two(wide, narrow);
        assert_eq!(found.is_empty(), is_right, "{wide} {narrow}: {found:?}");
    }
}

#[test]
fn what_a_plan_writes() {
    let old = right(&text(ITEMS, "[]"));
    let new = right(&text(ITEMS, r#"["share", "archive"]"#));
    let item = "item {path.1}/ by source_prefix in table t of DynamoDB";
    assert_eq!(
        plan(Some(&old), &new).to_string(),
        format!("~ route r: lookup {item} → {item} which may lead to share archive")
    );
}
