//! `quaymaster status`

use std::time::Duration;

use super::account::{explain, running};
use super::{Ledger, expectation, ledger_file_of, table};
use crate::system::SystemClock;
use qm_core::config::Config;
use qm_core::delivery::DeliveryState;
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::{
    Alerts as _, Deliveries as _, NodeReport, Nodes as _, Partials as _, Revisions as _,
};
use qm_ledger::SqliteLedger;

/// A node that was silent for longer is gone, whatever it last said.
const SILENT: Duration = Duration::from_secs(30);

pub(crate) async fn run(options: &Ledger) -> anyhow::Result<()> {
    let ledger = options.open()?;
    print_node(ledger.node().await.map_err(explain)?);
    println!("ledger        {}", ledger_file_of(options)?.display());
    if let Some(revision) = ledger.revision().await.map_err(explain)? {
        println!(
            "revision      {} of {}",
            revision.number,
            table::time(revision.at)
        );
    }
    let config = running(&ledger).await?;
    println!();
    print_buckets(&config);
    println!();
    print_work(&ledger).await?;
    println!();
    expectation::print_next(&config);
    Ok(())
}

/// False for a node that stopped, and for one that was silent too long.
pub(crate) fn is_alive(node: &NodeReport) -> bool {
    silence(node).is_some_and(|silence| silence <= SILENT)
}

fn silence(node: &NodeReport) -> Option<Duration> {
    node.alive_at
        .map(|at| SystemClock.now().duration_since(at).unsigned_abs())
}

fn print_node(node: Option<NodeReport>) {
    let Some(node) = node else {
        println!("node          never started");
        return;
    };
    let state = match silence(&node) {
        None => "stopped".to_owned(),
        Some(silence) if silence > SILENT => format!(
            "silent for {} s: it has crashed or hangs",
            silence.as_secs()
        ),
        Some(_) => format!(
            "running as process {} since {}",
            node.process,
            table::time(node.started_at)
        ),
    };
    println!("node          {state}");
    println!("version       {}", node.version);
    println!("endpoint      sftp://{}", node.sftp_address);
    for fingerprint in &node.fingerprints {
        println!("fingerprint   {fingerprint}");
    }
}

fn print_buckets(config: &Config) {
    let rows: Vec<Vec<String>> = config
        .buckets
        .iter()
        .map(|(name, bucket)| {
            let sealed = match &bucket.encryption_key {
                Some(key) => format!("with {key}"),
                None => "no".to_owned(),
            };
            vec![name.to_string(), bucket.place.to_string(), sealed]
        })
        .collect();
    table::print(&["BUCKET", "PLACE", "SEALED"], &rows);
    println!();
    let rows: Vec<Vec<String>> = config
        .notifiers
        .iter()
        .map(|(name, notifier)| match notifier {
            qm_core::config::Notifier::Email(email) => vec![name.to_string(), email.to.join(", ")],
        })
        .collect();
    table::print(&["NOTIFIER", "TELLS"], &rows);
}

async fn print_work(ledger: &SqliteLedger) -> anyhow::Result<()> {
    let count = |counts: &[(DeliveryState, u64)], state: &str| {
        counts
            .iter()
            .filter(|(s, _)| s.as_str() == state)
            .map(|(_, count)| count)
            .sum::<u64>()
    };
    let counts = ledger.counts().await.map_err(explain)?;
    println!(
        "deliveries    {} waiting, {} running, {} dead",
        count(&counts, "waiting"),
        count(&counts, "running"),
        count(&counts, "dead")
    );
    println!(
        "broken off    {} uploads",
        ledger.partials().await.map_err(explain)?.len()
    );
    let firing = ledger.alerts(1000).await.map_err(explain)?;
    let firing = firing
        .iter()
        .filter(|alert| alert.resolved_at.is_none())
        .count();
    println!("alerts        {firing} firing");
    Ok(())
}
