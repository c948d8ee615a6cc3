//! `tags` of a bucket: what S3 takes on an object, and nothing else.

use qm_core::config::BucketPlace;

use super::values::check;
use super::{read, right};
use crate::config::plan::plan;

const PLAIN: &str = "[node]\ndata = \"/data\"\n[bucket.b]\nurl = \"s3://landing\"\n";
const MARKS: &str = "\n  help: use letters, digits, spaces and + - = . _ : / @ only";

#[track_caller]
fn check_on_s3(cases: &[(&str, Result<&str, &str>)]) {
    for (tags, expect) in cases {
        let line = format!("url = \"s3://landing\"\ntags = {tags}");
        check(
            "[bucket.b]",
            |config| match &config.buckets.values().next().unwrap().place {
                BucketPlace::S3(place) => format!("{:?}", place.tags),
                other @ (BucketPlace::Directory(_)
                | BucketPlace::Gcs(_)
                | BucketPlace::Azure(_)) => {
                    panic!("{other}")
                }
            },
            &[(&line, *expect)],
        );
    }
}

/// So many tags, without what is around them.
fn tags(count: usize) -> String {
    let tags: Vec<String> = (0..count)
        .map(|number| format!("t{number} = \"v\""))
        .collect();
    tags.join(", ")
}

#[test]
fn tags_that_s3_takes() {
    let (key, value) = ("k".repeat(128), "v".repeat(256));
    check_on_s3(&[
        (
            "{ service = \"push\", owner = \"data\" }",
            Ok("{\"owner\": \"data\", \"service\": \"push\"}"),
        ),
        (
            "{ \"cost centre/1\" = \"a+b=c: ü@d_e.f-g\", Aw = \"\" }",
            Ok("{\"Aw\": \"\", \"cost centre/1\": \"a+b=c: ü@d_e.f-g\"}"),
        ),
        (
            &format!("{{ {key} = \"{value}\" }}"),
            Ok(&format!("{{\"{key}\": \"{value}\"}}")),
        ),
        (
            &format!("{{ {} }}", tags(10)),
            Ok(&format!(
                "{{{}}}",
                tags(10).replace('t', "\"t").replace(" =", "\":")
            )),
        ),
    ]);
}

#[test]
fn tags_that_s3_refuses() {
    let letters = |count| "k".repeat(count);
    // Of two units in UTF-16 each.
    let wide = "\u{1d4b3}".repeat(65);
    let long = "tags: the value of `a` has 257 characters\n  help: use a value of 256 at most";
    let reserved = |key: &str| {
        format!(
            "tags: `{key}` begins with `aws:`, as tags of AWS itself do\n  help: use another key"
        )
    };
    let key = |key: &str, length: usize| {
        format!("tags: the key `{key}` has {length} characters\n  help: use a key of 1 to 128")
    };
    let mark = |tag: &str, mark: &str| {
        format!("tags: `{tag}` or its value has a `{mark}`, which S3 does not take{MARKS}")
    };
    check_on_s3(&[
        (
            &format!("{{ {} }}", tags(11)),
            Err("tags: 11 tags are more than S3 takes on an object\n  help: write 10 at most"),
        ),
        ("{ \"\" = \"v\" }", Err(&key("", 0))),
        (
            &format!("{{ {} = \"v\" }}", letters(129)),
            Err(&key(&letters(129), 129)),
        ),
        (&format!("{{ \"{wide}\" = \"v\" }}"), Err(&key(&wide, 130))),
        (&format!("{{ a = \"{}\" }}", letters(257)), Err(long)),
        ("{ \"a,b\" = \"v\" }", Err(&mark("a,b", ","))),
        ("{ a = \"b&c\" }", Err(&mark("a", "&"))),
        ("{ a = \"b\\tc\" }", Err(&mark("a", "\\t"))),
        ("{ \"aws:cost\" = \"v\" }", Err(&reserved("aws:cost"))),
        ("{ \"AWS:cost\" = \"v\" }", Err(&reserved("AWS:cost"))),
        (
            "{}",
            Err("tags: no tag is in it\n  help: put one into it, or leave the key out"),
        ),
        (
            "{ a = 1 }",
            Err("tags: `a` is a whole number, not a text\n  help: write `{ key = \"value\" }`"),
        ),
    ]);
}

#[test]
fn tags_of_a_bucket_that_has_none() {
    let refused =
        "tags: only objects in a bucket on S3 (s3://) can have tags\n  help: leave the key out";
    for url in [
        "\"file:///srv/b\"",
        "\"gs://landing\"",
        "\"az://landing\"\naccount = \"store\"",
    ] {
        let line = format!("url = {url}\ntags = {{ a = \"b\" }}");
        check("[bucket.b]", |_| String::new(), &[(&line, Err(refused))]);
    }
}

#[test]
fn a_mistake_is_told_with_its_place() {
    let text = format!("{PLAIN}tags = {{ a = \"b;\" }}\n");
    let problems = read(&[("quaymaster.toml", &text)]).unwrap_err();
    let expect = format!(
        "quaymaster.toml:5:1: tags: `a` or its value has a `;`, which S3 does not take\n\
         \u{20}   5 | tags = {{ a = \"b;\" }}\n\
         \u{20}     | ^^^^{MARKS}"
    );
    assert_eq!(problems, [expect]);
}

#[test]
fn what_a_plan_and_an_older_revision_say_of_tags() {
    let plain = right(PLAIN);
    let tagged = right(&format!(
        "{PLAIN}tags = {{ service = \"push\", a = \"b c\" }}\n"
    ));
    assert_eq!(
        plan(Some(&plain), &tagged).to_string(),
        "~ bucket b: tags none → a=b c service=push"
    );
    let text = crate::config::revision::to_json(&plain).unwrap();
    let old = text.replace(",\"tags\":{}", "");
    assert_ne!(old, text);
    assert_eq!(crate::config::revision::from_json(&old).unwrap(), plain);
}
