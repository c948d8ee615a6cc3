//! `quaymaster check`, `plan` and `apply`.

use anyhow::{Context as _, bail};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::account::explain;
use super::{ledger, table, tables};
use crate::config::{self, Loaded};
use crate::node::{Durability, OpenLedger, OpenedBy};
use crate::system::SystemClock;
use qm_core::audit::Activity;
use qm_core::config::{Config, LedgerPlace};
use qm_core::id::{NodeName, RevisionNumber};
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::Revision;

/// How long `apply` waits for running nodes to take the revision up.
const TAKE_UP_WAIT: Duration = Duration::from_secs(20);

pub(crate) fn check(file: &Path) -> anyhow::Result<()> {
    let config = load(file)?.config;
    println!(
        "{} is right; buckets: {}, accounts: {}, routes: {}, destinations: {}, expectations: {}",
        file.display(),
        config.buckets.len(),
        config.accounts.len(),
        config.routes.len(),
        config.destinations.len(),
        config.expectations.len()
    );
    Ok(())
}

pub(crate) async fn plan(file: &Path) -> anyhow::Result<()> {
    let loaded = load(file)?;
    let (newest, running) = match open_if_there(&loaded.config).await? {
        Some(ledger) => (
            ledger.revision().await.map_err(explain)?,
            ledger.in_force().await.map_err(explain)?,
        ),
        None => (None, None),
    };
    let before = running.as_ref().map(read).transpose()?;
    for refusal in newest.iter().flat_map(refusals) {
        println!("{refusal}");
    }
    match &running {
        Some(revision) => println!(
            "against revision {} of {}:",
            revision.number,
            table::time(revision.at)
        ),
        None => println!("there is no revision yet; everything is new:"),
    }
    println!("{}", config::plan::plan(before.as_ref(), &loaded.config));
    tables::print_differences(&loaded.config).await
}

pub(crate) async fn apply(file: &Path) -> anyhow::Result<()> {
    let loaded = load(file)?;
    let data = &loaded.config.node.data;
    crate::node::make_data_folder(data)?;
    let ledger = OpenLedger::of(&loaded.config, OpenedBy::Command, Durability::Full).await?;
    let newest = ledger.revision().await.map_err(explain)?;
    let before = ledger.in_force().await.map_err(explain)?;
    let revision = record(&ledger, &loaded.config).await?;
    let nodes = running_nodes(&ledger).await?;
    if newest.is_some_and(|newest| newest.number == revision.number) {
        println!("no change: revision {} is the same", revision.number);
    } else {
        let before = before.as_ref().map(read).transpose()?;
        println!("{}", config::plan::plan(before.as_ref(), &loaded.config));
        println!("recorded revision {}", revision.number);
    }
    if nodes.is_empty() {
        println!("no node runs now; one that starts takes it up");
        return Ok(());
    }
    wait_until_taken_up(&ledger, &revision).await
}

/// A node's word that it did not take a revision up.
pub(super) struct Refusal<'a> {
    number: RevisionNumber,
    node: &'a NodeName,
    reason: &'a str,
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            number,
            node,
            reason,
        } = self;
        write!(
            f,
            "revision {number} is recorded, but node {node} did not take it up: {reason}"
        )
    }
}

/// The nodes that did not take it up.
pub(super) fn refusals(revision: &Revision) -> impl Iterator<Item = Refusal<'_>> {
    revision.taken_up.iter().filter_map(|said| {
        Some(Refusal {
            number: revision.number,
            node: &said.node,
            reason: said.rejected.as_deref()?,
        })
    })
}

/// The revision that a node starts with, and its configuration. Its file becomes the newest revision;
/// on a shared ledger only if the file is another one than when it last did: what was applied
/// elsewhere since must not be taken back because this node starts again.
pub(crate) async fn in_force(
    ledger: &OpenLedger,
    config: Config,
) -> anyhow::Result<(Revision, Config)> {
    if ledger.is_shared()
        && let Some(newest) = ledger.revision().await.map_err(explain)?
        && std::fs::read_to_string(applied_file(&config)).is_ok_and(|it| it == own_text(&config))
    {
        let config = read(&newest)?.at_node(&config);
        return Ok((newest, config));
    }
    Ok((record(ledger, &config).await?, config))
}

/// Where a node of a shared ledger remembers which file it last made a revision of.
fn applied_file(config: &Config) -> PathBuf {
    config.node.data.join("applied")
}

fn own_text(config: &Config) -> String {
    config::revision::to_json(config).unwrap_or_default()
}

/// Records the configuration as a revision, unless it is the newest already.
pub(crate) async fn record(ledger: &OpenLedger, config: &Config) -> anyhow::Result<Revision> {
    let own = config;
    let newest = ledger.revision().await.map_err(explain)?;
    let config = match newest.as_ref().filter(|_| ledger.is_shared()) {
        // Each node's own file has its own folders and address: the revision is everybody's.
        Some(newest) => &config.clone().at_node(&read(newest)?),
        None => config,
    };
    let text = config::revision::to_json(config).map_err(explain)?;
    let record = ledger::operator(Activity::Apply, "configuration");
    let revision = ledger
        .apply(text, record, SystemClock.now())
        .await
        .map_err(explain)?;
    if ledger.is_shared() {
        crate::node::write_private(&applied_file(own), own_text(own).as_bytes())?;
    }
    Ok(revision)
}

/// The configuration of a recorded revision.
pub(crate) fn read(revision: &Revision) -> anyhow::Result<Config> {
    config::revision::from_json(&revision.config).map_err(explain)
}

async fn wait_until_taken_up(ledger: &OpenLedger, revision: &Revision) -> anyhow::Result<()> {
    let mut changes = ledger.changes();
    let deadline = tokio::time::Instant::now() + TAKE_UP_WAIT;
    loop {
        let newest = ledger
            .revision()
            .await
            .map_err(explain)?
            .context("the revision is gone")?;
        if newest.number != revision.number {
            bail!(
                "revision {} was replaced by {} meanwhile",
                revision.number,
                newest.number
            );
        }
        let nodes = running_nodes(ledger).await?;
        // One that does not run may take it up when it starts.
        if let Some(refusal) = refusals(&newest).find(|refusal| nodes.contains(refusal.node)) {
            bail!(
                "{refusal}\n  help: make it possible as that says, or `apply` the old file again"
            );
        }
        let has_taken_up = |node: &NodeName| newest.taken_up.iter().any(|t| t.node == *node);
        if nodes.iter().all(has_taken_up) {
            println!("revision {} is in force", revision.number);
            return Ok(());
        }
        if tokio::time::timeout_at(deadline, changes.changed())
            .await
            .is_err()
        {
            bail!(
                "revision {} is recorded, but not every running node has taken it up within {} s\n  help: \
                 `quaymaster status` tells which are alive",
                revision.number,
                TAKE_UP_WAIT.as_secs()
            );
        }
    }
}

async fn running_nodes(ledger: &OpenLedger) -> anyhow::Result<Vec<NodeName>> {
    let nodes = ledger.nodes().await.map_err(explain)?;
    let alive = nodes.into_iter().filter(super::status::is_alive);
    Ok(alive.map(|node| node.node).collect())
}

async fn open_if_there(config: &Config) -> anyhow::Result<Option<OpenLedger>> {
    match config.node.ledger {
        LedgerPlace::Sqlite if !crate::node::ledger_file(&config.node.data).exists() => Ok(None),
        LedgerPlace::Sqlite | LedgerPlace::Postgres(_) => {
            crate::node::refuse_root(&config.node.data)?;
            let opened = OpenLedger::of(config, OpenedBy::Command, Durability::Full);
            opened.await.map(Some)
        }
    }
}

/// The configuration, or everything that is wrong with it.
pub(crate) fn load(file: &Path) -> anyhow::Result<Loaded> {
    config::load(file).map_err(|problems| {
        let count = match problems.len() {
            1 => "1 mistake".to_owned(),
            many => format!("{many} mistakes"),
        };
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{count} in the configuration\n\n{}", texts.join("\n\n"))
    })
}
