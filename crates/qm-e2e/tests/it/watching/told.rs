//! From the put of somebody else to the destination, told by the store itself through a queue.

use anyhow::{Context as _, Result, ensure};
use qm_e2e::clients::python;
use qm_e2e::{Moto, World, run, wait};
use std::fs;
use std::time::Duration;

use crate::support::{Outcome, assert_content, wait_until_delivered};

const OTHERS: &str = include_str!("others.py");
/// A key that events write in another way.
const KEY: &str = "exports/daily list+1 \u{e4}.csv";
/// What is told of a file of ours while it appears is looked at again after a minute.
const LIMIT: Duration = Duration::from_mins(5);

/// S3 and SQS on one server, and a node that the bucket `landing` tells of what is put into it.
struct Told {
    world: World,
    moto: Moto,
    queue: String,
    _folder: tempfile::TempDir,
}

impl Told {
    fn start(kind: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let moto = Moto::start(folder.path())?;
        let queue = others(&moto, &["set-up", kind])?.trim().to_owned();
        let mut world = World::new()?;
        world.account("north")?;
        world.deliver_everything();
        world.ask_s3_at(&moto.url());
        world
            .configuration
            .may_everything("north")
            .set("bucket.landing.watch", r#"region = "us-east-1""#);
        for (key, value) in [("endpoint", &moto.url()), ("queue", &queue)] {
            let line = format!("{key} = {value:?}");
            world.configuration.set("bucket.landing.watch", &line);
        }
        world.start()?;
        Ok(Self {
            world,
            moto,
            queue,
            _folder: folder,
        })
    }

    fn others(&self, arguments: &[&str]) -> Result<String> {
        others(&self.moto, arguments)
    }

    /// Waits until so many events are read that are about files, and none is given up.
    fn has_read(&self, count: usize) -> Outcome {
        wait::until_within(LIMIT, &format!("{count} events are read"), || {
            let events = self.world.inbox()?;
            ensure!(events.with(&[("STATE", "dead")]).is_empty(), "{events:?}");
            let mut done = events.with(&[("STATE", "done")]);
            // The node makes folders, which the store tells like anything else.
            done.retain(|event| !event.get("NOTE").ends_with("a folder marker"));
            Ok((done.len() == count).then_some(()))
        })
    }

    /// So many files arrived, each delivered once.
    fn arrived(&self, count: usize) -> Outcome {
        wait_until_delivered(&self.world)?;
        let found = (
            self.world.arrivals()?.0.len(),
            self.world.deliveries()?.0.len(),
        );
        ensure!(found == (count, count), "{found:?} instead of {count}");
        Ok(())
    }
}

fn others(moto: &Moto, arguments: &[&str]) -> Result<String> {
    let mut others = python()?;
    others.args(["-c", OTHERS, &moto.url()]).args(arguments);
    Ok(run(&mut others)?.ok()?.stdout)
}

fn is_delivered_once(kind: &str) -> Outcome {
    let told = Told::start(kind)?;
    // S3 itself says first that it can.
    told.has_read(1)?;
    told.others(&["put", KEY, "id\n1\n"])?;
    told.has_read(2)?;
    told.arrived(1)?;
    assert_content(&told.world.share(KEY), b"id\n1\n");

    let events = told.world.inbox()?;
    let mut events = events.0.iter();
    let first = events.find(|event| event.get("NOTE").contains("arrival"));
    let first = first.context("an event of the file")?;
    let shown = told
        .world
        .quaymaster(&["inbox", "show", first.get("EVENT")])?;
    let shown = shown.ok()?.stdout;
    let (_, body) = shown.split_once("\n\n").context("a body is shown")?;
    ensure!(body.contains("daily+list%2B1+%C3%A4.csv"), "{body}");
    told.others(&["tell", &told.queue, body.trim()])?;
    told.has_read(3)?;
    told.arrived(1)?;

    // What came through us is told as well.
    told.world.write_local("own.csv", "id\n2\n")?;
    told.world.sftp("north", "put own.csv\n")?.ok()?;
    told.has_read(4)?;
    told.arrived(2)?;
    assert_content(&told.world.share("north/own.csv"), b"id\n2\n");

    // Other bytes under the same name are another file.
    told.others(&["put", KEY, "id\n3\n4\n"])?;
    told.has_read(5)?;
    told.arrived(3)?;
    assert_content(&told.world.share(KEY), b"id\n3\n4\n");
    Ok(())
}

#[test]
fn foreign_what_s3_tells_through_a_queue_is_delivered_once() -> Outcome {
    is_delivered_once("plain")
}

#[test]
fn foreign_what_s3_with_versions_tells_through_a_queue_is_delivered_once() -> Outcome {
    is_delivered_once("versioned")
}

/// What is under a temporary name is an upload in parts, whose end such a rule is.
#[test]
fn foreign_a_rule_that_aborts_uploads_is_in_the_log_at_the_start() -> Outcome {
    let mut told = Told::start("plain")?;
    told.others(&["abort-uploads-after", "3"])?;
    told.world.stop()?;
    told.world.start()?;
    let danger = "life-cycle rule `tidy up` aborts uploads after 3 days: a file that still has its temporary name then is lost";
    for (log, is_told) in [("logs/node-1.err", false), ("logs/node-2.err", true)] {
        let said = fs::read_to_string(told.world.path(log))?;
        ensure!(said.contains(danger) == is_told, "{log}: {said}");
    }
    Ok(())
}
