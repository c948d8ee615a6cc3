//! The real binary under a wall clock that jumps by days, forth and back, while files come in and
//! deliveries wait, run and begin: nothing is lost, and nothing is done twice.

use anyhow::{Context as _, Result};
use qm_e2e::{World, csv, wait};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Outcome, assert_content, tree, wait_until_delivered};

/// What the node's clock is ahead of the machine's, one after the other.
const AHEAD: [&str; 8] = ["+1d", "+0", "-1d", "+2d", "-2d", "+0", "+30d", "+0"];

/// Where Debian puts it.
fn faketime() -> Result<PathBuf> {
    let folders = fs::read_dir("/usr/lib")?;
    let files =
        folders.filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketime.so.1")));
    let mut found = files.filter(|file| file.is_file());
    found
        .next()
        .context("libfaketime is installed by `cargo xtask test`")
}

pub(crate) fn set_clock(file: &Path, ahead: &str) -> Outcome {
    let new = file.with_extension("new");
    fs::write(&new, ahead)?;
    fs::rename(&new, file).context("setting the clock")
}

/// The environment of a node whose wall clock is set by this file.
pub(crate) fn environment(clock: &Path) -> Result<[(&'static str, String); 5]> {
    Ok([
        ("LD_PRELOAD", faketime()?.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("NO_FAKE_STAT", "1".to_owned()),
    ])
}

#[test]
fn foreign_clock_jumps_lose_and_repeat_nothing() -> Outcome {
    let mut world = World::new()?;
    let clock = world.path("clock");
    set_clock(&clock, "+0")?;
    for (name, value) in environment(&clock)? {
        world.environment(name, value);
    }
    world.account("north")?;
    world.configuration.may_everything("north");
    world.deliver_everything();
    let pauses = ["\"2s\""; 50].join(", ");
    world
        .configuration
        .set("route.to-share", &format!("retry = [{pauses}]"))
        .set("destination.share", "breaker = { failures = 1000 }");
    world.start()?;
    let (share, away) = (world.share(""), world.path("away"));
    let mut files = Vec::new();
    for (round, ahead) in AHEAD.into_iter().enumerate() {
        // One that waits for its next attempt when the clock jumps.
        fs::rename(&share, &away)?;
        let mut put = |kind: &str, size: usize| {
            let name = format!("{kind}-{round}.csv");
            let content = csv(round as u64, size);
            world.write_local(&name, &content)?;
            world.sftp("north", &format!("put {name}\n"))?.ok()?;
            files.push((name, content));
            Ok::<_, anyhow::Error>(())
        };
        put("waits", 1_000)?;
        wait::until_true("it has been tried", || {
            let waiting = world.deliveries()?;
            let waiting = waiting.with(&[("STATE", "waiting")]);
            Ok(waiting.iter().any(|row| row.get("ATTEMPTS") != "0"))
        })?;
        fs::rename(&away, &share)?;
        put("runs", 3_000_000)?;
        set_clock(&clock, ahead)?;
        put("new", 1_000)?;
    }
    wait_until_delivered(&world)?;
    let names = files.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(tree(&world.share("north"))?, names);
    for (name, content) in &files {
        assert_content(&world.share("north").join(name), content);
    }
    let deliveries = world.deliveries()?;
    assert_eq!(
        deliveries.with(&[("STATE", "delivered")]).len(),
        files.len()
    );
    assert_eq!(deliveries.0.len(), files.len());
    assert_eq!(world.arrivals()?.0.len(), files.len());
    Ok(())
}
