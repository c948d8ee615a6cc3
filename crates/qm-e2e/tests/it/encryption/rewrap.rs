//! `quaymaster key rewrap`: after it, an old generation can be destroyed and nothing is lost.

use anyhow::ensure;
use qm_e2e::{World, csv};

use crate::support::Outcome;

#[test]
fn rewrapped_while_the_node_runs_nothing_needs_the_old_generation() -> Outcome {
    nothing_needs_the_old_generation(true)
}

#[test]
fn rewrapped_while_no_node_runs_nothing_needs_the_old_generation() -> Outcome {
    nothing_needs_the_old_generation(false)
}

/// It keeps the envelope that it was begun with: nobody may be told that nothing is left.
#[test]
fn foreign_an_upload_that_is_not_finished_counts_as_failed() -> Outcome {
    let mut world = World::new()?;
    world.account("north")?;
    world
        .configuration
        .set("encryption_key.landing", r#"provider = "file""#)
        .set("bucket.landing", r#"encryption_key = "landing""#);
    world.start()?;
    let mut session = world.paramiko("north")?;
    session.run(
        "
        file = sftp.open('a.csv', 'w')
        file.write(b'id\\n1\\n')
        file.flush()
        result = None
        ",
    )?;
    world.quaymaster(&["key", "rotate", "landing"])?.ok()?;
    let rewrap = ["key", "rewrap", "landing"];
    let said = world.quaymaster(&rewrap)?.failed()?;
    said.says("north/a.csv: its upload is not finished")?;
    session.run("file.close()\nresult = None")?;
    let said = world.quaymaster(&rewrap)?.ok()?;
    said.says("landing: 1 sealed versions, 1 have new envelopes")?;
    Ok(())
}

fn nothing_needs_the_old_generation(is_running: bool) -> Outcome {
    let mut world = World::new()?;
    world
        .configuration
        .set("encryption_key.landing", r#"provider = "file""#)
        .set("bucket.landing", r#"encryption_key = "landing""#);
    world.start()?;
    let (first, second) = (csv(1, 200_000), csv(2, 1_000));
    let put = |content: &[u8], name: &str| -> anyhow::Result<()> {
        let local = world.write_local("local", content)?;
        let remote = format!("landing/{name}");
        let local = local.display().to_string();
        world
            .quaymaster(&["object", "put", "--overwrite", &local, &remote])?
            .ok()?;
        Ok(())
    };
    put(&first, "in/deep/a.csv")?;
    put(&second, "in/deep/a.csv")?;
    put(&first, "b.csv")?;
    world.quaymaster(&["key", "rotate", "landing"])?.ok()?;
    put(b"", "c.csv")?;
    if !is_running {
        world.stop()?;
    }
    // Three under names, and what the overwritten name had before.
    let rewrap = ["key", "rewrap", "landing"];
    let said = world.quaymaster(&rewrap)?.ok()?;
    said.says("landing: 4 sealed versions, 3 have new envelopes")?;
    let again = world.quaymaster(&rewrap)?.ok()?;
    again.says("landing: 4 sealed versions, 0 have new envelopes")?;

    let destroy = ["key", "destroy", "landing", "--generation", "1", "--yes"];
    world.quaymaster(&destroy)?.ok()?;
    let get = |name: &str| -> anyhow::Result<String> {
        let remote = format!("landing/{name}");
        Ok(world
            .quaymaster(&["object", "get", &remote, "-"])?
            .ok()?
            .stdout)
    };
    for (name, content) in [("in/deep/a.csv", &second), ("b.csv", &first)] {
        ensure!(get(name)?.as_bytes() == content.as_slice(), "{name}");
    }
    let restore = ["object", "restore", "landing/in/deep/a.csv"];
    world.quaymaster(&restore)?.ok()?;
    ensure!(
        get("in/deep/a.csv")?.as_bytes() == first.as_slice(),
        "the version before"
    );
    Ok(())
}
