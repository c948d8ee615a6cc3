//! Two nodes, and the wall clock of one of them jumps by days while both deliver: leases go by the
//! database's clock, so neither loses what it has begun, nor takes what the other has.

use anyhow::{Context as _, Result, ensure};
use qm_core::delivery::DeliveryState;
use qm_core::id::NodeName;
use qm_core::ports::access::Secret;
use qm_core::ports::ledger::{Deliveries as _, DeliveryFilter, NodeReport, Nodes as _};
use qm_e2e::{Node, World, csv, now, wait};
use qm_ledger::{PostgresLedger, PostgresOptions};
use qm_testkit::outside::postgres::Cluster;
use std::fs;
use tokio::runtime::Runtime;

use super::{FILE_BYTES, LIMIT, ends_well, named, of_another_node, upload, world};
use crate::clock_jumps::{environment, set_clock};
use crate::push::partner::Partner;
use crate::support::{Outcome, assert_content};

/// What the other node's clock is ahead of the machine's, one after the other, and in hours.
const AHEAD: [(&str, i64); 6] = [
    ("+1d", 24),
    ("-1d", -24),
    ("+30d", 720),
    ("-30d", -720),
    ("+400d", 9_600),
    ("+0", 0),
];
/// Enough that both nodes are at work.
const OPEN_FILES: usize = 8;

/// What the ledger shows to somebody who is no node of these.
struct Looker {
    ledger: PostgresLedger,
    runtime: Runtime,
}

impl Looker {
    fn open(connection: &str) -> Result<Self> {
        let node = NodeName::parse("looker").context("a name")?;
        let runtime = Runtime::new()?;
        let options = PostgresOptions::new(Secret::new(connection.to_owned()), node);
        let ledger = runtime.block_on(PostgresLedger::open(options))?;
        Ok(Self { ledger, runtime })
    }

    fn node_of(&self, process: u32) -> Result<NodeReport> {
        let nodes = self.runtime.block_on(self.ledger.nodes())?;
        let found = nodes.into_iter().find(|node| node.process == process);
        found.context("the node reports")
    }

    /// True while the node is in the middle of a delivery.
    fn is_at_work(&self, node: &NodeName) -> Result<bool> {
        let running = DeliveryFilter {
            state: Some("running"),
            ..DeliveryFilter::default()
        };
        let running = self.runtime.block_on(self.ledger.deliveries(running))?;
        let is_its = |state: &DeliveryState| matches!(state, DeliveryState::Running { node: on } if on == node);
        Ok(running.iter().any(|delivery| is_its(&delivery.state)))
    }
}

/// Uploads on, so that something is always under way.
fn goes_on(world: &World, partner: &Partner, files: &mut Vec<(String, Vec<u8>)>) -> Outcome {
    if files.len() >= named(partner)? + OPEN_FILES {
        return Ok(());
    }
    let number = files.len();
    let file = (format!("{number}.csv"), csv(number as u64, FILE_BYTES));
    upload(world, std::slice::from_ref(&file))?;
    files.push(file);
    Ok(())
}

#[test]
fn foreign_clock_jumps_of_a_node_take_and_lose_no_lease() -> Outcome {
    let cluster = Cluster::start();
    let connection = cluster.database();
    let (mut world, partner) = world(&connection)?;
    world.start()?;
    let (clock, file) = (world.path("clock"), world.path("other.toml"));
    set_clock(&clock, "+0")?;
    fs::write(&file, of_another_node(&world.configuration))?;
    let mut other = Node::start(&file, &world.path("logs"), "other", &environment(&clock)?)?;
    let looker = Looker::open(&connection)?;
    let process = other.process().id();
    let name = wait::until("the node reports", || Ok(looker.node_of(process).ok()))?.node;
    let mut files = Vec::new();
    for (ahead, hours) in AHEAD {
        wait::until_within(LIMIT, "the node is at work when its clock jumps", || {
            goes_on(&world, &partner, &mut files)?;
            Ok(looker.is_at_work(&name)?.then_some(()))
        })?;
        set_clock(&clock, ahead)?;
        wait::until_within(LIMIT, "the node has told its new time", || {
            goes_on(&world, &partner, &mut files)?;
            let told = looker.node_of(process)?.alive_at.context("it runs")?;
            let off = told.duration_since(now()).as_hours() - hours;
            Ok((off.abs() <= 1).then_some(()))
        })?;
    }
    let twice = ends_well(&world, &partner)?;
    ensure!(twice == 0, "{twice} files were sent twice");
    let deliveries = world.deliveries()?;
    ensure!(
        deliveries.0.len() == files.len(),
        "{} of {} files",
        deliveries.0.len(),
        files.len()
    );
    for row in &deliveries.0 {
        ensure!(
            row.get("STATE") == "delivered" && row.get("ATTEMPTS") == "1",
            "taken from whoever had it: {row:?}"
        );
    }
    for (name, content) in &files {
        assert_content(&partner.files.join(name), content);
    }
    other.stop()?;
    world.stop()
}
