//! lftp.

use qm_e2e::{World, csv};

use crate::support::{Outcome, assert_content, tree};

#[test]
fn foreign_lftp_puts_gets_lists_and_mirrors() -> Outcome {
    let world = World::with_north()?;
    let table = csv(1, 400_000);
    world.write_local("a.csv", &table)?;
    world.write_local("tree/b.csv", csv(2, 2_000))?;
    world.write_local("tree/deep/c.csv", csv(3, 3_000))?;
    let said = world.lftp(
        "north",
        "put a.csv\ncls -l\nget a.csv -o back.csv\nmv a.csv z.csv\nmirror -R tree\nmirror tree mirrored",
    )?;
    assert!(said.ok()?.stdout.contains("400000"));
    assert_content(&world.local("back.csv"), &table);
    assert_content(&world.bucket("north/z.csv"), &table);
    assert_eq!(
        tree(&world.bucket("north/tree"))?,
        tree(&world.local("tree"))?
    );
    assert_eq!(tree(&world.local("mirrored"))?, tree(&world.local("tree"))?);
    world.lftp("north", "rm z.csv\nrm -r tree")?.ok()?;
    assert!(tree(&world.bucket("north"))?.is_empty());
    Ok(())
}

#[test]
fn foreign_lftp_sends_many_and_overwrites() -> Outcome {
    let world = World::with_north()?;
    for number in 0..5 {
        world.write_local(&format!("m{number}.csv"), csv(number, 10_000))?;
    }
    world.lftp("north", "mput m*.csv")?.ok()?;
    for number in 0..5 {
        assert_content(
            &world.bucket(format!("north/m{number}.csv")),
            &csv(number, 10_000),
        );
    }
    world.write_local("m0.csv", csv(9, 123))?;
    world.lftp("north", "put m0.csv")?.ok()?;
    assert_content(&world.bucket("north/m0.csv"), &csv(9, 123));
    Ok(())
}

/// It uploads as `.in.NAME`, then sends REMOVE and RENAME together without waiting.
#[test]
fn foreign_lftp_uses_its_temp_file() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world
        .configuration
        .set("partner.north.account.north", "types = [\"csv\"]");
    world.deliver_everything();
    world.start()?;
    for seed in 1..4 {
        let table = csv(seed, 50_000);
        world.write_local("a.csv", &table)?;
        world
            .lftp("north", "set xfer:use-temp-file yes\nput a.csv")?
            .ok()?;
        assert_eq!(tree(&world.bucket("north"))?, ["a.csv".to_owned()].into());
        assert_content(&world.bucket("north/a.csv"), &table);
    }
    crate::support::wait_until_delivered(&world)?;
    assert_eq!(
        world.arrivals()?.column("OBJECT"),
        ["landing/north/a.csv"; 3]
    );
    assert_eq!(
        tree(&world.share(""))?,
        ["north/".to_owned(), "north/a.csv".to_owned()].into()
    );
    assert_content(&world.share("north/a.csv"), &csv(3, 50_000));
    Ok(())
}
