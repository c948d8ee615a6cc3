//! `quaymaster delivery …`

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};

use super::account::explain;
use super::{LIST_ROWS, Ledger, ledger, table};
use crate::system::SystemClock;
use qm_core::audit::Activity;
use qm_core::delivery::{Delivery, DeliveryState};
use qm_core::id::{DestinationName, RouteName};
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::{Deliveries as _, DeliveryFilter};

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
    /// Give dead deliveries new attempts: one by its id, or all of a route or destination
    Redrive {
        /// Its id, as `list` shows it
        #[arg(required_unless_present_any = ["route", "destination", "all"])]
        id: Option<String>,
        /// All that are dead
        #[arg(long, conflicts_with = "id")]
        all: bool,
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        ledger: Ledger,
    },
}

#[derive(Args)]
pub(crate) struct Which {
    /// Only of this route
    #[arg(long)]
    route: Option<String>,
    /// Only to this destination
    #[arg(long)]
    destination: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum State {
    Waiting,
    Running,
    Delivered,
    Dead,
    Superseded,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Superseded => "superseded",
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
            Self::Show { id, ledger } => show(&ledger, &id).await,
            Self::Redrive {
                id,
                all: _,
                which,
                ledger,
            } => redrive(&ledger, which.filter(id.as_deref())?).await,
        }
    }
}

impl Which {
    fn filter(&self, id: Option<&str>) -> anyhow::Result<DeliveryFilter> {
        Ok(DeliveryFilter {
            id: id.map(str::parse).transpose().map_err(explain)?,
            route: self
                .route
                .as_deref()
                .map(RouteName::parse)
                .transpose()
                .map_err(explain)?,
            destination: self
                .destination
                .as_deref()
                .map(DestinationName::parse)
                .transpose()
                .map_err(explain)?,
            ..DeliveryFilter::default()
        })
    }
}

async fn list(ledger: &Ledger, filter: DeliveryFilter) -> anyhow::Result<()> {
    let deliveries = ledger.open()?.deliveries(filter).await.map_err(explain)?;
    let rows: Vec<Vec<String>> = deliveries
        .iter()
        .map(|delivery| {
            vec![
                delivery.id.to_string(),
                delivery.state.as_str().to_owned(),
                delivery.attempts.to_string(),
                delivery.route.to_string(),
                delivery.destination.to_string(),
                delivery.source.to_string(),
                delivery.last_error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    table::print(
        &[
            "DELIVERY",
            "STATE",
            "ATTEMPTS",
            "ROUTE",
            "DESTINATION",
            "OBJECT",
            "LAST ERROR",
        ],
        &rows,
    );
    Ok(())
}

async fn show(ledger: &Ledger, id: &str) -> anyhow::Result<()> {
    let ledger = ledger.open()?;
    let id = id.parse().map_err(explain)?;
    let filter = DeliveryFilter {
        id: Some(id),
        ..DeliveryFilter::default()
    };
    let Some(delivery) = ledger
        .deliveries(filter)
        .await
        .map_err(explain)?
        .into_iter()
        .next()
    else {
        bail!("there is no delivery {id}; `quaymaster delivery list` shows those there are");
    };
    for (name, value) in describe(&delivery) {
        println!("{name:<12} {}", table::plain(&value));
    }
    println!();
    let attempts = ledger.attempts(id).await.map_err(explain)?;
    let rows: Vec<Vec<String>> = attempts
        .iter()
        .map(|attempt| {
            let ended = table::or_dash(attempt.ended_at, table::time);
            let note = attempt.note.clone().unwrap_or_default();
            vec![
                attempt.number.to_string(),
                table::time(attempt.began_at),
                ended,
                note,
            ]
        })
        .collect();
    table::print(&["ATTEMPT", "BEGAN", "ENDED", "RESULT"], &rows);
    Ok(())
}

fn describe(delivery: &Delivery) -> Vec<(&'static str, String)> {
    let state = if let DeliveryState::Waiting { ready_at } = &delivery.state {
        format!("waiting until {}", table::time(*ready_at))
    } else {
        delivery.state.as_str().to_owned()
    };
    vec![
        ("delivery", delivery.id.to_string()),
        ("state", state),
        ("object", delivery.source.to_string()),
        ("version", delivery.version.id.to_string()),
        ("bytes", delivery.version.size_bytes.to_string()),
        ("sha256", delivery.version.sha256.to_string()),
        ("arrival", delivery.arrival.to_string()),
        ("route", delivery.route.to_string()),
        ("destination", delivery.destination.to_string()),
        ("target", delivery.target.clone()),
        ("created", table::time(delivery.created_at)),
        ("updated", table::time(delivery.updated_at)),
    ]
}

async fn redrive(ledger: &Ledger, filter: DeliveryFilter) -> anyhow::Result<()> {
    let asked_for_one = filter.id.is_some();
    let what = [
        filter.id.map(|id| id.to_string()),
        filter.route.as_ref().map(|route| format!("route {route}")),
        filter
            .destination
            .as_ref()
            .map(|destination| format!("destination {destination}")),
    ];
    let what: Vec<String> = what.into_iter().flatten().collect();
    let what = if what.is_empty() {
        "all dead deliveries".to_owned()
    } else {
        what.join(", ")
    };
    let record = ledger::operator(Activity::Redrive, what);
    let redriven = ledger
        .open()?
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
