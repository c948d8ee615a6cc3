//! `quaymaster delivery redrive`, `cancel` and `purge`

use anyhow::bail;

use super::super::account::explain;
use super::super::{Ledger, ledger};
use crate::system::SystemClock;
use qm_core::audit::{Activity, AuditRecord};
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::DeliveryFilter;

pub(super) async fn redrive(ledger: &Ledger, filter: DeliveryFilter) -> anyhow::Result<()> {
    let asked_for_one = filter.id.is_some();
    let record = record(Activity::Redrive, &filter, "all dead deliveries");
    let redriven = ledger
        .open()
        .await?
        .redrive(filter, record, SystemClock.now())
        .await
        .map_err(explain)?;
    if redriven.is_empty() && asked_for_one {
        bail!(
            "that delivery does not exist or is not dead; `quaymaster delivery list --state dead` shows those that are"
        );
    }
    for id in &redriven {
        println!("{id} waits for a new attempt");
    }
    if redriven.is_empty() {
        println!("no dead delivery matches");
    }
    Ok(())
}

pub(super) async fn cancel(ledger: &Ledger, filter: DeliveryFilter) -> anyhow::Result<()> {
    let asked_for_one = filter.id.is_some();
    let record = record(Activity::Cancel, &filter, "all waiting and dead deliveries");
    let cancelled = ledger
        .open()
        .await?
        .cancel(filter, record, SystemClock.now())
        .await
        .map_err(explain)?;
    if cancelled.is_empty() && asked_for_one {
        bail!(
            "that delivery does not exist, or is neither waiting nor dead; `quaymaster delivery show ID` tells its state"
        );
    }
    for id in &cancelled {
        println!("{id} is given up");
    }
    if cancelled.is_empty() {
        println!("no waiting or dead delivery matches");
    }
    Ok(())
}

pub(super) async fn purge(ledger: &Ledger, filter: DeliveryFilter) -> anyhow::Result<()> {
    let asked_for_one = filter.id.is_some();
    let record = record(Activity::Purge, &filter, "all dead deliveries");
    let purged = ledger
        .open()
        .await?
        .purge(filter, record, None, SystemClock.now())
        .await
        .map_err(explain)?;
    if purged.is_empty() && asked_for_one {
        bail!(
            "that delivery does not exist or is not dead; `quaymaster delivery list --state dead` shows those that are"
        );
    }
    for id in &purged {
        println!("{id} is purged");
    }
    if purged.is_empty() {
        println!("no dead delivery matches");
    }
    Ok(())
}

/// Who does it, and to what.
fn record(activity: Activity, filter: &DeliveryFilter, all: &str) -> AuditRecord {
    let DeliveryFilter {
        id,
        state,
        route,
        destination,
        since,
        until,
        unchanged_since: _,
        limit: _,
    } = filter;
    let what = [
        id.map(|id| id.to_string()),
        state.map(|state| format!("state {state}")),
        route.as_ref().map(|route| format!("route {route}")),
        destination
            .as_ref()
            .map(|destination| format!("destination {destination}")),
        since.map(|since| format!("since {since}")),
        until.map(|until| format!("until {until}")),
    ];
    let what: Vec<String> = what.into_iter().flatten().collect();
    let subject = if what.is_empty() {
        all.to_owned()
    } else {
        what.join(", ")
    };
    ledger::operator(activity, subject)
}
