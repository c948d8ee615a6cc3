//! Each bucket that is a destination is written to under its own role, whatever role another has.

use anyhow::{Context as _, Result, ensure};
use qm_e2e::clients::python;
use qm_e2e::{HttpProxy, Moto, World, run};
use serde_json::json;
use std::collections::BTreeMap;

use crate::support::{Outcome, keep_looked_up, keep_secrets, wait_until_delivered};

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

/// Each bucket is asked by way of a proxy of its own, and so is STS.
struct Office {
    world: World,
    moto: Moto,
    sts: HttpProxy,
    ways: Vec<(&'static str, HttpProxy)>,
}

impl Office {
    fn new() -> Result<Self> {
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
        let way = |name| Ok((name, HttpProxy::start(moto.address())?));
        let ways: Vec<_> = NAMES.into_iter().map(way).collect::<Result<_>>()?;
        Ok(Self {
            world,
            moto,
            sts,
            ways,
        })
    }

    /// The file is in each bucket, which only its own role has asked for anything.
    fn check(&self, key: &str) -> Outcome {
        let roles = roles(&self.sts.answers())?;
        for (name, way) in &self.ways {
            let mut read = python()?;
            read.args(["-c", READ, &self.moto.url(), name, key]);
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
        Ok(())
    }
}

fn role(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

#[test]
fn foreign_each_destination_is_written_to_under_its_own_role() -> Outcome {
    let mut office = Office::new()?;
    let world = &mut office.world;
    for (name, way) in &office.ways {
        let (bucket, destination) = (format!("bucket.{name}"), format!("destination.{name}"));
        world
            .configuration
            .set(&bucket, &format!(r#"url = "s3://{name}""#))
            .set(&bucket, r#"region = "us-east-1""#)
            .set(&bucket, &format!("endpoint = {:?}", way.url()))
            .set(&bucket, &format!("role = {:?}", role(name)))
            .set(&destination, r#"kind = "bucket""#)
            .set(&destination, &format!("bucket = {name:?}"));
    }
    world.account("north")?;
    world
        .configuration
        .set("route.out", r#"when = { arrives = "landing/**" }"#)
        .set("route.out", &format!("deliver = {NAMES:?}"));
    world.start()?;
    world.write_local("a.csv", "a\n")?;
    world.sftp("north", "put a.csv\n")?.ok()?;
    wait_until_delivered(world)?;
    office.check("north/a.csv")?;
    office.world.stop()
}

#[test]
fn foreign_each_bucket_that_is_looked_up_is_written_to_under_its_own_role() -> Outcome {
    let mut office = Office::new()?;
    let world = &mut office.world;
    keep_secrets(world)?;
    for (name, way) in &office.ways {
        let secret = json!({
            "kind": "bucket",
            "url": format!("s3://{name}/in"),
            "region": "us-east-1",
            "endpoint": way.url(),
            "role": role(name),
        });
        keep_looked_up(world, &format!("push/{name}"), &secret)?;
        world.account(name)?;
    }
    world
        .configuration
        .set("route.out", r#"when = { arrives = "landing/*/**" }"#)
        .set("route.out.lookup", r#"kind = "secrets""#)
        .set("route.out.lookup", r#"name = "push/{path.0}""#)
        .set("route.out.lookup", r#"require_tag = { service = "push" }"#);
    world.start()?;
    world.write_local("a.csv", "a\n")?;
    for name in NAMES {
        world.sftp(name, "put a.csv\n")?.ok()?;
    }
    wait_until_delivered(world)?;
    office.check("in/a.csv")?;
    office.world.stop()
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
