//! `docs/loading.md`, as somebody with a CSV and a table reads it.

use anyhow::{Context as _, ensure};
use qm_e2e::document::{blocks, shell};
use qm_e2e::wait::until_true;
use qm_e2e::{Node, Ran, World, run};
use std::path::Path;

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

/// Somebody at a terminal, which knows what was exported in it, and nothing else.
struct Terminal<'f> {
    folder: &'f Path,
    exported: String,
}

impl Terminal<'_> {
    fn run(&mut self, commands: &str) -> anyhow::Result<Ran> {
        let typed = format!("{}{commands}", self.exported);
        let mut shell = shell(self.folder, Path::new(""), &typed)?;
        let ran = run(shell.env_remove("QUAYMASTER_CONFIG"))?.ok()?;
        for line in commands.lines().filter(|line| line.starts_with("export ")) {
            self.exported.push_str(line);
            self.exported.push('\n');
        }
        Ok(ran)
    }
}

#[test]
fn every_command_of_the_document_works_and_says_what_it_should() -> Outcome {
    let world = World::new()?;
    let folder = world.local("");
    let new_terminal = || Terminal {
        folder: &folder,
        exported: String::new(),
    };
    let mut terminal = new_terminal();
    let mut node = None;
    let mut put = 0;
    let mut said = String::new();
    for block in blocks(DOCUMENT) {
        if block.starts_with(SERVE) {
            node = Some(Node::start(
                &folder.join("quaymaster.toml"),
                &world.path("logs"),
                "node",
                &[],
            )?);
            // It does not return.
            terminal = new_terminal();
            continue;
        }
        let ran = terminal.run(block)?;
        said.push_str(&ran.to_string());
        put += block.matches("object put ").count();
        if node.is_some() {
            until_true("what was put is loaded", || {
                let list = terminal.run("quaymaster load list")?.stdout;
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
