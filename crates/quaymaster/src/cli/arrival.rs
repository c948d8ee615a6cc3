//! `quaymaster arrival …`

use clap::Subcommand;

use super::account::explain;
use super::{LIST_ROWS, Ledger, table};
use qm_core::arrival::ArrivalState;

#[derive(Subcommand)]
pub(crate) enum ArrivalCommand {
    /// List arrivals, newest first, and uploads that broke off
    List {
        /// Most rows
        #[arg(long, default_value_t = LIST_ROWS)]
        limit: u32,
        #[command(flatten)]
        ledger: Ledger,
    },
}

impl ArrivalCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let Self::List { limit, ledger } = self;
        let ledger = ledger.open().await?;
        let arrivals = ledger.latest(limit).await.map_err(explain)?;
        let rows: Vec<Vec<String>> = arrivals
            .iter()
            .map(|arrival| {
                vec![
                    arrival.seq.to_string(),
                    table::time(arrival.at),
                    arrival.state.as_str().to_owned(),
                    table::or_dash(arrival.account.as_ref(), ToString::to_string),
                    arrival.version.size_bytes.to_string(),
                    arrival
                        .deliveries
                        .map_or_else(|| unrouted(arrival.state).to_owned(), |n| n.to_string()),
                    table::or_dash(arrival.duplicate_of, |seq| seq.to_string()),
                    arrival.path.to_string(),
                ]
            })
            .collect();
        table::print(
            &[
                "SEQ",
                "AT",
                "STATE",
                "ACCOUNT",
                "BYTES",
                "DELIVERIES",
                "DUPLICATE OF",
                "OBJECT",
            ],
            &rows,
        );
        let partials = ledger.partials().await.map_err(explain)?;
        if !partials.is_empty() {
            println!("\nbroken off, kept for their accounts to resume:");
            let rows: Vec<Vec<String>> = partials
                .iter()
                .map(|p| {
                    vec![
                        table::time(p.lost_at),
                        p.account.to_string(),
                        p.parked.size_bytes.to_string(),
                        p.path.to_string(),
                    ]
                })
                .collect();
            table::print(&["SINCE", "ACCOUNT", "BYTES", "OBJECT"], &rows);
        }
        Ok(())
    }
}

fn unrouted(state: ArrivalState) -> &'static str {
    match state {
        ArrivalState::Appearing | ArrivalState::Arrived => "not routed yet",
        ArrivalState::Failed => "-",
    }
}
