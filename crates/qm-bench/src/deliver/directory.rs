//! Deliveries to directories on a disk, with all that makes them durable: how many a second, and
//! whether those that wait behind cost anything.

use anyhow::{Context, Result};
use std::path::Path;
use std::time::Duration;

use super::Options;
use super::book::span;
use super::configuration::{Destination, Phase, Place};
use super::scene::{Bucket, Keeper, Scene, ensure_delivered};
use super::table::{Table, rate};
use crate::bars::{Bar, Verdict};
use crate::files;
use crate::plan::SMALL_FILE_BYTES;
use crate::report::to_float;
use crate::server::gateway::MAILBOX;

/// As many as one destination may have.
const CONCURRENCY: u32 = 64;
/// Files that lie in a line are delivered to so many destinations.
const DESTINATIONS: u32 = 100;
/// A line is delivered from for so long: a long one to its end would take an hour.
const LOOK: Duration = Duration::from_secs(15);

/// How many a second, over either ledger.
pub(super) fn measure_rate(options: &Options, binary: &Path, table: &mut Table) -> Result<()> {
    for keeper in [Keeper::Sqlite, Keeper::Postgres] {
        let scene = Scene::set(
            binary,
            keeper,
            &options.disk,
            Bucket::in_folder(&options.disk)?,
            None,
        )?;
        let count = options.amount.drained;
        let small = small(&scene)?;
        let folder = scene.beside("delivered")?;
        let destinations = [directory(
            "delivered".to_owned(),
            &scene,
            Some(CONCURRENCY),
        )?];
        scene.gather(&small, count, &destinations)?;
        scene.deliver(&["one"], &destinations)?;
        let lives = scene.book()?.lives()?;
        ensure_delivered(&small, &folder.join(MAILBOX), count)?;
        let span = span(&lives)?;
        table.add(
            format!(
                "{count} in {:.2} s, {CONCURRENCY} at a time, ledger {}",
                span.as_secs_f64(),
                mebibytes(scene.ledger_bytes()?)
            ),
            String::new(),
            Verdict {
                what: format!("deliveries to a directory on disk, {}", keeper.name()),
                measured: rate(lives.len(), span),
                unit: " a second",
                bar: Bar::AtLeast(1_000.0),
            },
        );
    }
    Ok(())
}

/// A long line against a short one.
pub(super) fn measure_lines(options: &Options, binary: &Path, table: &mut Table) -> Result<()> {
    let mut told = Vec::new();
    let mut rates = Vec::new();
    for open in [options.amount.line, options.amount.long_line] {
        let (rate, text) = drain(options, binary, open).with_context(|| format!("{open} open"))?;
        eprintln!("{text}");
        told.push(text);
        rates.push(rate);
    }
    if let ([short, long], [beside, ours]) = (rates.as_slice(), told.as_slice()) {
        table.add(
            ours.clone(),
            beside.clone(),
            Verdict {
                what: "deliveries a second with a long line against a short one".to_owned(),
                measured: long / short,
                unit: "",
                bar: Bar::AtLeast(0.8),
            },
        );
    }
    Ok(())
}

/// How many a second go out of a line of so many, and what is to be said of it.
fn drain(options: &Options, binary: &Path, open: u32) -> Result<(f64, String)> {
    let scene = Scene::set(
        binary,
        Keeper::Sqlite,
        &options.disk,
        Bucket::in_folder(&options.disk)?,
        None,
    )?;
    let small = small(&scene)?;
    let destinations = (0..DESTINATIONS)
        .map(|number| directory(format!("d{number}"), &scene, None))
        .collect::<Result<Vec<Destination>>>()?;
    scene.gather(&small, open / DESTINATIONS, &destinations)?;
    let node = scene.start("one", Phase::Deliver, &destinations)?;
    // Nobody asks meanwhile: to count a million costs more than to deliver a hundred.
    std::thread::sleep(LOOK);
    drop(node);
    let lives = scene.book()?.lives()?;
    let rate = rate(lives.len(), span(&lives)?);
    let text = format!(
        "{rate:.0} a second of {open} open ({} delivered, ledger {})",
        lives.len(),
        mebibytes(scene.ledger_bytes()?)
    );
    Ok((rate, text))
}

fn small(scene: &Scene) -> Result<std::path::PathBuf> {
    let small = scene.beside("files")?.join("small");
    files::fill(&small, SMALL_FILE_BYTES)?;
    Ok(small)
}

fn directory(name: String, scene: &Scene, concurrency: Option<u32>) -> Result<Destination> {
    let place = Place::Directory(scene.beside(&name)?);
    Ok(Destination {
        name,
        place,
        concurrency,
    })
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", to_float(bytes) / to_float(1 << 20))
}
