//! How long after its commit a delivery begins, at a node that has nothing else to do.

use anyhow::Result;
use std::path::Path;

use super::Options;
use super::book::start;
use super::configuration::{Destination, Phase, Place};
use super::scene::{Bucket, Keeper, Scene, name};
use super::table::Table;
use crate::bars::{Bar, Verdict};
use crate::files;
use crate::measure::put;
use crate::plan::{Cipher, SMALL_FILE_BYTES};

pub(super) fn measure(options: &Options, binary: &Path, table: &mut Table) -> Result<()> {
    let scene = Scene::set(
        binary,
        Keeper::Sqlite,
        &options.disk,
        Bucket::in_folder(&options.disk)?,
        None,
    )?;
    let small = scene.beside("files")?.join("small");
    files::fill(&small, SMALL_FILE_BYTES)?;
    let destinations = [Destination {
        name: "delivered".to_owned(),
        place: Place::Directory(scene.beside("delivered")?),
        concurrency: None,
    }];
    let mut nodes = [scene.start("one", Phase::Deliver, &destinations)?];
    let front = scene.front(&nodes[0]);
    let uploads = options.amount.uploads;
    let book = scene.book()?;
    for number in 0..uploads {
        // A session each: until the next one is there, the node is at rest again.
        front.run(Cipher::Aes128Gcm, &put(&small, Path::new(&name(number))))?;
        book.wait(&mut nodes, |counts| counts.delivered > u64::from(number))?;
    }
    let lives = book.lives()?;
    let p99 = start(&lives, 99)?;
    table.add(
        format!(
            "{uploads} uploads, one at a time; the median is {:.1} ms",
            start(&lives, 50)?.as_secs_f64() * 1_000.0
        ),
        String::new(),
        Verdict {
            what: "from the commit to the beginning of the delivery, p99".to_owned(),
            measured: p99.as_secs_f64() * 1_000.0,
            unit: " ms",
            bar: Bar::AtMost(50.0),
        },
    );
    Ok(())
}
