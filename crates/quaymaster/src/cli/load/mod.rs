//! `quaymaster load …`: what became of the rows of files.

mod undo;

use anyhow::Context as _;
use clap::Subcommand;

use super::account::explain;
use super::{LIST_ROWS, Ledger, table};
use qm_core::id::{DeliveryId, DestinationName};
use qm_core::load::Counts;
use qm_core::ports::ledger::{LoadFilter, RecordedLoad};

#[derive(Subcommand)]
pub(crate) enum LoadCommand {
    /// List loads with their rows, newest first; also those that run
    List {
        /// Only into this destination
        #[arg(long, value_name = "NAME")]
        destination: Option<String>,
        /// Most rows
        #[arg(long, default_value_t = LIST_ROWS)]
        limit: u32,
        #[command(flatten)]
        ledger: Ledger,
    },
    /// Show one load: its table, its rows by what became of them, and where rejected ones are
    Show {
        /// Its delivery, as `list` shows it
        delivery: String,
        #[command(flatten)]
        ledger: Ledger,
    },
    /// Take back what a delivery loaded, in one transaction
    ///
    /// Works for tables of SQL whose destination has `undo = true` and appends or replaces. Rows that were
    /// appended go; rows that were replaced come back, if nothing was loaded after them.
    Undo {
        /// The delivery, as `list` shows it
        delivery: String,
        #[command(flatten)]
        ledger: Ledger,
    },
}

impl LoadCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List {
                destination,
                limit,
                ledger,
            } => {
                let destination = destination.as_deref().map(DestinationName::recorded);
                let filter = LoadFilter {
                    destination: destination.transpose().map_err(explain)?,
                    limit,
                    ..LoadFilter::default()
                };
                list(&ledger, filter).await
            }
            Self::Show { delivery, ledger } => show(&ledger, &delivery).await,
            Self::Undo { delivery, ledger } => Box::pin(undo::run(&ledger, &delivery)).await,
        }
    }
}

async fn list(ledger: &Ledger, filter: LoadFilter) -> anyhow::Result<()> {
    let loads = ledger.open().await?.loads(filter).await.map_err(explain)?;
    let rows: Vec<Vec<String>> = loads.iter().map(row).collect();
    table::print(
        &[
            "DELIVERY",
            "STATUS",
            "READ",
            "INSERTED",
            "UPDATED",
            "UNCHANGED",
            "REJECTED",
            "SUPERSEDED",
            "TABLE",
            "OBJECT",
        ],
        &rows,
    );
    Ok(())
}

fn row(load: &RecordedLoad) -> Vec<String> {
    let Counts {
        read,
        inserted,
        updated,
        unchanged,
        rejected,
        superseded,
    } = load.counts;
    let mut cells = vec![load.delivery.to_string(), load.state.as_str().to_owned()];
    cells.extend(
        [read, inserted, updated, unchanged, rejected, superseded].map(|count| count.to_string()),
    );
    cells.extend([load.table.clone(), load.source.to_string()]);
    cells
}

async fn show(ledger: &Ledger, delivery: &str) -> anyhow::Result<()> {
    let id: DeliveryId = delivery.parse().map_err(explain)?;
    let filter = LoadFilter {
        delivery: Some(id),
        ..LoadFilter::default()
    };
    let found = ledger.open().await?.loads(filter).await.map_err(explain)?;
    let load = found.into_iter().next().with_context(|| {
        format!("there is no load of delivery {id}; `quaymaster load list` shows those there are")
    })?;
    for (name, value) in describe(&load) {
        println!("{name:<12} {}", table::plain(&value));
    }
    Ok(())
}

fn describe(load: &RecordedLoad) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("delivery", load.delivery.to_string()),
        ("status", load.state.as_str().to_owned()),
        ("object", load.source.to_string()),
        ("route", load.route.to_string()),
        ("destination", load.destination.to_string()),
        ("table", format!("{} of {}", load.table, load.engine)),
        ("rows", load.counts.note()),
        ("began", table::time(load.began_at)),
    ];
    if let Some(ended_at) = load.ended_at {
        facts.push(("ended", table::time(ended_at)));
        facts.push(("took", table::span(ended_at.duration_since(load.began_at))));
    } else {
        facts.push(("counted", table::time(load.told_at)));
    }
    if let Some(rejects) = &load.rejects {
        facts.push(("rejects", rejects.to_string()));
    }
    facts
}
