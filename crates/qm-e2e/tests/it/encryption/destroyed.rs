//! A key that is destroyed while the node runs: what it sealed is lost, and whoever asks is told so.

use anyhow::{Context as _, ensure};
use qm_e2e::{World, wait};

use crate::support::{Outcome, assert_content, wait_until_delivered};

const LOST: &str = "generation 1 of encryption key `landing` was destroyed; what it sealed can never be read again";

#[test]
fn foreign_clients_operators_and_deliveries_are_told_that_the_key_was_destroyed() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    let share = world.share("");
    world
        .configuration
        .may_everything("north")
        .share(&share)
        .route("to-share", "landing/north/out/**")
        .set("encryption_key.landing", r#"provider = "file""#)
        .set("bucket.landing", r#"encryption_key = "landing""#);
    world.start()?;
    let mut session = world.paramiko("north")?;
    session.run(
        "
        sftp.mkdir('out')
        upload(sftp, '/out/before.csv', b'id\\n1\\n')
        upload(sftp, '/later.csv', b'id\\n2\\n')
        ",
    )?;
    wait_until_delivered(&world)?;

    world
        .quaymaster(&["key", "destroy", "landing", "--yes"])?
        .ok()?;
    let answer =
        session.run("result = status_of(lambda: sftp.open('out/before.csv', 'rb').read())")?;
    ensure!(
        answer[1].as_str().is_some_and(|said| said.contains(LOST)),
        "{answer}"
    );
    let get = ["object", "get", "landing/north/out/before.csv", "-"];
    world.quaymaster(&get)?.failed()?.says(LOST)?;
    world.write_local("new.csv", "id\n3\n")?;
    world.sftp("north", "put new.csv\n")?.failed()?;
    ensure!(!world.bucket("north/new.csv").exists());

    // No later attempt could do better.
    session.run("sftp.posix_rename('/later.csv', '/out/later.csv')")?;
    let given_up = [
        ("OBJECT", "landing/north/out/later.csv"),
        ("STATE", "dead"),
        ("ATTEMPTS", "1"),
    ];
    wait::until_true("the delivery is given up at its first attempt", || {
        Ok(world.deliveries()?.with(&given_up).len() == 1)
    })?;
    let deliveries = world.deliveries()?;
    let dead = deliveries.with(&given_up);
    let row = dead.first().context("a dead delivery")?;
    ensure!(row.get("LAST ERROR").contains(LOST), "{row:?}");
    assert_content(&world.share("north/out/before.csv"), b"id\n1\n");
    ensure!(!world.share("north/out/later.csv").exists());
    Ok(())
}
