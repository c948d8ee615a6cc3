//! Keys that no path can name, found by listing.

use qm_e2e::clients::python;
use qm_e2e::{Moto, World, run, wait};

use crate::support::{Outcome, assert_content, wait_until_delivered};

const PUT: &str = r"
import boto3, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')
s3.create_bucket(Bucket='landing')
for key in ['in/a//b.csv', 'in/back\\slash.csv', 'in/good.csv']:
    s3.put_object(Bucket='landing', Key=key, Body=b'x')
";

#[test]
fn foreign_a_key_on_s3_that_breaks_our_rules_is_an_event_for_operators() -> Outcome {
    let folder = tempfile::tempdir()?;
    let moto = Moto::start(folder.path())?;
    let mut others = python()?;
    others.args(["-c", PUT, &moto.url()]);
    run(&mut others)?.ok()?;
    let mut world = World::new()?;
    world.account("north")?;
    world.deliver_everything();
    world.ask_s3_at(&moto.url());
    world
        .configuration
        .set("bucket.landing.watch", r#"every = "1s""#)
        .set("bucket.landing.watch", r#"settle = "0s""#);
    world.start()?;
    let is_dead = |name: &str| -> anyhow::Result<bool> {
        let events = world.inbox()?;
        let dead = events.with(&[("STATE", "dead")]);
        Ok(dead.iter().any(|event| event.get("NOTE").contains(name)))
    };
    wait::until_true("both are told", || {
        Ok(is_dead("in/a//")? && is_dead("slash.csv")?)
    })?;
    wait_until_delivered(&world)?;
    assert_content(&world.share("in/good.csv"), b"x");
    Ok(())
}
