//! `quaymaster delivery …`

mod change;
mod show;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;

use super::account::explain;
use super::{LIST_ROWS, Ledger, moment, table};
use qm_core::delivery::Delivery;
use qm_core::id::{DestinationName, RouteName};
use qm_core::ports::ledger::DeliveryFilter;
pub(super) use show::find;

#[derive(Subcommand)]
pub(crate) enum DeliveryCommand {
    /// List deliveries, newest first
    List {
        /// Only in this state
        #[arg(long)]
        state: Option<State>,
        #[command(flatten)]
        which: Which,
        /// Most rows
        #[arg(long, default_value_t = LIST_ROWS)]
        limit: u32,
        #[command(flatten)]
        ledger: Ledger,
    },
    /// Show one delivery with all its attempts
    Show {
        /// Its id, as `list` shows it
        id: String,
        #[command(flatten)]
        ledger: Ledger,
    },
    /// Give dead deliveries new attempts: one by its id, or all of a route, a destination or a time
    Redrive {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        ledger: Ledger,
    },
    /// Print dead letters as JSON, one a line: the event, the request's id, the error; one by its id,
    /// or all of a route, a destination or a time
    Export {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        ledger: Ledger,
    },
    /// Purge dead letters, which no redrive brings back: one by its id, or all of a route, a
    /// destination or a time
    Purge {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        ledger: Ledger,
    },
    /// Give up deliveries that wait or are dead: one by its id, or all of a route, a destination or
    /// a time
    Cancel {
        /// Only in this state: waiting or dead
        #[arg(long, conflicts_with = "id")]
        state: Option<State>,
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        ledger: Ledger,
    },
}

#[derive(Args)]
pub(crate) struct Chosen {
    /// Its id, as `list` shows it
    #[arg(required_unless_present_any = ["route", "destination", "since", "until", "all"])]
    id: Option<String>,
    /// All of them
    #[arg(long, conflicts_with = "id")]
    all: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Args)]
pub(crate) struct Which {
    /// Only of this route
    #[arg(long)]
    route: Option<String>,
    /// Only to this destination; one that was looked up is ROUTE/KEY, as `list` shows it
    #[arg(long)]
    destination: Option<String>,
    /// Only those created at this time or later: 2026-11-20T17:00:00Z, 2026-11-20, or 2h ago as `2h`
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    since: Option<Timestamp>,
    /// Only those created before this time
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    until: Option<Timestamp>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum State {
    Waiting,
    Running,
    Delivered,
    Dead,
    Superseded,
    Cancelled,
    Purged,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Superseded => "superseded",
            Self::Cancelled => "cancelled",
            Self::Purged => "purged",
        }
    }
}

impl DeliveryCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List {
                state,
                which,
                limit,
                ledger,
            } => {
                let filter = DeliveryFilter {
                    state: state.map(State::as_str),
                    limit,
                    ..which.filter(None)?
                };
                list(&ledger, filter).await
            }
            Self::Show { id, ledger } => show::run(&ledger, &id).await,
            Self::Redrive { chosen, ledger } => change::redrive(&ledger, chosen.filter()?).await,
            Self::Export { chosen, ledger } => show::export(&ledger, chosen.filter()?).await,
            Self::Purge { chosen, ledger } => change::purge(&ledger, chosen.filter()?).await,
            Self::Cancel {
                state,
                chosen,
                ledger,
            } => {
                let filter = DeliveryFilter {
                    state: state.map(State::as_str),
                    ..chosen.filter()?
                };
                change::cancel(&ledger, filter).await
            }
        }
    }
}

impl Chosen {
    fn filter(&self) -> anyhow::Result<DeliveryFilter> {
        self.which.filter(self.id.as_deref())
    }
}

impl Which {
    fn filter(&self, id: Option<&str>) -> anyhow::Result<DeliveryFilter> {
        let destination = self.destination.as_deref();
        Ok(DeliveryFilter {
            id: id.map(str::parse).transpose().map_err(explain)?,
            route: self
                .route
                .as_deref()
                .map(RouteName::parse)
                .transpose()
                .map_err(explain)?,
            destination: destination
                .map(DestinationName::recorded)
                .transpose()
                .map_err(explain)?,
            since: self.since,
            until: self.until,
            ..DeliveryFilter::default()
        })
    }
}

async fn list(ledger: &Ledger, filter: DeliveryFilter) -> anyhow::Result<()> {
    let deliveries = ledger
        .open()
        .await?
        .deliveries(filter)
        .await
        .map_err(explain)?;
    let rows: Vec<Vec<String>> = deliveries.iter().map(row).collect();
    table::print(
        &[
            "DELIVERY",
            "STATE",
            "ATTEMPTS",
            "ROUTE",
            "DESTINATION",
            "OBJECT",
            "DOES",
            "LAST ERROR",
        ],
        &rows,
    );
    Ok(())
}

fn row(delivery: &Delivery) -> Vec<String> {
    let twice = if delivery.possible_duplicate {
        ", perhaps twice"
    } else {
        ""
    };
    vec![
        delivery.id.to_string(),
        format!("{}{twice}", delivery.state.as_str()),
        delivery.attempts.to_string(),
        delivery.route.to_string(),
        delivery.destination.to_string(),
        delivery.source.to_string(),
        delivery.effect.as_str().to_owned(),
        delivery.last_error.clone().unwrap_or_default(),
    ]
}
