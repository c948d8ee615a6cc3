//! What others put into a watched bucket goes the way of every arrival: by its pattern, once, whole.

use anyhow::ensure;
use qm_e2e::clients::python;
use qm_e2e::{S3Server, World, run, wait};
use std::fs::{self, File};
use std::io::Write as _;
use std::thread;
use std::time::Duration;

use crate::support::{
    Outcome, assert_content, tree, wait_until_delivered, wait_until_delivered_within,
};

/// What the writer pauses between two pieces; the watch waits longer before it believes the end.
const PAUSE: Duration = Duration::from_millis(300);
/// Two and a half times what a store lists at once.
const MANY: usize = 2_500;
/// Puts them as others do.
const OTHERS: &str = "
import boto3, sys
from concurrent.futures import ThreadPoolExecutor
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1')
def put(number):
    s3.put_object(Bucket='landing', Key=f'exports/{number:04}.csv', Body=f'{number}\\n'.encode())
with ThreadPoolExecutor(8) as pool:
    list(pool.map(put, range(int(sys.argv[2]))))
";
/// For what takes half a minute on a machine that has nothing else to do.
const LIMIT: Duration = Duration::from_mins(5);

/// Everything that others put into its bucket on S3 is delivered.
fn watched_on_s3(server: &S3Server, settle: &str) -> anyhow::Result<World> {
    let mut world = World::new()?;
    world.move_to_s3(server)?;
    world.deliver_everything();
    world
        .configuration
        .set("bucket.landing.watch", r#"every = "1s""#)
        .set("bucket.landing.watch", &format!("settle = {settle:?}"));
    Ok(world)
}

#[test]
fn foreign_more_objects_than_a_list_has_are_all_delivered() -> Outcome {
    let folder = tempfile::tempdir()?;
    let server = S3Server::start(folder.path())?;
    let mut world = watched_on_s3(&server, "1s")?;
    let mut others = python()?;
    others.args(["-c", OTHERS, &server.endpoint(), &MANY.to_string()]);
    run(&mut others)?.ok()?;
    world.start()?;
    // Not by its lists, which would be most of the work.
    wait::until_within(LIMIT, "all are there", || {
        let folder = world.share("exports");
        Ok((folder.exists() && tree(&folder)?.len() >= MANY).then_some(()))
    })?;
    wait_until_delivered_within(LIMIT, &world)?;
    for number in 0..MANY {
        let delivered = world.share(format!("exports/{number:04}.csv"));
        assert_content(&delivered, format!("{number}\n").as_bytes());
    }
    let deliveries = world.deliveries()?.0.len();
    ensure!(deliveries == MANY, "{deliveries} deliveries");
    Ok(())
}

/// Its listing takes files of others for sealed ones, which are shorter than they look.
#[test]
fn foreign_a_sealed_bucket_of_s3_takes_what_others_put_there() -> Outcome {
    let folder = tempfile::tempdir()?;
    let server = S3Server::start(folder.path())?;
    let mut world = watched_on_s3(&server, "2s")?;
    world
        .configuration
        .set("encryption_key.landing", r#"provider = "file""#)
        .set("bucket.landing", r#"encryption_key = "landing""#);
    let mut others = python()?;
    others.args(["-c", OTHERS, &server.endpoint(), "3"]);
    run(&mut others)?.ok()?;
    world.start()?;
    wait::until_true("all are there", || {
        let folder = world.share("exports");
        Ok(folder.exists() && tree(&folder)?.len() >= 3)
    })?;
    wait_until_delivered(&world)?;
    for number in 0..3 {
        let delivered = world.share(format!("exports/{number:04}.csv"));
        assert_content(&delivered, format!("{number}\n").as_bytes());
    }
    assert_eq!(world.deliveries()?.0.len(), 3);
    Ok(())
}

#[test]
fn what_others_put_into_a_watched_bucket_is_delivered_once() -> Outcome {
    let mut world = World::new()?;
    world.deliver_everything();
    world
        .configuration
        .set("bucket.landing.watch", r#"every = "1s""#)
        .set("bucket.landing.watch", r#"settle = "2s""#)
        .set(
            "route.to-share",
            r#"when = { arrives = "landing/raw-data/**/*.csv" }"#,
        );
    world.start()?;
    // A folder alone is nothing that arrives; the others are in the wrong place or of another kind.
    fs::create_dir_all(world.bucket("raw-data/marker"))?;
    put(&world, "data/x.csv", b"elsewhere")?;
    put(&world, "raw-data/x.txt", b"another kind")?;
    put(&world, "raw-data/k/my file+1.csv", b"id\n1\n")?;
    put(&world, "raw-data/k/\u{e4}\u{f6}%20.csv", b"id\n2\n")?;
    put(&world, "raw-data/empty.csv", b"")?;
    let mut slow = File::create(world.bucket("raw-data/slow.csv"))?;
    for _ in 0..12 {
        // Its own pace, not a wait for anything of ours.
        thread::sleep(PAUSE);
        slow.write_all(b"row\n")?;
        ensure!(
            !world.share("raw-data/slow.csv").exists(),
            "delivered before its writer was done"
        );
    }
    drop(slow);
    wait::until_true("all that should have arrived has", || {
        let found = tree(&world.share(""))?;
        Ok(found.iter().filter(|name| !name.ends_with('/')).count() == 4)
    })?;
    wait_until_delivered(&world)?;
    assert_content(&world.share("raw-data/k/my file+1.csv"), b"id\n1\n");
    assert_content(&world.share("raw-data/k/\u{e4}\u{f6}%20.csv"), b"id\n2\n");
    assert_content(&world.share("raw-data/empty.csv"), b"");
    assert_content(&world.share("raw-data/slow.csv"), &b"row\n".repeat(12));
    // Seen again by every listing, and after a restart: no second arrival of anything.
    world.stop()?;
    world.start()?;
    put(&world, "raw-data/last.csv", b"last")?;
    wait::until_true("the last one is delivered", || {
        Ok(world.share("raw-data/last.csv").exists())
    })?;
    wait_until_delivered(&world)?;
    let arrivals = world.arrivals()?.0;
    ensure!(arrivals.len() == 7, "{} arrivals", arrivals.len());
    ensure!(world.deliveries()?.0.len() == 5);
    let found = world.audit()?;
    let found = found
        .with(&[("ACTOR", "watch"), ("ACTIVITY", "found")])
        .len();
    ensure!(found == 7, "{found} records of what was found");
    Ok(())
}

/// Behind the node's back.
fn put(world: &World, name: &str, content: &[u8]) -> Outcome {
    let file = world.bucket(name);
    fs::create_dir_all(file.with_file_name(""))?;
    fs::write(file, content)?;
    Ok(())
}
