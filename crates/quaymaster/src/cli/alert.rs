//! `quaymaster alert …`

use clap::Subcommand;

use super::account::explain;
use super::{LIST_ROWS, Ledger, status, table};
use crate::system::SystemClock;
use qm_core::ports::clock::Clock as _;

#[derive(Subcommand)]
pub(crate) enum AlertCommand {
    /// List alerts and the messages about them, newest first
    List {
        /// Most rows of each
        #[arg(long, default_value_t = LIST_ROWS)]
        limit: u32,
        #[command(flatten)]
        ledger: Ledger,
    },
    /// Send again the messages that could not be sent
    Resend(Ledger),
}

impl AlertCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List { limit, ledger } => list(&ledger, limit).await,
            Self::Resend(ledger) => {
                let count = ledger
                    .open()
                    .await?
                    .resend(SystemClock.now())
                    .await
                    .map_err(explain)?;
                println!("{count} messages will be sent again");
                Ok(())
            }
        }
    }
}

async fn list(ledger: &Ledger, limit: u32) -> anyhow::Result<()> {
    let ledger = ledger.open().await?;
    let alerts = ledger.alerts(limit).await.map_err(explain)?;
    let rows: Vec<Vec<String>> = alerts
        .iter()
        .map(|alert| {
            let resolved = table::or_dash(alert.resolved_at, table::time);
            vec![
                table::time(alert.raised_at),
                alert.state.as_str().to_owned(),
                resolved,
                alert.key.clone(),
                alert.text.subject.clone(),
            ]
        })
        .collect();
    table::print(&["RAISED", "STATE", "RESOLVED", "ALERT", "SUBJECT"], &rows);
    let counts = ledger.counts().await.map_err(explain)?;
    println!("\ndead letters  {}", status::count(&counts, "dead"));
    status::print_oldest(&ledger).await?;
    println!("\nmessages:");
    let messages = ledger.notifications(limit).await.map_err(explain)?;
    let rows: Vec<Vec<String>> = messages
        .iter()
        .map(|message| {
            vec![
                message.id.to_string(),
                message.state.as_str().to_owned(),
                message.attempts.to_string(),
                message.notifier.to_string(),
                message.text.subject.clone(),
                message.last_error.clone().unwrap_or_default(),
            ]
        })
        .collect();
    table::print(
        &[
            "ID",
            "STATE",
            "ATTEMPTS",
            "NOTIFIER",
            "SUBJECT",
            "LAST ERROR",
        ],
        &rows,
    );
    Ok(())
}
