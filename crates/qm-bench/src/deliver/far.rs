//! A partner who is far away: small files beside OpenSSH's `sftp`, and two nodes against one, where
//! each sends only so many at a time.

use anyhow::Result;
use std::path::Path;
use std::time::Duration;

use super::Options;
use super::book::span;
use super::latency;
use super::push::Partner;
use super::scene::{Bucket, Keeper, Scene, ensure_delivered};
use super::table::{Table, rate};
use crate::bars::{Bar, Verdict};
use crate::files;
use crate::measure::TMPFS;
use crate::plan::{Cipher, SMALL_FILE_BYTES};
use crate::server::gateway::MAILBOX;

/// There and back it is twice as much.
const EACH_WAY: Duration = Duration::from_millis(25);
/// At a time: what a destination has when nobody says anything, and what a busy one is given.
const USUAL: u32 = 4;
const MORE: u32 = 16;

pub(super) fn measure_push(options: &Options, binary: &Path, table: &mut Table) -> Result<()> {
    let partner = Partner::start()?;
    let port = latency::lay(partner.port(), EACH_WAY)?;
    let small = partner.files("small");
    files::fill(&small, SMALL_FILE_BYTES)?;
    let count = options.amount.far_files;
    let time = partner.by_openssh(&small, count, port, Cipher::ChaCha20)?;
    let beside = rate(usize::try_from(count)?, time);
    for concurrency in [USUAL, MORE] {
        let bucket = Bucket::in_folder(Path::new(TMPFS))?;
        let ours = deliver(
            options,
            binary,
            Keeper::Sqlite,
            bucket,
            &["one"],
            concurrency,
        )?;
        table.add(
            format!("{ours:.1} a second"),
            format!("OpenSSH, {beside:.1} a second"),
            Verdict {
                what: format!(
                    "push of small files, {concurrency} at a time, the partner 50 ms away"
                ),
                measured: ours / beside,
                unit: "",
                bar: Bar::AtLeast(5.0),
            },
        );
    }
    Ok(())
}

pub(super) fn measure_nodes(options: &Options, binary: &Path, table: &mut Table) -> Result<()> {
    let program = options.gateway()?;
    let [one, two] = [&["one"][..], &["one", "two"]].map(|nodes| {
        let bucket = Bucket::on_s3(program)?;
        deliver(options, binary, Keeper::Postgres, bucket, nodes, USUAL)
    });
    let (one, two) = (one?, two?);
    table.add(
        format!("two nodes: {two:.1} a second"),
        format!("one node: {one:.1} a second"),
        Verdict {
            what: format!(
                "two nodes on one ledger, {USUAL} at a time each, the partner 50 ms away"
            ),
            measured: two / one,
            unit: "",
            bar: Bar::AtLeast(1.6),
        },
    );
    Ok(())
}

/// How many a second these nodes deliver together.
fn deliver(
    options: &Options,
    binary: &Path,
    keeper: Keeper,
    bucket: Bucket,
    nodes: &[&str],
    concurrency: u32,
) -> Result<f64> {
    let partner = Partner::start()?;
    let port = latency::lay(partner.port(), EACH_WAY)?;
    let scene = Scene::set(binary, keeper, &options.disk, bucket, Some(&partner.login))?;
    let small = scene.beside("files")?.join("small");
    files::fill(&small, SMALL_FILE_BYTES)?;
    let count = options.amount.far_files;
    let destinations = [partner.destination("far", port, Some(concurrency))];
    scene.gather(&small, count, &destinations)?;
    scene.deliver(nodes, &destinations)?;
    let lives = scene.book()?.lives()?;
    ensure_delivered(&small, &partner.files("far").join(MAILBOX), count)?;
    Ok(rate(lives.len(), span(&lives)?))
}
