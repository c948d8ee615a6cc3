//! Each bucket that is a destination is written to under its own role, whatever role another has.

use anyhow::{Context as _, Result, ensure};
use qm_e2e::clients::python;
use qm_e2e::{HttpProxy, Moto, World, run};
use std::collections::BTreeMap;

use crate::support::{Outcome, wait_until_delivered};

/// Buckets, destinations and roles.
const NAMES: [&str; 2] = ["bank", "archive"];
const MAKE_BUCKETS: &str = "
import boto3, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')
for name in sys.argv[2:]:
    s3.create_bucket(Bucket=name)
";
const READ: &str = "
import boto3, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')
print(s3.get_object(Bucket=sys.argv[2], Key=sys.argv[3])['Body'].read().decode())
";

#[test]
fn foreign_each_destination_is_written_to_under_its_own_role() -> Outcome {
    let mut world = World::new()?;
    let moto = Moto::start(&world.path("logs"))?;
    let mut make = python()?;
    make.args(["-c", MAKE_BUCKETS, &moto.url()]).args(NAMES);
    run(&mut make)?.ok()?;
    let sts = HttpProxy::start(moto.address())?;
    world
        .environment("AWS_ENDPOINT_URL_STS", sts.url())
        .environment("AWS_ACCESS_KEY_ID", "AKIDNODE")
        .environment("AWS_SECRET_ACCESS_KEY", "secret");
    let mut ways = Vec::new();
    for name in NAMES {
        let way = HttpProxy::start(moto.address())?;
        let (bucket, destination) = (format!("bucket.{name}"), format!("destination.{name}"));
        world
            .configuration
            .set(&bucket, &format!(r#"url = "s3://{name}""#))
            .set(&bucket, r#"region = "us-east-1""#)
            .set(&bucket, &format!("endpoint = {:?}", way.url()))
            .set(
                &bucket,
                &format!(r#"role = "arn:aws:iam::123456789012:role/{name}""#),
            )
            .set(&destination, r#"kind = "bucket""#)
            .set(&destination, &format!("bucket = {name:?}"));
        ways.push((name, way));
    }
    world.account("north")?;
    world
        .configuration
        .set("route.out", r#"when = { arrives = "landing/**" }"#)
        .set("route.out", &format!("deliver = {NAMES:?}"));
    world.start()?;
    world.write_local("a.csv", "a\n")?;
    world.sftp("north", "put a.csv\n")?.ok()?;
    wait_until_delivered(&world)?;
    let roles = roles(&sts.answers())?;
    for (name, way) in &ways {
        let mut read = python()?;
        read.args(["-c", READ, &moto.url(), name, "north/a.csv"]);
        ensure!(run(&mut read)?.ok()?.stdout.trim() == "a");
        let requests = way.take_requests();
        ensure!(
            requests.iter().any(|asked| asked.starts_with("PUT ")),
            "{name}: {requests:?}"
        );
        for credential in way.take_credentials() {
            let key = credential.split('/').next().unwrap_or_default();
            ensure!(
                roles.get(key).map(String::as_str) == Some(*name),
                "{name} was asked by {credential}; STS gave {roles:?}"
            );
        }
    }
    world.stop()
}

/// Which role each access key is of, by what STS answered.
fn roles(answers: &[String]) -> Result<BTreeMap<String, String>> {
    let between = |text: &str, before: &str, after: char| {
        let (_, rest) = text.split_once(before)?;
        Some(rest.split_once(after)?.0.to_owned())
    };
    let role = |answer: &String| {
        let key = between(answer, "<AccessKeyId>", '<').context("no access key")?;
        let role = between(answer, ":assumed-role/", '/').context("no role")?;
        Ok((key, role))
    };
    answers.iter().map(role).collect()
}
