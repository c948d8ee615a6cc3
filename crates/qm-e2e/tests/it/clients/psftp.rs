//! PuTTY's psftp: 4 KiB WRITEs, plain RENAME.

use qm_e2e::{World, csv};

use crate::support::{Outcome, assert_content, tree};

#[test]
fn foreign_psftp_puts_gets_renames_and_resumes() -> Outcome {
    let world = World::with_north()?;
    let table = csv(1, 300_000);
    world.write_local("a.csv", &table)?;
    let said = world
        .psftp(
            "north",
            "pwd\nput a.csv\nls\nget a.csv back.csv\nmv a.csv b.csv\n",
        )?
        .ok()?;
    assert!(said.stdout.contains("Remote directory is /\n"), "{said}");
    assert_content(&world.local("back.csv"), &table);
    assert_content(&world.bucket("north/b.csv"), &table);

    world.write_local("half.csv", &table[..120_000])?;
    world
        .psftp("north", "put half.csv c.csv\nreput a.csv c.csv\n")?
        .ok()?;
    assert_content(&world.bucket("north/c.csv"), &table);
    world
        .psftp(
            "north",
            "mkdir sub\ncd sub\nput a.csv\ncd ..\nrm sub/a.csv\nrmdir sub\nrm b.csv\nrm c.csv\n",
        )?
        .ok()?;
    assert!(tree(&world.bucket("north"))?.is_empty());
    Ok(())
}
