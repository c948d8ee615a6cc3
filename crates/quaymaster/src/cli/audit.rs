//! `quaymaster audit …`

use clap::Subcommand;

use super::account::explain;
use super::{LIST_ROWS, Ledger, table};
use qm_core::audit::Decision;

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// List audit records, newest first
    List {
        /// Most rows
        #[arg(long, default_value_t = LIST_ROWS)]
        limit: u32,
        #[command(flatten)]
        ledger: Ledger,
    },
}

impl AuditCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let Self::List { limit, ledger } = self;
        let records = ledger.open().await?.audit(limit).await.map_err(explain)?;
        let rows: Vec<Vec<String>> = records
            .iter()
            .map(|(seq, record)| {
                let decision = match &record.decision {
                    Decision::Allowed => "allowed".to_owned(),
                    Decision::Denied(rule) => format!("denied: {rule}"),
                    Decision::Failed(reason) => format!("failed: {reason}"),
                };
                vec![
                    seq.to_string(),
                    table::time(record.at),
                    record.actor.clone(),
                    table::or_dash(record.source, |source| source.to_string()),
                    record.activity.as_str().to_owned(),
                    record.subject.clone(),
                    decision,
                ]
            })
            .collect();
        table::print(
            &[
                "SEQ", "AT", "ACTOR", "SOURCE", "ACTIVITY", "SUBJECT", "DECISION",
            ],
            &rows,
        );
        Ok(())
    }
}
