//! Where files go is looked up in a table of DynamoDB (moto's), and they are pushed to OpenSSH's server.

use anyhow::{Context as _, Result, ensure};
use qm_e2e::clients::python;
use qm_e2e::{MailServer, Moto, World, run, wait};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

use crate::push::partner::Partner;
use crate::support::{Outcome, assert_content, wait_until_delivered};

/// Its keys are those of the tables that others have: a prefix, and whose it is.
const MAKE_TABLE: &str = "
import boto3, sys
dynamodb = boto3.client('dynamodb', endpoint_url=sys.argv[1], region_name='us-east-1')
keys = {'source_prefix': 'HASH', 'pipeline_name': 'RANGE'}
dynamodb.create_table(
    TableName='data-egress', BillingMode='PAY_PER_REQUEST',
    KeySchema=[{'AttributeName': name, 'KeyType': kind} for name, kind in keys.items()],
    AttributeDefinitions=[{'AttributeName': name, 'AttributeType': 'S'} for name in keys])
";
const PUT_ITEM: &str = "
import boto3, json, sys
dynamodb = boto3.resource('dynamodb', endpoint_url=sys.argv[1], region_name='us-east-1')
dynamodb.Table('data-egress').put_item(Item=json.loads(sys.argv[2]))
";
/// What must be nowhere but in the table.
const CANARY: &str = "hunter2-canary";
/// Where the SDK would log the items and how it asks for them.
const NEVER_LOGGED: [&str; 2] = [
    "aws_sigv4::http_request::sign:",
    "aws_smithy_runtime::client::orchestrator:",
];
const UNKNOWN: &str = "there is no item `source_prefix` = `landing/south/` in table `data-egress`";

struct Scene {
    world: World,
    moto: Moto,
    partner: Partner,
    mail: MailServer,
}

impl Scene {
    fn start() -> Result<Self> {
        let mut world = World::new()?;
        let moto = Moto::start(&world.path("logs"))?;
        let mut make = python()?;
        run(make.args(["-c", MAKE_TABLE, &moto.url()]))?.ok()?;
        let partner = Partner::start(&world)?;
        let mail = MailServer::start(&world)?;
        world.environment("QUAYMASTER_LOG", "trace");
        world.account("north")?;
        world.account("south")?;
        world
            .configuration
            .email("operators", &["sre@example.org"], mail.port())
            .set("route.push", r#"when = { arrives = "landing/*/**" }"#)
            .set("route.push", "retry = []")
            .set("route.push", r#"alert = ["operators"]"#)
            .set("route.push.lookup", r#"kind = "dynamodb""#)
            .set("route.push.lookup", r#"table = "data-egress""#)
            .set("route.push.lookup", r#"region = "us-east-1""#)
            .set("route.push.lookup", &format!("endpoint = {:?}", moto.url()))
            .set("route.push.lookup", r#"require_tag = { service = "push" }"#);
        world.start()?;
        Ok(Self {
            world,
            moto,
            partner,
            mail,
        })
    }

    /// Puts an item that leads to the partner, in place of the one of this folder.
    fn put(&self, folder: &str, remote: &str, otherwise: &[(&str, Value)]) -> Outcome {
        let mut item = self.partner.looked_up(&self.world)?;
        let prefix = format!("landing/{folder}/");
        let more = [
            ("source_prefix", json!(prefix)),
            ("pipeline_name", json!("daily")),
            ("service", json!("push")),
            ("remote_dir", json!(remote)),
            ("create_dir", json!(true)),
            // The partner takes keys only.
            ("password", json!(CANARY)),
        ];
        for (name, value) in more.iter().chain(otherwise) {
            item[*name] = value.clone();
        }
        let mut put = python()?;
        put.args(["-c", PUT_ITEM, &self.moto.url(), &item.to_string()]);
        run(&mut put)?.ok()?;
        Ok(())
    }

    fn upload(&self, account: &str, name: &str) -> Outcome {
        self.world.write_local(name, name)?;
        self.world.sftp(account, &format!("put {name}\n"))?.ok()?;
        Ok(())
    }

    fn redrive_south(&self) -> Outcome {
        let south = "push/landing/south/";
        let redrive = ["delivery", "redrive", "--destination", south];
        self.world.quaymaster(&redrive)?.ok()?;
        Ok(())
    }

    /// Waits until the one dead delivery says this.
    fn wait_until_dead(&self, words: &str) -> Outcome {
        wait::until_true(&format!("a delivery is dead: {words}"), || {
            let deliveries = self.world.deliveries()?;
            let dead = deliveries.with(&[("STATE", "dead"), ("ATTEMPTS", "1")]);
            Ok(dead.iter().any(|row| row.get("LAST ERROR").contains(words)))
        })
    }

    /// All that anybody is told.
    fn told(&self) -> Result<String> {
        let mut told = format!("{:?}", self.mail.mails()?);
        for command in [
            &["delivery", "list"][..],
            &["delivery", "export", "--all"],
            &["alert", "list"],
            &["audit", "list"],
            &["metrics"],
        ] {
            told.push_str(&self.world.quaymaster(command)?.ok()?.stdout);
        }
        Ok(told)
    }
}

#[test]
fn foreign_destinations_are_looked_up_in_a_table() -> Outcome {
    let mut scene = Scene::start()?;
    let files = scene.partner.files.clone();
    scene.put("north", "in", &[])?;
    scene.upload("north", "a.csv")?;
    wait_until_delivered(&scene.world)?;
    assert_content(&files.join("in/a.csv"), b"a.csv");

    // As it is at the next attempt.
    scene.put("north", "rotated", &[])?;
    scene.upload("north", "b.csv")?;
    wait_until_delivered(&scene.world)?;
    assert_content(&files.join("rotated/b.csv"), b"b.csv");

    scene.upload("south", "c.csv")?;
    scene.wait_until_dead(UNKNOWN)?;
    let mail = scene
        .mail
        .wait_for("Delivery of landing/south/c.csv to push/landing/south/ failed")?;
    ensure!(mail.body.contains(UNKNOWN), "{mail:?}");
    assert_content(&scene.world.bucket("south/c.csv"), b"c.csv");
    for (otherwise, words) in [
        (("service", json!("none")), "has the attribute service=push"),
        (
            ("private_key", json!([CANARY])),
            "`private_key` of the item",
        ),
        (("private_key", json!(CANARY)), "private key"),
    ] {
        scene.put("south", "in", &[otherwise])?;
        scene.redrive_south()?;
        scene.wait_until_dead(words)?;
    }
    assert_content(&scene.world.bucket("south/c.csv"), b"c.csv");
    let told = scene.told()?;
    ensure!(told.contains(UNKNOWN), "{told}");

    scene.put("south", "in", &[])?;
    scene.redrive_south()?;
    wait_until_delivered(&scene.world)?;
    assert_content(&files.join("in/c.csv"), b"c.csv");
    ensure!(!(told + &scene.told()?).contains(CANARY), "it was told");
    scene.world.stop()?;
    nothing_secret_is_kept(&scene.world)
}

/// What an item says of sizes and types counts as what a route says.
#[test]
fn foreign_an_item_says_what_its_partner_takes() -> Outcome {
    let mut scene = Scene::start()?;
    let takes = [
        ("regex", json!(["[a-d][.].*"])),
        ("types", json!(["csv", "json"])),
        ("min_size", json!("2")),
        ("max_size", json!(20)),
    ];
    scene.put("north", "in", &takes)?;
    scene.upload("north", "a.csv")?;
    wait_until_delivered(&scene.world)?;
    assert_content(&scene.partner.files.join("in/a.csv"), b"a.csv");
    for (name, content, words) in [
        (
            "b.csv",
            &b"far too long for the partner"[..],
            "more than the 20",
        ),
        (
            "c.csv",
            &b"\x7fELF\x02\x01"[..],
            "its content is something else",
        ),
        ("d.xml", &b"<a/>"[..], "only files of type csv or json"),
        ("e.csv", &b"a,b"[..], "name does not match"),
    ] {
        scene.world.write_local(name, content)?;
        scene.world.sftp("north", &format!("put {name}\n"))?.ok()?;
        scene.wait_until_dead(words)?;
        ensure!(
            !scene.partner.files.join("in").join(name).exists(),
            "{name}"
        );
        assert_content(&scene.world.bucket("north").join(name), content);
    }
    scene.world.stop()
}

#[test]
fn foreign_what_is_looked_up_in_a_table_is_told_beforehand() -> Outcome {
    let mut scene = Scene::start()?;
    scene.put("north", "in", &[("pattern", json!("*.csv"))])?;
    let world = &scene.world;
    let simulate = |path: &str| -> Result<String> {
        let ran = world.quaymaster(&["simulate", "--path", path])?.ok()?;
        ensure!(!ran.stdout.contains(CANARY), "{ran}");
        Ok(ran.stdout)
    };
    let found = simulate("landing/north/a.csv")?;
    for line in [
        "  looked up    item landing/north/ of table data-egress",
        "  found        yes, with tag service=push",
        "  name there   a.csv in folder in",
    ] {
        ensure!(found.lines().any(|found| found == line), "{line}: {found}");
    }
    let other = simulate("landing/north/a.txt")?;
    let rejected = "  screen there REJECTED: the file's name does not match *.csv";
    ensure!(other.contains(rejected), "{other}");
    let unknown = simulate("landing/south/a.csv")?;
    let dead = format!("DEAD LETTER: {UNKNOWN}");
    ensure!(unknown.contains(&dead), "{unknown}");
    world
        .quaymaster(&["destination", "list"])?
        .ok()?
        .says("looked up in table data-egress of DynamoDB as {bucket}/{path.0}/")?;
    let test = ["destination", "test", "push", "--key"];
    world
        .quaymaster(&[&test[..], &["landing/north/"]].concat())?
        .ok()?
        .says("destination `push/landing/north/` works")?;
    world
        .quaymaster(&[&test[..], &["landing/south/"]].concat())?
        .failed()?
        .says("there is no item")?;
    scene.world.stop()
}

/// Neither the node's log, in which the requests are seen, nor anything in its folder has it.
fn nothing_secret_is_kept(world: &World) -> Outcome {
    let key = fs::read_to_string(world.key("bank")?.private_file)?;
    let line = key.lines().nth(2).context("a key has lines")?;
    let log = fs::read_to_string(world.path("logs/node-1.err"))?;
    ensure!(log.contains("DynamoDB.Query"), "the SDK was not heard");
    for never in NEVER_LOGGED.iter().chain(&[CANARY, line]) {
        ensure!(!log.contains(never), "the log has it");
    }
    for secret in [CANARY, line] {
        look_for(secret, &world.path("data"))?;
    }
    Ok(())
}

fn look_for(secret: &str, folder: &Path) -> Outcome {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            look_for(secret, &path)?;
        } else if kind.is_file() {
            let bytes = fs::read(&path)?;
            let has_it = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            ensure!(!has_it, "{} has it", path.display());
        }
    }
    Ok(())
}
