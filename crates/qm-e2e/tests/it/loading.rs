//! `docs/loading.md`, as somebody with a CSV and a table reads it.

use anyhow::{Context as _, ensure};
use qm_e2e::wait::until_true;
use qm_e2e::{Node, Ran, World, binary, run};
use std::path::Path;
use std::process::Command;

use crate::support::Outcome;

const DOCUMENT: &str = include_str!("../../../../docs/loading.md");
/// The command that goes on until somebody ends it.
const SERVE: &str = "quaymaster serve ";
/// What a load comes to.
const ENDS: [&str; 5] = [
    " loaded ",
    " partly ",
    " all rejected ",
    " no rows ",
    " undone ",
];

fn blocks() -> Vec<&'static str> {
    DOCUMENT
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("\n```"))
        .map(|(block, _)| block)
        .collect()
}

/// As at a terminal, in a folder of one's own.
fn shell(folder: &Path, commands: &str) -> anyhow::Result<Ran> {
    let program = binary()?;
    let programs = program.parent().context("the binary lies in a folder")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(programs.to_owned()).chain(std::env::split_paths(&path));
    let mut command = Command::new("bash");
    command
        .args(["-euo", "pipefail", "-c", commands])
        .current_dir(folder)
        .env("PATH", std::env::join_paths(folders)?)
        .env("QUAYMASTER_CONFIG", folder.join("quaymaster.toml"));
    run(&mut command)?.ok()
}

#[test]
fn every_command_of_the_document_works_and_says_what_it_should() -> Outcome {
    let world = World::new()?;
    let folder = world.local("");
    let mut node = None;
    let mut put = 0;
    let mut said = String::new();
    for block in blocks() {
        if block.starts_with(SERVE) {
            node = Some(Node::start(
                &folder.join("quaymaster.toml"),
                &world.path("logs"),
                "node",
                &[],
            )?);
            continue;
        }
        let ran = shell(&folder, block)?;
        said.push_str(&ran.to_string());
        put += block.matches("object put ").count();
        if node.is_some() {
            until_true("what was put is loaded", || {
                let list = shell(&folder, "quaymaster load list")?.stdout;
                let ended = list
                    .lines()
                    .filter(|line| ENDS.iter().any(|end| line.contains(end)));
                Ok(ended.count() == put)
            })?;
        }
    }
    ensure!(put == 3, "{put} files were put");
    for expect in [
        "[declaration.products.column.price_usd]",
        "3 rows, all as destination `products` says",
        "line 3, column Price (USD): `cheap` is not a decimal number",
        "line 4, column ID: the key is empty",
        "2 of 3 rows would be rejected by destination `products`",
        "destination `products` works",
        "3 rows read: 0 inserted, 1 updated, 0 unchanged, 2 rejected, 0 superseded",
        "3 rows read: 3 inserted, 0 updated, 0 unchanged, 0 rejected, 0 superseded",
        "undone",
    ] {
        ensure!(said.contains(expect), "{expect}\nis not in\n{said}");
    }
    node.context("the document starts a node")?.stop()?;
    Ok(())
}
