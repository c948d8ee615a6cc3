//! A full disk, under the bucket and under the ledger: the client is told, nothing that was
//! answered is lost, the node lives, and goes on when there is space again.

use anyhow::ensure;
use qm_e2e::clients::Paramiko;
use qm_e2e::{SmallDisk, World, csv, digest, wait};
use serde_json::json;

use crate::support::{Outcome, assert_content, staged, tree, wait_until_delivered};

const MEGABYTE: u64 = 1024 * 1024;

fn world() -> anyhow::Result<World> {
    let mut world = World::new()?;
    world.account("north")?;
    world.configuration.may_everything("north");
    world.deliver_everything();
    Ok(world)
}

/// What an upload of a session of its own was answered: the channel is closed behind a failed
/// WRITE, so that no client overlooks it.
const TRY: &str = "
    def attempt(act):
        try:
            mine = connect()
        except Exception as error:
            return ['no session', str(error)]
        try:
            return status_of(lambda: act(mine))
        except EOFError:
            return ['channel closed', '']
        finally:
            mine.ssh.close()
    result = None";

fn status(session: &mut Paramiko, act: &str) -> anyhow::Result<serde_json::Value> {
    session.run(&format!("result = attempt(lambda mine: {act})"))
}

#[test]
fn foreign_the_bucket_s_disk_fills_up_while_receiving() -> Outcome {
    let mut world = world()?;
    let _disk = SmallDisk::mount(&world.bucket(""), 8 * MEGABYTE)?;
    world.start()?;
    let kept = csv(1, 2_000_000);
    world.write_local("kept.csv", &kept)?;
    world.sftp("north", "put kept.csv\n")?.ok()?;
    world.write_local("large.csv", csv(2, 20_000_000))?;
    let refused = world.sftp("north", "put large.csv\n")?.failed()?;
    ensure!(
        !refused.stderr.is_empty(),
        "the client was told nothing: {refused}"
    );
    let mut session = world.paramiko("north")?;
    session.run(TRY)?;
    let told = status(&mut session, "upload(mine, 'large.csv', b'x' * 20000000)")?;
    ensure!(
        told[0] != "ok",
        "a file larger than the disk was taken: {told}"
    );
    // What was there is there, also the name that was to be overwritten; what failed is gone.
    world.write_local("kept.csv", csv(3, 20_000_000))?;
    world.sftp("north", "put kept.csv\n")?.failed()?;
    assert_eq!(
        tree(&world.bucket("north"))?,
        ["kept.csv".to_owned()].into()
    );
    assert_content(&world.bucket("north/kept.csv"), &kept);
    wait::until_true("the space of failed uploads is free again", || {
        Ok(staged(&world)? == 0)
    })?;
    let next = csv(4, 3_000_000);
    world.write_local("next.csv", &next)?;
    world.sftp("north", "put next.csv\n")?.ok()?;
    assert_content(&world.bucket("north/next.csv"), &next);
    wait_until_delivered(&world)?;
    assert_content(&world.share("north/kept.csv"), &kept);
    assert_content(&world.share("north/next.csv"), &next);
    Ok(())
}

#[test]
fn foreign_the_bucket_s_disk_is_full_to_the_last_byte() -> Outcome {
    let mut world = world()?;
    let disk = SmallDisk::mount(&world.bucket(""), 4 * MEGABYTE)?;
    world.start()?;
    let mut session = world.paramiko("north")?;
    session.run(TRY)?;
    session.run("upload(sftp, 'kept.csv', b'kept')")?;
    let ballast = disk.fill()?;
    for round in 0..5 {
        let told = status(
            &mut session,
            &format!("upload(mine, 'n{round}.csv', b'x' * 100000)"),
        )?;
        ensure!(told[0] != "ok", "taken without space: {told}");
    }
    let read = session.run("result = download(sftp, 'kept.csv').decode()")?;
    assert_eq!(read, json!("kept"));
    // Freeing space needs none.
    assert_eq!(
        status(&mut session, "mine.remove('kept.csv')")?[0],
        json!("ok")
    );
    drop(ballast);
    assert_eq!(
        status(&mut session, "upload(mine, 'after.csv', b'x' * 100000)")?[0],
        json!("ok")
    );
    assert_eq!(
        tree(&world.bucket("north"))?,
        ["after.csv".to_owned()].into()
    );
    Ok(())
}

/// Uploads go on while the ledger's disk runs full: some are answered OK and are there, the rest
/// are refused and are not.
#[test]
fn foreign_the_ledger_s_disk_fills_up_while_committing() -> Outcome {
    let mut world = world()?;
    let disk = SmallDisk::mount(&world.path("data"), 6 * MEGABYTE)?;
    world.start()?;
    let mut session = world.paramiko("north")?;
    session.run(TRY)?;
    session.run("upload(sftp, 'kept.csv', b'kept')")?;
    wait_until_delivered(&world)?;
    let ballast = disk.fill()?;
    // In the session that is open: logging in needs a record of its own.
    let program = "
        results = {}
        for n in range(20):
            name, data = f'n{n}.csv', f'{n},'.encode() * 20000
            try:
                results[name] = [status_of(lambda: upload(sftp, name, data))[0], digest(data)]
            except EOFError:
                results[name] = ['channel closed', digest(data)]
        result = results";
    let results = session.run(program)?;
    let results = results
        .as_object()
        .ok_or_else(|| anyhow::anyhow!("{results}"))?;
    let failed = results.values().filter(|result| result[0] != "ok").count();
    ensure!(
        failed > 0,
        "the disk was full and everything was taken: {results:?}"
    );
    drop(ballast);
    wait::until_true("uploads work again", || {
        Ok(status(&mut session, "upload(mine, 'after.csv', b'after')")?[0] == "ok")
    })?;
    let check = |world: &World| -> Outcome {
        let there = tree(&world.bucket("north"))?;
        for (name, result) in results {
            let is_ok = result[0] == "ok";
            ensure!(
                is_ok == there.contains(name),
                "{name} was answered {result}, in the bucket: {there:?}"
            );
            if is_ok {
                let bytes = std::fs::read(world.bucket("north").join(name))?;
                ensure!(
                    result[1] == json!(digest(&bytes)),
                    "{name} is not what was uploaded"
                );
            }
        }
        assert_content(&world.bucket("north/kept.csv"), b"kept");
        assert_content(&world.bucket("north/after.csv"), b"after");
        Ok(())
    };
    check(&world)?;
    world.kill()?;
    world.start()?;
    check(&world)?;
    wait_until_delivered(&world)?;
    let delivered = tree(&world.share("north"))?;
    assert_eq!(delivered, tree(&world.bucket("north"))?);
    Ok(())
}
