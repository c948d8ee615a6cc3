//! Routes that look into a table: what may be said, what is wrong, and what a plan writes.

use qm_core::config::{AwsAccess, Deliver, LookupPlace, LookupTable};

use super::{messages, right};
use crate::config::plan::plan;

const BASE: &str = r#"
node.data = "data"
bucket.landing.url = "file:///srv/landing"
[partner.p.account.a]
mailbox = "landing"
"#;

/// What is said of a route with this lookup.
fn said(lookup: &str) -> Vec<String> {
    said_where("landing/in/**", lookup)
}

fn said_where(arrives: &str, lookup: &str) -> Vec<String> {
    messages(&format!(
        "{BASE}[route.r]\nwhen.arrives = \"{arrives}\"\nlookup = {{ {lookup} }}\n"
    ))
}

/// The sketch of one that looks into a table, and all that can be said about it.
#[test]
fn lookups_in_a_table() {
    let config = right(
        r#"
        node.data = "/data"
        bucket.exports = { url = "file:///srv/exports", watch = {} }
        [route.all]
        when = { arrives = "exports/in/*/*.flag" }
        [route.all.lookup]
        kind = "dynamodb"
        table = "sources"
        key = "{path.0}/{path.1}/"
        partition_key = "prefix"
        endpoint = "http://127.0.0.1:8000"
        region = "eu-west-1"
        profile = "egress"
        role = "arn:aws:iam::123456789012:role/egress"
        external_id = "agreed upon"
        require_tag = { pipeline_name = "flags" }
        concurrency = 2
        [route.egress]
        when = { arrives = "exports/**/pipeline_success.flag" }
        lookup = { kind = "dynamodb", table = "data-egress" }
        "#,
    );
    let lookups: Vec<_> = config
        .routes
        .values()
        .filter_map(|route| match &route.deliver {
            Deliver::To(_) => None,
            Deliver::LookUp(lookup) => Some(lookup),
        })
        .collect();
    let [all, egress] = lookups[..] else {
        panic!("{lookups:?}");
    };
    assert_eq!(
        all.store,
        LookupPlace::Table(LookupTable {
            access: AwsAccess {
                endpoint: Some("http://127.0.0.1:8000".to_owned()),
                region: Some("eu-west-1".to_owned()),
                profile: Some("egress".to_owned()),
                role: Some("arn:aws:iam::123456789012:role/egress".to_owned()),
                external_id: Some("agreed upon".to_owned()),
            },
            table: "sources".to_owned(),
            partition_key: "prefix".to_owned(),
        })
    );
    assert_eq!(all.name.as_str(), "{path.0}/{path.1}/");
    assert_eq!(all.require_tags["pipeline_name"], "flags");
    assert_eq!(all.limits.concurrency, 2);
    assert_eq!(
        egress.store,
        LookupPlace::Table(LookupTable {
            access: AwsAccess::default(),
            table: "data-egress".to_owned(),
            partition_key: "source_prefix".to_owned(),
        })
    );
    assert_eq!(egress.name.as_str(), "{bucket}/{path.0}/");
    assert!(egress.require_tags.is_empty());
    assert_eq!(egress.limits.concurrency, 4);
}

#[test]
fn mistakes() {
    for (lookup, expect) in [
        (
            r#"kind = "dynamodb""#,
            "[route.r.lookup] needs `table`\n  help: for example table = \"products\"",
        ),
        (
            r#"kind = "dynamodb", table = """#,
            "table: the text is empty\n  help: write something between the quotes, or leave the key out",
        ),
        (
            r#"kind = "dynamodb", table = "t", partition_key = "a\u0007""#,
            "partition_key: not the name of an attribute\n  help: write the table's partition key as DynamoDB has it, as in `source_prefix`",
        ),
        (
            r#"kind = "dynamodb", table = "t", require_tag = {}"#,
            "require_tag: no tag is in it\n  help: put one into it, or leave the key out",
        ),
        (
            r#"kind = "dynamodb", table = "t", store = "aws""#,
            "unknown key `store` in [route.r.lookup]\n  help: known here: kind, table, key, partition_key, endpoint, region, profile, role, external_id, require_tag, destinations, concurrency and 4 more",
        ),
        (
            r#"kind = "dynamodb", table = "t", key = "{path}""#,
            "key: there is no placeholder `{path}`",
        ),
        (
            r#"kind = "dynamodb", table = "t", key = "{path.20}/""#,
            "no file of route `r` has such a name: for `landing/in/example`, ",
        ),
        (
            r#"kind = "dynamodb", table = "t", key = "{folder}//""#,
            "no file of route `r` has such a name: for ",
        ),
    ] {
        let found = said(lookup);
        assert_eq!(found.len(), 1, "{lookup}: {found:?}");
        assert!(found[0].contains(expect), "{lookup}: {found:?}");
    }
}

#[test]
fn keys_that_files_have() {
    for key in ["{path.1}/", "{folder}", "{bucket}/{folder}/", "fixed"] {
        let found = said(&format!(r#"kind = "dynamodb", table = "t", key = "{key}""#));
        assert!(found.is_empty(), "{key}: {found:?}");
    }
}

#[test]
fn a_file_is_no_folder() {
    for (arrives, key, is_right) in [
        ("landing/*.csv", "{bucket}/{path.0}/", false),
        ("landing/*", "{name}/", false),
        ("landing/in/*", "{bucket}/{key}/", false),
        ("landing/*.csv", "{bucket}/", true),
        ("landing/*.csv", "{bucket}/{path.0}", true),
        ("landing/*/*", "{bucket}/{path.0}/", true),
        ("landing/**", "{bucket}/{path.0}/", true),
    ] {
        let found = said_where(
            arrives,
            &format!(r#"kind = "dynamodb", table = "t", key = "{key}""#),
        );
        assert_eq!(found.is_empty(), is_right, "{arrives} {key}: {found:?}");
    }
    let found = said_where("landing/*.csv", r#"kind = "dynamodb", table = "t""#);
    let expect = "for `landing/example.csv` the item `landing/example.csv/` would be looked up";
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains(expect), "{found:?}");
}

#[test]
fn one_that_does_what_another_one_does_is_hidden() {
    let two = |tag: &str| {
        let route = |name: &str, arrives: &str, tag: &str| {
            format!(
                "[route.{name}]\nwhen.arrives = \"{arrives}\"\n\
                 lookup = {{ kind = \"dynamodb\", table = \"t\", require_tag = {{ a = \"{tag}\" }} }}\n"
            )
        };
        let (wide, narrow) = ("landing/**", "landing/in/**");
        let routes = [route("wide", wide, "b"), route("narrow", narrow, tag)];
        messages(&format!("{BASE}{}", routes.concat()))
    };
    assert!(two("c").is_empty(), "it takes another item: {:?}", two("c"));
    let found = two("b");
    assert_eq!(found.len(), 1, "{found:?}");
    let expect = "route `narrow` is hidden by route `wide`";
    assert!(found[0].contains(expect), "{found:?}");
}

#[test]
fn what_a_plan_writes() {
    let text = |more: &str| {
        format!(
            "{BASE}[route.egress]\nwhen.arrives = \"landing/**\"\n\
             lookup = {{ kind = \"dynamodb\", table = \"data-egress\"{more} }}\n"
        )
    };
    let old = right(&text(""));
    let added = plan(None, &old).to_string();
    let item = "item {bucket}/{path.0}/ by source_prefix in table data-egress of DynamoDB";
    assert!(added.contains(&format!("lookup {item}, retry")), "{added}");
    let more = r#", region = "eu-west-1", require_tag = { pipeline_name = "a" }"#;
    assert_eq!(
        plan(Some(&old), &right(&text(more))).to_string(),
        format!("~ route egress: lookup {item} → {item} region eu-west-1 with tag pipeline_name=a")
    );
}
