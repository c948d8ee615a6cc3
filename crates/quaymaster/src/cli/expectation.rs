//! `quaymaster expectation …`

use clap::Subcommand;

use super::account::{explain, running};
use super::{LIST_ROWS, Ledger, table};
use crate::system::SystemClock;
use qm_core::config::Config;
use qm_core::ports::clock::Clock as _;

#[derive(Subcommand)]
pub(crate) enum ExpectationCommand {
    /// List what is due next, and what became of the last due dates
    List {
        /// Most past due dates
        #[arg(long, default_value_t = LIST_ROWS)]
        limit: u32,
        #[command(flatten)]
        ledger: Ledger,
    },
}

impl ExpectationCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let Self::List { limit, ledger } = self;
        let ledger = ledger.open().await?;
        print_next(&running(&ledger).await?);
        println!("\npast:");
        let slots = ledger.slots(limit).await.map_err(explain)?;
        let rows: Vec<Vec<String>> = slots
            .iter()
            .map(|recorded| {
                vec![
                    recorded.expectation.to_string(),
                    recorded.slot.date.to_string(),
                    table::time(recorded.slot.due),
                    recorded.state.as_str().to_owned(),
                    table::or_dash(recorded.arrival, |seq| seq.to_string()),
                ]
            })
            .collect();
        table::print(&["EXPECTATION", "DATE", "DUE", "STATE", "ARRIVAL"], &rows);
        Ok(())
    }
}

/// The next due date of every expectation.
pub(crate) fn print_next(config: &Config) {
    let now = SystemClock.now();
    let rows: Vec<Vec<String>> = config
        .expectations
        .values()
        .map(|expectation| {
            let next = jiff::tz::TimeZone::get(&expectation.zone)
                .ok()
                .and_then(|zone| Some((expectation.next_slot(&zone, now)?, zone)));
            let (due, cutoff) = next.map_or_else(Default::default, |(slot, zone)| {
                let local = |at: jiff::Timestamp| {
                    at.to_zoned(zone.clone())
                        .strftime("%Y-%m-%d %H:%M:%S %Z")
                        .to_string()
                };
                (local(slot.due), local(slot.cutoff))
            });
            vec![
                expectation.name.to_string(),
                due,
                cutoff,
                expectation.on.to_string(),
                expectation.files.to_string(),
            ]
        })
        .collect();
    table::print(
        &["EXPECTATION", "NEXT DUE", "ALERT AFTER", "ON", "FILES"],
        &rows,
    );
}
