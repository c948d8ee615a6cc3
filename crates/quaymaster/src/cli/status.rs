//! `quaymaster status`

use std::path::Path;
use std::time::Duration;

use super::account::{explain, running};
use super::configuration::refusals;
use super::install::UNIT_FILE;
use super::{Ledger, expectation, table};
use crate::config;
use crate::node::OpenLedger;
use crate::system::SystemClock;
use qm_core::config::Config;
use qm_core::delivery::DeliveryState;
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::NodeReport;

/// A node that was silent for longer is gone, whatever it last said.
const SILENT: Duration = Duration::from_secs(30);

pub(crate) async fn run(options: &Ledger) -> anyhow::Result<()> {
    let ledger = options.open().await?;
    let nodes = ledger.nodes().await.map_err(explain)?;
    if nodes.is_empty() {
        println!("node          never started");
    }
    for node in &nodes {
        print_node(node);
    }
    println!("ledger        {}", ledger.place());
    print_revision(&ledger).await?;
    println!("log           {}", log_place());
    let config = running(&ledger).await?;
    if let Some(tags) = config::plan::tagged(&config.node.tags) {
        println!("tags          {}", table::plain(&tags));
    }
    println!();
    print_buckets(&config);
    println!();
    print_work(&ledger).await?;
    println!();
    expectation::print_next(&config);
    Ok(())
}

async fn print_revision(ledger: &OpenLedger) -> anyhow::Result<()> {
    if let Some(revision) = ledger.in_force().await.map_err(explain)? {
        println!(
            "revision      {} of {}",
            revision.number,
            table::time(revision.at)
        );
    }
    let newest = ledger.revision().await.map_err(explain)?;
    for refusal in newest.iter().flat_map(refusals) {
        println!("refused       {}", table::plain(&refusal.to_string()));
    }
    Ok(())
}

/// A service's goes to the journal, all others where they were started.
fn log_place() -> &'static str {
    if Path::new("/").join(UNIT_FILE).exists() {
        "journalctl -u quaymaster; without the service, standard error of `quaymaster serve`"
    } else {
        "standard error of `quaymaster serve`"
    }
}

/// False for a node that stopped, and for one that was silent too long.
pub(crate) fn is_alive(node: &NodeReport) -> bool {
    silence(node).is_some_and(|silence| silence <= SILENT)
}

fn silence(node: &NodeReport) -> Option<Duration> {
    node.alive_at
        .map(|at| SystemClock.now().duration_since(at).unsigned_abs())
}

fn print_node(node: &NodeReport) {
    let state = match silence(node) {
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
    println!("node          {} {state}", node.node);
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

async fn print_work(ledger: &OpenLedger) -> anyhow::Result<()> {
    let counts = ledger.counts().await.map_err(explain)?;
    println!(
        "deliveries    {} waiting, {} running, {} dead",
        count(&counts, "waiting"),
        count(&counts, "running"),
        count(&counts, "dead")
    );
    print_oldest(ledger).await?;
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

pub(super) fn count(counts: &[(DeliveryState, u64)], state: &str) -> u64 {
    let of_state = counts.iter().filter(|(s, _)| s.as_str() == state);
    of_state.map(|(_, count)| count).sum()
}

/// The delivery that has been open for longest, which tells how far behind the node is.
pub(super) async fn print_oldest(ledger: &OpenLedger) -> anyhow::Result<()> {
    if let Some(oldest) = ledger.oldest_open().await.map_err(explain)? {
        let open_for = SystemClock.now().duration_since(oldest.created_at);
        println!(
            "oldest open   {} of {}, for {}",
            oldest.id,
            table::plain(&oldest.source.to_string()),
            table::span(open_for)
        );
    }
    Ok(())
}
