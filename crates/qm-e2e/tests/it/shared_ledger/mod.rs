//! The real binary on a ledger in `PostgreSQL`, while it delivers to a partner whose own log tells what
//! was sent twice.

mod away;
mod clocks;

use anyhow::{Result, ensure};
use qm_e2e::{Configuration, World, wait};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::push::partner::Partner;
use crate::push::{FLAG, MARK_CHARS};
use crate::support::{Outcome, wait_until_delivered_within};

/// For what takes seconds on a machine that has nothing else to do.
const LIMIT: Duration = Duration::from_mins(5);
const FILE_BYTES: usize = 100_000;

/// A world whose node delivers what `north` uploads to the partner, slowly enough that some of it is
/// always under way, by a ledger at this connection.
fn world(connection: &str) -> Result<(World, Partner)> {
    let mut world = World::new()?;
    let partner = Partner::start(&world)?;
    partner.configure(&mut world)?;
    world.account("north")?;
    world.configuration.may_everything("north");
    share_ledger(&mut world, connection)?;
    let pauses = ["\"100ms\""; 50].join(", ");
    world
        .configuration
        .set("destination.bank", r#"strip = "north""#)
        .set("destination.bank", r#"bandwidth = "128 KiB/s""#)
        .set("destination.bank", "concurrency = 2")
        .set("destination.bank", "breaker = { failures = 1000 }")
        .set("route.push", r#"when = { arrives = "landing/north/**" }"#)
        .set("route.push", r#"deliver = ["bank"]"#)
        .set("route.push", &format!("retry = [{pauses}]"));
    Ok((world, partner))
}

fn share_ledger(world: &mut World, connection: &str) -> Outcome {
    let (secrets, data) = (world.path("secrets"), world.path("data"));
    for folder in [&secrets, &data] {
        fs::create_dir_all(folder)?;
    }
    let ledger = secrets.join("ledger");
    fs::write(&ledger, connection)?;
    fs::set_permissions(&ledger, fs::Permissions::from_mode(0o600))?;
    let host_key = world.key("host")?.private_file;
    fs::copy(&host_key, secrets.join("host-key"))?;
    // Where the world looks for what its clients are to believe.
    fs::copy(&host_key, data.join("host_key_ed25519"))?;
    world
        .configuration
        .set("node", r#"ledger = "secret:ledger""#)
        .set("listen.sftp", r#"host_key = "secret:host-key""#)
        .set("bucket.landing", "shared = true");
    Ok(())
}

/// The same configuration for another node, with a data folder of its own.
fn of_another_node(configuration: &Configuration) -> String {
    let mut configuration = configuration.clone();
    configuration.set("node", r#"data = "other""#).text()
}

/// Uploads files that nobody else does, with their names; again if that fails.
fn upload(world: &World, files: &[(String, Vec<u8>)]) -> Outcome {
    let mut batch = String::new();
    for (name, content) in files {
        world.write_local(name, content)?;
        writeln!(batch, "put {name}")?;
    }
    wait::until_within(LIMIT, "the files are taken", || {
        let put = world.sftp("north", &batch)?;
        Ok((put.code == Some(0)).then_some(()))
    })
}

/// How many files have got their names at the partner.
fn named(partner: &Partner) -> Result<usize> {
    Ok(partner.renames()?.len())
}

/// All is delivered, and whatever the partner's log names twice is flagged; the times that was so.
fn ends_well(world: &World, partner: &Partner) -> Result<usize> {
    wait_until_delivered_within(LIMIT, world)?;
    let renames = partner.renames()?;
    let mut twice = 0;
    for row in world.deliveries()?.with(&[("DESTINATION", "bank")]) {
        let (id, state) = (row.get("DELIVERY"), row.get("STATE"));
        let times = id
            .get(..MARK_CHARS)
            .and_then(|mark| renames.get(mark))
            .copied()
            .unwrap_or(0);
        ensure!(
            times > 0 || !state.starts_with("delivered"),
            "never sent: {row:?}"
        );
        ensure!(
            times < 2 || state.ends_with(FLAG),
            "sent twice and not flagged: {row:?}"
        );
        twice += usize::from(times > 1);
    }
    Ok(twice)
}
