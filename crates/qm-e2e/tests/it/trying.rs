//! `destination test`, beside a node that runs.

use anyhow::ensure;
use qm_e2e::{S3Server, World};

use crate::support::{Outcome, tree};

/// A destination `copy` in the bucket of that name.
fn deliver_into(world: &mut World, bucket: &str) {
    world
        .configuration
        .set("destination.copy", r#"kind = "bucket""#)
        .set("destination.copy", &format!("bucket = {bucket:?}"))
        .set("destination.copy", r#"prefix = "in/deep""#);
}

/// The destination works before the node runs, while it runs, and the node does not notice.
fn works_beside_its_node(world: &mut World) -> Outcome {
    let test = ["destination", "test", "copy"];
    world.write_configuration()?;
    world.quaymaster(&test)?.ok()?.says("`copy` works")?;
    world.start()?;
    for _ in 0..2 {
        world.quaymaster(&test)?.ok()?.says("`copy` works")?;
    }
    world
        .quaymaster(&["status"])?
        .ok()?
        .says("running as process")?;
    ensure!(world.arrivals()?.0.is_empty(), "a test has arrived");
    world.stop()
}

#[test]
fn a_bucket_is_tried_while_its_node_runs() -> Outcome {
    let mut world = World::new()?;
    world
        .configuration
        .set("bucket.archive", r#"url = "file://archive""#);
    deliver_into(&mut world, "archive");
    works_beside_its_node(&mut world)?;
    let left = tree(&world.path("archive"))?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

#[test]
fn a_sealed_bucket_is_tried_while_its_node_runs() -> Outcome {
    let mut world = World::new()?;
    world
        .configuration
        .set("encryption_key.archive", r#"provider = "file""#)
        .set("bucket.archive", r#"url = "file://archive""#)
        .set("bucket.archive", r#"encryption_key = "archive""#);
    deliver_into(&mut world, "archive");
    // The node makes the encryption key.
    world.start()?;
    world.stop()?;
    works_beside_its_node(&mut world)?;
    let left = tree(&world.path("archive"))?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

#[test]
fn foreign_s3_is_tried_while_its_node_runs() -> Outcome {
    let folder = tempfile::tempdir()?;
    let server = S3Server::start(folder.path())?;
    let mut world = World::new()?;
    world.move_to_s3(&server)?;
    deliver_into(&mut world, "landing");
    works_beside_its_node(&mut world)?;
    let left = tree(&world.bucket(""))?;
    ensure!(!left.iter().any(|name| name.contains(".tmp")), "{left:?}");
    Ok(())
}
