//! A file that S3 takes in no single request: it goes up, and on into another bucket, through a node
//! that never holds more than some parts of it.

use anyhow::{Context as _, Result, ensure};
use qm_e2e::{World, wait};
use qm_testkit::DiscardingS3;
use qm_testkit::discarding_s3::Taken;
use std::fs::{self, File};
use std::time::Duration;

use crate::support::{Outcome, wait_until_delivered};

/// S3 takes and copies 5 GiB in one request.
const FILE_BYTES: u64 = 8_000_000_000;
const FILE: &str = "north/long.bin";
/// What S3 takes.
const PARTS_MAX: usize = 10_000;
/// The bar of `cargo xtask bench store`, for any number of uploads: all their parts have 256 MiB, and
/// the node as much again for everything else.
const PEAK_KIB_MAX: u64 = 512 << 10;
/// For what takes minutes on a machine that does other things besides.
const LIMIT: Duration = Duration::from_mins(30);

/// A client uploads the file into a bucket of one server, and it is delivered into a bucket of the
/// other: how it came there.
fn moved(landing: &DiscardingS3, archive: &DiscardingS3) -> Result<Taken> {
    let mut world = World::new()?;
    world.ask_s3_at(&landing.endpoint());
    world.account("north")?;
    let endpoint = format!("endpoint = {:?}", archive.endpoint());
    world
        .configuration
        .set("bucket.archive", r#"url = "s3://archive""#)
        .set("bucket.archive", r#"region = "us-east-1""#)
        .set("bucket.archive", &endpoint)
        .set("destination.archive", r#"kind = "bucket""#)
        .set("destination.archive", r#"bucket = "archive""#)
        .set("route.copy", r#"when = { arrives = "landing/**" }"#)
        .set("route.copy", r#"deliver = ["archive"]"#);
    world.start()?;
    // Without a block on any disk.
    File::create(world.local("long.bin"))?.set_len(FILE_BYTES)?;
    let mut client = world.sftp_beside("north", "put long.bin\n")?;
    let status = client.wait_within(LIMIT)?;
    ensure!(status.success(), "{status}: {}", client.story());
    // Not by its lists, which take time from it.
    let delivered = wait::until_within(LIMIT, "it is delivered", || {
        Ok(archive.object("archive", FILE))
    })?;
    wait_until_delivered(&world)?;

    let uploaded = landing.object("landing", FILE).context("it is gone")?;
    for taken in [uploaded, delivered] {
        ensure!(
            taken.size_bytes == FILE_BYTES && (2..=PARTS_MAX).contains(&taken.parts),
            "{taken:?}"
        );
    }
    assert_eq!(landing.open_uploads() + archive.open_uploads(), 0);
    let peak = peak_kib(world.node()?.process().id())?;
    ensure!(peak <= PEAK_KIB_MAX, "the node held {peak} KiB");
    Ok(delivered)
}

/// The most that a process has had in memory.
fn peak_kib(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(peak.context("a process has a peak")?.parse()?)
}

#[test]
fn foreign_eight_gigabytes_are_uploaded_and_copied_in_bounded_memory() -> Outcome {
    let server = DiscardingS3::start()?;
    let copy = moved(&server, &server)?;
    // The store's own work: no byte comes back to the node.
    assert_eq!(copy.copied_parts, copy.parts);
    assert_eq!(server.sent_bytes(), 0);
    Ok(())
}

/// One service cannot copy from the other.
#[test]
fn foreign_eight_gigabytes_are_streamed_to_another_store_in_bounded_memory() -> Outcome {
    let (landing, archive) = (DiscardingS3::start()?, DiscardingS3::start()?);
    let streamed = moved(&landing, &archive)?;
    assert_eq!(streamed.copied_parts, 0);
    let read = landing.sent_bytes();
    ensure!(read >= FILE_BYTES, "only {read} bytes were read");
    Ok(())
}
