//! `quaymaster key …`, as operators and owners of material use it.

use anyhow::{Context as _, ensure};
use qm_e2e::document::{blocks, shell};
use qm_e2e::{Ran, World, run};
use std::fs;
use std::path::Path;

use crate::support::Outcome;

const DOCUMENT: &str = include_str!("../../../../../docs/encryption-keys.md");

/// A running node with the keys `landing` (of a file) and `owned` (imported).
fn world() -> anyhow::Result<World> {
    let mut world = World::new()?;
    world
        .configuration
        .set("encryption_key.landing", r#"provider = "file""#)
        .set("encryption_key.owned", r#"provider = "imported""#);
    world.start()?;
    Ok(world)
}

#[test]
fn a_key_that_the_node_makes_is_in_the_audit_once() -> Outcome {
    let mut world = world()?;
    world.stop()?;
    world.start()?;
    let made = [
        ("ACTOR", "node"),
        ("ACTIVITY", "key"),
        ("SUBJECT", "create encryption key landing"),
    ];
    let found = world.audit()?.with(&made).len();
    ensure!(found == 1, "{found} records of one key");
    Ok(())
}

/// As an operator at a terminal, in the world's own folder.
fn in_shell(world: &World, commands: &str) -> anyhow::Result<Ran> {
    let data = world.path("data");
    // Where `install` puts it is not the world's.
    let commands = commands.replace(
        "/var/lib/quaymaster",
        data.to_str().context("our folders are text")?,
    );
    let mut shell = shell(&world.local(""), &world.configuration_file(), &commands)?;
    run(shell.env("QUAYMASTER_LOG", "trace"))?.ok()
}

fn row(world: &World, key: &str, generation: &str) -> anyhow::Result<String> {
    let list = world.quaymaster(&["key", "list"])?.ok()?.stdout;
    let is_wanted = |line: &&str| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        cells.first() == Some(&key) && cells.get(2) == Some(&generation)
    };
    let found = list.lines().find(is_wanted).map(str::to_owned);
    found.with_context(|| format!("no generation {generation} of {key} in\n{list}"))
}

#[test]
fn foreign_openssl_every_command_of_the_document_works_and_shows_no_material() -> Outcome {
    let world = world()?;
    let blocks: Vec<&str> = blocks(DOCUMENT).collect();
    ensure!(blocks.len() > 8, "{blocks:?}");
    let mut printed = String::new();
    for block in &blocks {
        let ran = in_shell(&world, block)?;
        if block.contains("printf 'quaymaster key check value") {
            let check_value = ran.stdout.trim();
            ensure!(
                row(&world, "owned", "1")?.ends_with(check_value),
                "openssl finds {check_value}"
            );
        }
        printed.push_str(&ran.to_string());
    }
    let second = row(&world, "owned", "2")?;
    ensure!(second.contains(" enabled "), "{second}");
    let first = row(&world, "owned", "1")?;
    ensure!(first.contains(" missing "), "{first}");

    let keys = world.path("data/encryption-keys");
    let materials = [
        fs::read(world.local("material.bin"))?,
        fs::read(world.local("material-2.bin"))?,
        fs::read(keys.join("landing/1.key"))?,
    ];
    assert_eq!(fs::read(keys.join("owned/2.key"))?, materials[1]);
    let node = fs::read(world.path("logs/node-1.err"))?;
    let ledger = fs::read(world.path("data/ledger.sqlite"))?;
    let journal = fs::read(world.path("data/ledger.sqlite-wal"))?;
    let states = ["landing/key.json", "owned/key.json"].map(|file| fs::read(keys.join(file)));
    for material in &materials {
        for place in [printed.as_bytes(), &node, &ledger, &journal] {
            ensure!(!shows(place, material), "material is shown");
        }
        for state in &states {
            ensure!(
                !shows(state.as_ref().unwrap(), material),
                "material is in a state"
            );
        }
    }
    let audit = world.quaymaster(&["audit", "list"])?.ok()?;
    audit.says("import encryption key owned")?;
    Ok(())
}

/// True if the text has the bytes in it, as they are or in hexadecimal.
fn shows(text: &[u8], bytes: &[u8]) -> bool {
    let hexadecimal = hex::encode(bytes);
    let is_there = |wanted: &[u8]| text.windows(wanted.len()).any(|window| window == wanted);
    is_there(bytes)
        || is_there(hexadecimal.as_bytes())
        || is_there(hexadecimal.to_uppercase().as_bytes())
}

#[test]
fn commands_change_keys_and_say_what_they_did() -> Outcome {
    let world = world()?;
    let key = |arguments: &[&str]| world.quaymaster(&[&["key"], arguments].concat());
    ensure!(
        row(&world, "landing", "1")?.contains(" enabled "),
        "not made by serve"
    );
    ensure!(
        row(&world, "owned", "-")?.contains("no material yet"),
        "owned"
    );
    key(&["create", "landing"])?
        .failed()?
        .says("exists already")?;
    key(&["create", "owned"])?
        .failed()?
        .says("key import begin owned")?;
    key(&["rotate", "owned"])?.failed()?;
    key(&["create", "nobody"])?
        .failed()?
        .says("there are: landing, owned")?;
    key(&["rotate", "landing"])?.ok()?.says("generation 2")?;
    key(&["disable", "landing", "--generation", "1"])?.ok()?;
    ensure!(
        row(&world, "landing", "1")?.contains(" disabled "),
        "disable"
    );
    key(&["enable", "landing"])?.ok()?;
    key(&["destroy", "landing", "--generation", "1"])?
        .failed()?
        .says("nothing is changed yet")?;
    ensure!(
        row(&world, "landing", "1")?.contains(" enabled "),
        "destroyed without --yes"
    );
    key(&["destroy", "landing", "--generation", "1", "--yes"])?.ok()?;
    ensure!(
        row(&world, "landing", "1")?.contains(" destroyed "),
        "destroy"
    );
    ensure!(
        !world.path("data/encryption-keys/landing/1.key").exists(),
        "material is left"
    );
    key(&["enable", "landing"])?
        .failed()?
        .says("1 is destroyed")?;
    let audit = world.quaymaster(&["audit", "list"])?.ok()?;
    audit.says("destroy encryption key landing, generation 1")?;
    Ok(())
}

#[test]
fn a_wrong_import_is_refused_without_a_reason() -> Outcome {
    let world = world()?;
    let local = world.local("");
    let folder = local.to_str().context("our folders are text")?;
    world
        .quaymaster(&["key", "import", "begin", "owned", "--folder", folder])?
        .ok()?
        .says("fingerprint")?;
    let finish =
        |token: &Path, wrapped: &[u8], algorithm: &str| -> anyhow::Result<(Option<i32>, String)> {
            let file = world.write_local("wrapped", wrapped)?;
            let text = |path: &Path| path.display().to_string();
            let ran = world.quaymaster(&[
                "key",
                "import",
                "finish",
                "owned",
                "--token",
                &text(token),
                "--wrapped",
                &text(&file),
                "--algorithm",
                algorithm,
            ])?;
            Ok((ran.code, ran.stderr))
        };
    let token = world.local("owned.import-token");
    let other = world.write_local("other-token", "quaymaster-import-token-1:owned")?;
    let first = finish(&token, &[1; 512], "RSAES_OAEP_SHA_256")?;
    ensure!(
        first.0 == Some(1) && first.1.contains("the import is refused"),
        "{first:?}"
    );
    assert_eq!(finish(&other, &[1; 512], "RSAES_OAEP_SHA_256")?, first);
    assert_eq!(
        finish(&token, &[1; 552], "RSA_AES_KEY_WRAP_SHA_256")?,
        first
    );
    assert_eq!(finish(&token, b"", "RSA_AES_KEY_WRAP_SHA_256")?, first);
    Ok(())
}
