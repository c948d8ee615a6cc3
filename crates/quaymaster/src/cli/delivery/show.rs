//! `quaymaster delivery show` and `export`

use crate::node::OpenLedger;
use anyhow::{Context as _, bail};
use jiff::SignedDuration;

use super::super::account::explain;
use super::super::{Ledger, table};
use qm_core::delivery::{Delivery, DeliveryState, Effect};
use qm_core::notification::dead_letter;
use qm_core::ports::ledger::{Attempt, DeliveryFilter};

pub(super) async fn run(ledger: &Ledger, id: &str) -> anyhow::Result<()> {
    let ledger = ledger.open().await?;
    let (delivery, attempts) = find(&ledger, id).await?;
    for (name, value) in describe(&delivery) {
        println!("{name:<12} {}", table::plain(&value));
    }
    println!();
    let rows: Vec<Vec<String>> = attempts.iter().map(row).collect();
    table::print(&["ATTEMPT", "BEGAN", "ENDED", "TOOK", "RESULT"], &rows);
    Ok(())
}

pub(super) async fn export(ledger: &Ledger, filter: DeliveryFilter) -> anyhow::Result<()> {
    let asked_for_one = filter.id.is_some();
    let filter = DeliveryFilter {
        state: Some(DeliveryState::Dead.as_str()),
        ..filter
    };
    let dead = ledger.open().await?.deliveries(filter).await;
    let mut dead = dead.map_err(explain)?;
    if dead.is_empty() && asked_for_one {
        bail!(
            "that delivery does not exist or is not dead; `quaymaster delivery list --state dead` shows those that are"
        );
    }
    // In the order in which they were created.
    dead.reverse();
    for delivery in &dead {
        println!("{}", dead_letter::of_delivery(delivery));
    }
    Ok(())
}

/// A delivery and its attempts by what a person typed.
pub(in super::super) async fn find(
    ledger: &OpenLedger,
    id: &str,
) -> anyhow::Result<(Delivery, Vec<Attempt>)> {
    let id = id.parse().map_err(explain)?;
    let filter = DeliveryFilter {
        id: Some(id),
        ..DeliveryFilter::default()
    };
    let found = ledger.deliveries(filter).await.map_err(explain)?;
    let delivery = found.into_iter().next().with_context(|| {
        format!("there is no delivery {id}; `quaymaster delivery list` shows those there are")
    })?;
    let attempts = ledger.attempts(id).await.map_err(explain)?;
    Ok((delivery, attempts))
}

fn row(attempt: &Attempt) -> Vec<String> {
    vec![
        attempt.number.to_string(),
        table::time(attempt.began_at),
        table::or_dash(attempt.ended_at, table::time),
        table::or_dash(attempt.ended_at, |ended_at| {
            table::span(ended_at.duration_since(attempt.began_at))
        }),
        attempt.note.clone().unwrap_or_default(),
    ]
}

fn does(effect: Effect) -> String {
    match effect {
        Effect::Put => effect.as_str().to_owned(),
        Effect::Remove { of } => format!("{} what {of} put there", effect.as_str()),
    }
}

fn describe(delivery: &Delivery) -> Vec<(&'static str, String)> {
    let state = match &delivery.state {
        DeliveryState::Waiting { ready_at } => format!("waiting until {}", table::time(*ready_at)),
        DeliveryState::Running { node } => format!("running on node {node}"),
        DeliveryState::Delivered
        | DeliveryState::Dead
        | DeliveryState::Superseded
        | DeliveryState::Cancelled
        | DeliveryState::Purged => delivery.state.as_str().to_owned(),
    };
    let duplicate = if delivery.possible_duplicate {
        "possible: an attempt ended in a way that nobody can know"
    } else {
        "no"
    };
    let mut facts = vec![
        ("delivery", delivery.id.to_string()),
        ("state", state),
        ("does", does(delivery.effect)),
        ("object", delivery.source.to_string()),
        ("version", delivery.version.id.to_string()),
        ("bytes", delivery.version.size_bytes.to_string()),
        ("sha256", delivery.version.sha256.to_string()),
        ("arrival", delivery.arrival.to_string()),
        ("arrived", table::time(delivery.arrived_at)),
        ("route", delivery.route.to_string()),
        ("revision", delivery.revision.to_string()),
        ("destination", delivery.destination.to_string()),
        ("target", delivery.target.clone()),
        ("duplicate", duplicate.to_owned()),
        ("created", table::time(delivery.created_at)),
        ("updated", table::time(delivery.updated_at)),
    ];
    if delivery.state == DeliveryState::Delivered {
        let since_arrival: SignedDuration = delivery.updated_at.duration_since(delivery.arrived_at);
        facts.push(("duration", table::span(since_arrival)));
    }
    if let Some(error) = &delivery.last_error {
        facts.push(("last error", error.clone()));
    }
    facts
}
