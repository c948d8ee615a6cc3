//! `quaymaster inbox …`

use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::account::explain;
use super::{LIST_ROWS, Ledger, ledger, table};
use crate::system::SystemClock;
use qm_core::audit::Activity;
use qm_core::notification::dead_letter;
use qm_core::ports::clock::Clock as _;
use qm_core::ports::ledger::{EventState, InboxRow};

/// How far back `show` looks for an event.
const HISTORY: u32 = 10_000;

#[derive(Subcommand)]
pub(crate) enum InboxCommand {
    /// List what was told of files that others put into watched buckets, newest first
    List {
        /// Only those that were given up
        #[arg(long)]
        dead: bool,
        /// Most rows
        #[arg(long, default_value_t = LIST_ROWS)]
        limit: u32,
        #[command(flatten)]
        ledger: Ledger,
    },
    /// Show one event as it came
    Show {
        /// Its number, as `list` shows it
        id: i64,
        /// As a dead letter: the event, the request's id, the error
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        ledger: Ledger,
    },
    /// Read again what was given up: one event by its number, or all
    Redrive {
        /// Its number, as `list` shows it
        #[arg(required_unless_present = "all")]
        id: Option<i64>,
        /// All that were given up
        #[arg(long, conflicts_with = "id")]
        all: bool,
        #[command(flatten)]
        ledger: Ledger,
    },
}

impl InboxCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List {
                dead,
                limit,
                ledger,
            } => list(&ledger, limit, dead.then_some(true)).await,
            Self::Show { id, json, ledger } => {
                let as_what = if json { As::DeadLetter } else { As::Facts };
                show(&ledger, id, as_what).await
            }
            Self::Redrive { id, all: _, ledger } => redrive(&ledger, id).await,
        }
    }
}

async fn list(ledger: &Ledger, limit: u32, is_dead: Option<bool>) -> anyhow::Result<()> {
    let events = ledger
        .open()
        .await?
        .events(limit, is_dead)
        .await
        .map_err(explain)?;
    let rows: Vec<Vec<String>> = events
        .iter()
        .map(|row| {
            let (state, note) = state(row);
            vec![
                row.id.to_string(),
                table::time(row.event.received_at),
                row.event.bucket.to_string(),
                state.to_owned(),
                row.attempts.to_string(),
                note,
            ]
        })
        .collect();
    table::print(
        &["EVENT", "RECEIVED", "BUCKET", "STATE", "ATTEMPTS", "NOTE"],
        &rows,
    );
    Ok(())
}

/// How an event is shown.
#[derive(Clone, Copy)]
enum As {
    Facts,
    DeadLetter,
}

async fn show(ledger: &Ledger, id: i64, as_what: As) -> anyhow::Result<()> {
    let ledger = ledger.open().await?;
    let mut found = None;
    // The dead ones first: they are fewer, and it is them that are asked for.
    for is_dead in [Some(true), Some(false)] {
        if found.is_none() {
            let events = ledger.events(HISTORY, is_dead).await.map_err(explain)?;
            found = events.into_iter().find(|row| row.id == id);
        }
    }
    let row = found.with_context(|| {
        format!("there is no event {id}; `quaymaster inbox list` shows those there are")
    })?;
    match as_what {
        As::Facts => {}
        As::DeadLetter => {
            println!("{}", dead_letter::of_event(&row));
            return Ok(());
        }
    }
    let (state, note) = state(&row);
    let facts = [
        ("event", row.id.to_string()),
        ("bucket", row.event.bucket.to_string()),
        ("message", row.event.id.clone()),
        ("received", table::time(row.event.received_at)),
        ("state", state.to_owned()),
        ("attempts", row.attempts.to_string()),
        ("note", note),
        ("last error", row.last_error.clone().unwrap_or_default()),
    ];
    for (name, value) in facts {
        println!("{name:<12} {}", table::plain(&value));
    }
    println!("\n{}", table::plain(&row.event.body));
    Ok(())
}

async fn redrive(ledger: &Ledger, id: Option<i64>) -> anyhow::Result<()> {
    let what = id.map_or_else(|| "all dead events".to_owned(), |id| format!("event {id}"));
    let record = ledger::operator(Activity::Redrive, what);
    let redriven = ledger
        .open()
        .await?
        .redrive_events(id, record, SystemClock.now())
        .await
        .map_err(explain)?;
    match (redriven, id) {
        (0, Some(_)) => bail!(
            "that event does not exist or is not dead; `quaymaster inbox list --dead` shows those that are"
        ),
        (0, None) => println!("no event is dead"),
        (count, _) => println!("{count} will be read again"),
    }
    Ok(())
}

fn state(row: &InboxRow) -> (&'static str, String) {
    match &row.state {
        EventState::Waiting(at) if row.attempts == 0 => {
            ("waiting", format!("until {}", table::time(*at)))
        }
        EventState::Waiting(at) => (
            "waiting",
            format!(
                "until {}: {}",
                table::time(*at),
                row.last_error.as_deref().unwrap_or_default()
            ),
        ),
        EventState::Done(note) => ("done", note.clone()),
        EventState::Dead(reason) => ("dead", reason.clone()),
    }
}
