//! Tells on the terminal what the ledger records and which mails come, as they do.

use std::collections::BTreeSet;
use std::path::PathBuf;
use tokio::sync::mpsc;

use crate::cli::table::plain;
use crate::node::OpenLedger;
use qm_core::id::{ArrivalSeq, DeliveryId};
use qm_core::ports::ledger::DeliveryFilter;

/// Rows looked at each time; the demo makes a handful.
const ROWS: u32 = 100;

/// Until it is aborted.
pub(super) async fn run(
    ledger: OpenLedger,
    mut mails: mpsc::UnboundedReceiver<String>,
    share: PathBuf,
) {
    let mut changes = ledger.changes();
    let mut shown = Shown::default();
    loop {
        if let Err(error) = shown.look(&ledger, &share).await {
            println!("   (the ledger could not be read: {})", error.chain());
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            Some(mail) = mails.recv() => show_mail(&mail),
        }
    }
}

#[derive(Default)]
struct Shown {
    arrivals: BTreeSet<ArrivalSeq>,
    deliveries: BTreeSet<(DeliveryId, &'static str)>,
}

impl Shown {
    async fn look(&mut self, ledger: &OpenLedger, share: &std::path::Path) -> qm_core::Result<()> {
        for arrival in ledger.latest(ROWS).await?.iter().rev() {
            if arrival.state == qm_core::arrival::ArrivalState::Arrived
                && self.arrivals.insert(arrival.seq)
            {
                println!(
                    "2. Arrived: {}, {} bytes, SHA-256 {}.",
                    plain(&arrival.path.to_string()),
                    arrival.version.size_bytes,
                    arrival.version.sha256
                );
            }
        }
        let filter = DeliveryFilter {
            limit: ROWS,
            ..DeliveryFilter::default()
        };
        for delivery in ledger.deliveries(filter).await?.iter().rev() {
            let state = delivery.state.as_str();
            if state == "delivered" && self.deliveries.insert((delivery.id, state)) {
                println!(
                    "3. Delivered by route {} to {}.",
                    delivery.route,
                    plain(&share.join(&delivery.target).display().to_string())
                );
            }
            if state == "dead" && self.deliveries.insert((delivery.id, state)) {
                println!(
                    "3. Not delivered: {}",
                    plain(delivery.last_error.as_deref().unwrap_or_default())
                );
            }
        }
        Ok(())
    }
}

/// The header lines that matter, and the text.
fn show_mail(mail: &str) {
    let (head, body) = mail.split_once("\n\n").unwrap_or((mail, ""));
    println!("4. A mail came:");
    for line in head.lines().filter(|line| {
        ["To:", "Subject:"]
            .iter()
            .any(|field| line.starts_with(field))
    }) {
        println!("   | {}", plain(line));
    }
    println!("   |");
    for line in body.trim_end().lines() {
        println!("   | {}", plain(line));
    }
}
