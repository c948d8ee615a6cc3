//! The five minutes of `README.md`, as a newcomer spends them.

use anyhow::{Context as _, ensure};
use qm_e2e::document::{examples, sessions, shell};
use qm_e2e::wait::until_true;
use qm_e2e::{Node, Ran, World, free_port, run};
use std::fs;
use std::path::Path;

use crate::support::Outcome;

const README: &str = include_str!("../../../../README.md");
/// Somebody who says yes to a host key that is new, and has no other keys.
const NEWCOMER: &str = "sftp() {
    command sftp -F none -o IdentitiesOnly=yes -o GlobalKnownHostsFile=none \\
        -o UserKnownHostsFile=known_hosts -o StrictHostKeyChecking=accept-new \"$@\"
}
";

fn in_shell(folder: &Path, commands: &str) -> anyhow::Result<Ran> {
    let commands = format!("{NEWCOMER}{commands}");
    run(&mut shell(
        folder,
        &folder.join("quaymaster.toml"),
        &commands,
    )?)?
    .ok()
}

/// The tour, on a port that nobody else has.
fn tour() -> anyhow::Result<String> {
    let (_, tour) = README.split_once("\n## Five minutes\n").context("a tour")?;
    let (tour, _) = tour.split_once("\n## ").context("an end")?;
    ensure!(tour.contains("sftp -P 2022 "), "on another port");
    Ok(tour.replace("2022", &free_port()?.to_string()))
}

#[test]
fn foreign_openssh_the_five_minutes_of_the_readme_work() -> Outcome {
    let world = World::new()?;
    let tour = tour()?;
    let mut sessions = sessions(&tour);
    let mut begun = sessions.next().context("a beginning")?;
    // Built already, and found by the shell.
    ensure!(begun.remove(0).starts_with("cargo build "), "{begun:?}");
    in_shell(&world.local(""), &begun.join("\n"))?;
    let folder = world.local("tour");
    let configuration = examples(&tour).next().context("a configuration")?;
    let file = folder.join("quaymaster.toml");
    fs::write(&file, configuration)?;

    let mut node = None;
    let mut said = Vec::new();
    for command in sessions.flatten() {
        if command.starts_with("quaymaster serve ") {
            ensure!(node.is_none(), "it is served twice");
            node = Some(Node::start(&file, &world.path("logs"), "node", &[])?);
            continue;
        }
        if command.starts_with("ls share/") {
            let delivered = folder.join("share/north/report.csv");
            until_true("the report is delivered", || Ok(delivered.exists()))?;
        }
        said.push(in_shell(&folder, command)?);
    }
    let node = node.context("the tour starts a node")?;
    until_true("all is delivered", || {
        let list = in_shell(&folder, "quaymaster delivery list")?.stdout;
        Ok(list.contains(" delivered ") && !list.contains(" waiting "))
    })?;

    let all: String = said.iter().map(ToString::to_string).collect();
    for expect in [
        "quaymaster.toml is right",
        "\nreport.csv\n",
        "running as process",
        "landing/north/report.csv",
        "no change",
    ] {
        ensure!(all.contains(expect), "{expect}\nis not in\n{all}");
    }
    let last = said.last().context("commands")?;
    ensure!(last.stdout == "id,amount\n", "{last}");
    node.stop()
}
