//! What tests of several subjects look at.

use anyhow::{Context as _, Result, ensure};
use qm_e2e::{HttpProxy, Row, S3Server, World, run, wait};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How a test ends: an error is a failure, told with everything known.
pub(crate) type Outcome = Result<()>;

/// The file has exactly this content.
#[track_caller]
pub(crate) fn assert_content(file: &Path, content: &[u8]) {
    let found = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(
        found == content,
        "{} has {} bytes, not the {} expected, or others",
        file.display(),
        found.len(),
        content.len()
    );
}

/// The names below a folder, files with their path, folders with a `/` behind; ours left out.
pub(crate) fn tree(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    collect(folder, "", &mut names)?;
    Ok(names)
}

fn collect(folder: &Path, prefix: &str, names: &mut BTreeSet<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| anyhow::anyhow!("not text: {}", name.display()))?;
        if name == ".quaymaster" {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), names)?;
            names.insert(format!("{path}/"));
        } else {
            names.insert(path);
        }
    }
    Ok(())
}

/// Waits until everything that arrived is delivered or superseded by a newer version, and fails if something cannot be.
pub(crate) fn wait_until_delivered(world: &World) -> Outcome {
    wait_until_delivered_within(wait::LIMIT, world)
}

/// Like [`wait_until_delivered`], with a deadline of its own.
pub(crate) fn wait_until_delivered_within(limit: Duration, world: &World) -> Outcome {
    let mut open = Vec::new();
    let waited = wait::until_within(limit, "everything is delivered", || {
        let is_unrouted =
            |row: &Row| row.get("STATE") != "failed" && row.get("DELIVERIES") == "not routed yet";
        open = world.arrivals()?.0;
        open.retain(is_unrouted);
        // What was perhaps delivered twice says so behind its state.
        let state = |row: &Row| row.get("STATE").split(',').next().map(str::to_owned);
        let deliveries = world.deliveries()?.0;
        let dead = deliveries
            .iter()
            .find(|row| state(row).as_deref() == Some("dead"));
        ensure!(dead.is_none(), "a delivery is dead: {dead:?}");
        let is_none = deliveries.is_empty();
        let is_over = |row: &Row| matches!(state(row).as_deref(), Some("delivered" | "superseded"));
        open.extend(deliveries.into_iter().filter(|row| !is_over(row)));
        Ok((!is_none && open.is_empty()).then_some(()))
    });
    waited.with_context(|| format!("not delivered: {open:?}"))
}

/// Bytes that were staged and are no object.
pub(crate) fn staged(world: &World) -> Result<usize> {
    let staging = world.bucket(".quaymaster/staging");
    Ok(fs::read_dir(&staging)
        .with_context(|| format!("reading {}", staging.display()))?
        .count())
}

/// A world whose bucket is on an S3 server behind a proxy, with an account `north` that may do
/// everything; the node does not run yet. The server works in the world's folder: hold it so that it
/// is dropped first.
pub(crate) fn on_s3() -> Result<(World, HttpProxy, S3Server)> {
    let mut world = World::new()?;
    let server = S3Server::start(&world.path("s3"))?;
    let proxy = HttpProxy::start(server.address())?;
    world.move_to_s3(&server)?;
    world.ask_s3_at(&proxy.url());
    world.account("north")?;
    world.configuration.may_everything("north");
    Ok((world, proxy, server))
}

/// A world whose route `products` leads from `landing/north/*.csv` into the table `products` of
/// that place; what its rows are is yet to be declared.
pub(crate) fn loading(place: &[&str]) -> Result<World> {
    let mut world = World::new()?;
    world.account("north")?;
    world
        .configuration
        .set(
            "route.products",
            r#"when = { arrives = "landing/north/*.csv" }"#,
        )
        .set("route.products", r#"deliver = ["products"]"#);
    let common = [
        r#"table = "products""#,
        r#"declaration = "products""#,
        r#"key = ["id"]"#,
    ];
    for line in place.iter().chain(&common) {
        world.configuration.set("destination.products", line);
    }
    Ok(world)
}

/// Makes it the secret `database`; the file that it is in.
pub(crate) fn keep_database(world: &mut World, connection: &str) -> Result<PathBuf> {
    let secrets = world.path("secrets");
    fs::create_dir(&secrets)?;
    let secret = secrets.join("database");
    fs::write(&secret, connection)?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    let line = format!("secrets = {:?}", secrets.display().to_string());
    world.configuration.set("node", &line);
    Ok(secret)
}

/// Where [`keep_looked_up`] keeps secrets.
pub(crate) fn keep_secrets(world: &mut World) -> Outcome {
    let secrets = world.path("secrets");
    fs::create_dir(&secrets)?;
    let line = format!("secrets = {:?}", secrets.display().to_string());
    world.configuration.set("node", &line);
    Ok(())
}

/// Keeps a secret that a lookup finds which asks for the tag `service=push`, in place of the one of
/// that name.
pub(crate) fn keep_looked_up(world: &World, name: &str, secret: &Value) -> Outcome {
    let secrets = world.path("secrets");
    let (file, tags) = (secrets.join(name), secrets.join(format!("{name}.tags")));
    fs::create_dir_all(file.parent().context("a secret has a folder")?)?;
    for (file, text, mode) in [
        (&tags, "service=push\n".to_owned(), 0o644),
        (&file, secret.to_string(), 0o600),
    ] {
        fs::write(file, text)?;
        fs::set_permissions(file, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

pub(crate) fn psql(connection: &str, sql: &str) -> Outcome {
    run(Command::new("psql").args(["-AtXqc", sql, connection]))?.ok()?;
    Ok(())
}
