//! OpenSSH's `scp`, which speaks SFTP as well, and differently: it opens without TRUNC.

use qm_e2e::{World, csv};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::support::{Outcome, assert_content, tree};

#[test]
fn foreign_scp_copies_both_ways() -> Outcome {
    let world = World::with_north()?;
    let table = csv(1, 1_500_000);
    world.write_local("a.csv", &table)?;
    let ran = world.scp("north", &["a.csv", "remote:b.csv"])?.ok()?;
    assert_eq!(ran.stderr, "");
    world.scp("north", &["remote:b.csv", "back.csv"])?.ok()?;
    world.scp("north", &["a.csv", "remote:~/home.csv"])?.ok()?;
    assert_content(&world.bucket("north/b.csv"), &table);
    assert_content(&world.bucket("north/home.csv"), &table);
    assert_content(&world.local("back.csv"), &table);
    Ok(())
}

#[test]
fn foreign_scp_overwrites_longer_and_shorter() -> Outcome {
    let world = World::with_north()?;
    for (seed, size) in [(1, 900_000), (2, 17), (3, 0), (4, 300_000)] {
        let table = csv(seed, size);
        world.write_local("a.csv", &table)?;
        world.scp("north", &["a.csv", "remote:a.csv"])?.ok()?;
        assert_content(&world.bucket("north/a.csv"), &table);
    }
    assert_eq!(
        world.arrivals()?.column("BYTES"),
        ["300000", "0", "17", "900000"]
    );
    Ok(())
}

#[test]
fn foreign_scp_copies_trees_with_times() -> Outcome {
    let world = World::with_north()?;
    let file = world.write_local("tree/deep/a.csv", csv(1, 5_000))?;
    world.write_local("tree/b.csv", csv(2, 10))?;
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    fs::File::open(&file)?.set_modified(then)?;
    world.scp("north", &["-rp", "tree", "remote:tree"])?.ok()?;
    assert_eq!(
        tree(&world.bucket("north/tree"))?,
        tree(&world.local("tree"))?
    );
    assert_eq!(
        world.bucket("north/tree/deep/a.csv").metadata()?.mtime(),
        1_000_000_000
    );
    world.scp("north", &["-rp", "remote:tree", "back"])?.ok()?;
    assert_eq!(tree(&world.local("back"))?, tree(&world.local("tree"))?);
    assert_eq!(
        world.local("back/deep/a.csv").metadata()?.mtime(),
        1_000_000_000
    );
    Ok(())
}
