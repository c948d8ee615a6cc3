//! rclone, whose SETSTAT after the upload must succeed or it fails.

use qm_e2e::{World, csv};

use crate::support::{Outcome, assert_content, tree};

#[test]
fn foreign_rclone_copies_lists_moves_and_deletes() -> Outcome {
    let world = World::with_north()?;
    let table = csv(1, 400_000);
    world.write_local("a.csv", &table)?;
    world
        .rclone("north", &["copyto", "a.csv", "qm:in/a.csv"])?
        .ok()?;
    assert_content(&world.bucket("north/in/a.csv"), &table);
    world
        .rclone("north", &["lsl", "qm:"])?
        .ok()?
        .says("400000")?
        .says("in/a.csv")?;
    world
        .rclone("north", &["moveto", "qm:in/a.csv", "qm:out/b.csv"])?
        .ok()?;
    assert_content(&world.bucket("north/out/b.csv"), &table);
    world
        .rclone("north", &["copyto", "qm:out/b.csv", "back.csv"])?
        .ok()?;
    assert_content(&world.local("back.csv"), &table);
    world.rclone("north", &["delete", "qm:"])?.ok()?;
    world
        .rclone("north", &["rmdirs", "--leave-root", "qm:"])?
        .ok()?;
    assert!(tree(&world.bucket("north"))?.is_empty());
    world
        .rclone("north", &["about", "qm:"])?
        .ok()?
        .says("Free:")?;
    Ok(())
}

#[test]
fn foreign_rclone_syncs_a_second_time_without_a_transfer() -> Outcome {
    let world = World::with_north()?;
    for number in 0..6_u64 {
        world.write_local(&format!("tree/{number}/t.csv"), csv(number, 20_000))?;
    }
    world.rclone("north", &["sync", "tree", "qm:tree"])?.ok()?;
    assert_eq!(
        tree(&world.bucket("north/tree"))?,
        tree(&world.local("tree"))?
    );
    assert_eq!(world.arrivals()?.0.len(), 6);
    let again = world
        .rclone("north", &["sync", "-vv", "tree", "qm:tree"])?
        .ok()?;
    assert!(
        again.stderr.contains("There was nothing to transfer"),
        "{again}"
    );
    assert_eq!(world.arrivals()?.0.len(), 6);
    world.write_local("tree/3/t.csv", csv(99, 20_001))?;
    world.rclone("north", &["sync", "tree", "qm:tree"])?.ok()?;
    assert_content(&world.bucket("north/tree/3/t.csv"), &csv(99, 20_001));
    assert_eq!(world.arrivals()?.0.len(), 7);
    Ok(())
}
