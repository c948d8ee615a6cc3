//! Tables that are there, against what the configuration would load into them.

use std::time::Duration;

use crate::cli::table::plain;
use crate::node::connectors_for;
use qm_core::config::{Config, DestinationPlace};

/// A plan is for a person who waits.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// Prints a line for each difference, and for each table that cannot be looked at now.
pub(crate) async fn print_differences(config: &Config) -> anyhow::Result<()> {
    for (name, destination) in &config.destinations {
        match &destination.place {
            DestinationPlace::Table(_) => {}
            DestinationPlace::Directory(_)
            | DestinationPlace::Bucket(_)
            | DestinationPlace::Sftp(_) => continue,
        }
        let looking = async {
            let connectors = connectors_for(config, None)
                .await
                .map_err(|error| format!("{error:#}"))?;
            let said = |error: qm_core::Error| error.public_message().to_owned();
            match connectors.table(config, name).await.map_err(said)? {
                Some(table) => table.differences().await.map_err(said),
                None => Ok(Vec::new()),
            }
        };
        let looked = tokio::time::timeout(LOOK_LIMIT, looking).await;
        match looked.unwrap_or_else(|_| Err("it does not answer".to_owned())) {
            Ok(differences) => {
                for difference in differences {
                    println!("! destination {name}: {}", plain(&difference));
                }
            }
            Err(why) => {
                println!(
                    "? destination {name}: its table cannot be looked at now: {}",
                    plain(&why)
                );
            }
        }
    }
    Ok(())
}
