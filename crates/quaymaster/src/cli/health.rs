//! `quaymaster health`: for whoever watches a node, such as a container's health check.

use anyhow::{Context as _, bail};
use std::time::Duration;

use super::{Ledger, explain};
use crate::node::connect_operator;
use qm_sftp::client::Client;

/// Less than watchers allow a check: it must be us who says what is wrong.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Succeeds if the node of the data folder takes a session, and fails otherwise.
pub(crate) async fn run(options: &Ledger) -> anyhow::Result<()> {
    let data = options.data_folder()?;
    let answer = async {
        let Some(stream) = connect_operator(&data).await? else {
            bail!(
                "no node runs on the data folder {}\n  help: start it with `quaymaster serve`; its log tells why it ended",
                data.display()
            );
        };
        let client = Client::open(stream).await.map_err(explain);
        client.with_context(|| format!("the node on {} did not answer", data.display()))
    };
    if let Ok(answered) = tokio::time::timeout(ANSWER_WAIT, answer).await {
        answered?;
        println!("the node on {} answers", data.display());
        return Ok(());
    }
    bail!(
        "the node on {} did not answer within {} s\n  help: it hangs or has too much to do; its log tells more",
        data.display(),
        ANSWER_WAIT.as_secs()
    )
}
