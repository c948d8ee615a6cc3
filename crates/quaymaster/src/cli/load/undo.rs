//! `quaymaster load undo`

use anyhow::bail;

use super::super::account::{explain, running};
use super::super::delivery::find;
use super::super::{Ledger, ledger};
use crate::node::connectors_for;
use crate::system::SystemClock;
use qm_core::audit::Activity;
use qm_core::ports::clock::Clock as _;

/// The table first: should the row that says so be lost, a second undo finds nothing to take back and
/// says it again.
pub(super) async fn run(options: &Ledger, delivery: &str) -> anyhow::Result<()> {
    let opened = options.open().await?;
    let (delivery, _) = find(&opened, delivery).await?;
    let mut config = running(&opened).await?;
    if let Some(own) = options.own_config()? {
        config = config.at_node(&own);
    }
    let name = &delivery.destination;
    let connectors = connectors_for(&config, Some(name)).await?;
    let Some(connector) = connectors.table(&config, name).await.map_err(explain)? else {
        bail!("destination `{name}` is not a table: a delivery there loads nothing");
    };
    let said = connector.undo(&delivery).await.map_err(explain)?;
    let record = ledger::operator(Activity::Undo, delivery.id.to_string());
    opened
        .load_undone(delivery.id, record, SystemClock.now())
        .await
        .map_err(explain)?;
    println!("{said}");
    Ok(())
}
