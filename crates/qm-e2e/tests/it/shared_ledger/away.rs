//! `PostgreSQL` is killed and started again, and its lines are cut, while files are delivered.

use anyhow::ensure;
use qm_e2e::{Random, csv, wait};
use qm_testkit::outside::postgres::{Cluster, Proxy, Side, over};
use std::collections::BTreeSet;

use super::{FILE_BYTES, LIMIT, ends_well, named, upload, world};
use crate::push::partner::Partner;
use crate::support::{Outcome, assert_content, tree};

const SEED: u64 = 20_261_122;
/// Far more than are delivered before the last blow.
const FILES: u32 = 40;
/// What happens to the ledger, one after the other; every third time it is killed.
const BLOWS: u32 = 12;
/// A line is cut at one of so many next requests.
const REQUESTS: u64 = 40;

#[test]
fn foreign_postgres_is_away_while_files_are_delivered() -> Outcome {
    let cluster = Cluster::start();
    let runtime = tokio::runtime::Runtime::new()?;
    let proxy = runtime.block_on(Proxy::start(cluster.socket()));
    let (mut world, partner) = world(&over(&cluster.database(), proxy.port()))?;
    let share = world.share("");
    world
        .configuration
        .share(&share)
        .set("route.push", r#"deliver = ["bank", "share"]"#);
    world.start()?;
    let file = |number: u32| (format!("{number}.csv"), csv(number.into(), FILE_BYTES));
    let files: Vec<_> = (0..FILES).map(file).collect();
    upload(&world, &files)?;
    let mut random = Random::new(SEED);
    let (mut under_way, mut cuts) = (0, 0);
    for blow in 0..BLOWS {
        one_more(&partner)?;
        under_way += u32::from(named(&partner)? < files.len());
        if blow % 3 == 2 {
            cluster.restart();
            continue;
        }
        let side = if blow % 2 == 0 {
            Side::Before
        } else {
            Side::After
        };
        proxy.cut_after(u32::try_from(random.below(REQUESTS))?, side);
        one_more(&partner)?;
        cuts += u32::from(!proxy.is_pending());
    }
    ensure!(
        under_way >= BLOWS / 2 && cuts >= BLOWS / 4,
        "this proved little: {under_way} times something was under way, {cuts} cuts"
    );
    let twice = ends_well(&world, &partner)?;
    let names: BTreeSet<String> = files.iter().map(|(name, _)| name.clone()).collect();
    for folder in [&partner.files, &world.share("north")] {
        let mut found = tree(folder)?;
        // What a newer version took over from one that was broken off may be left under its temp name.
        found.retain(|name| !name.starts_with('.'));
        assert_eq!(found, names);
    }
    for (name, content) in &files {
        assert_content(&partner.files.join(name), content);
        assert_content(&world.share("north").join(name), content);
    }
    world.stop()?;
    println!("{cuts} lines cut, {twice} files sent twice and flagged");
    Ok(())
}

/// Waits until the deliveries get on, or have nothing more to do.
fn one_more(partner: &Partner) -> Outcome {
    let before = named(partner)?;
    wait::until_within(LIMIT, "the deliveries get on", || {
        let now = named(partner)?;
        Ok((now > before || now >= FILES as usize).then_some(()))
    })
}
