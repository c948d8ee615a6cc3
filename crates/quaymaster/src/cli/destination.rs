//! `quaymaster destination …`

use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::{ConfigOption, configuration, table};
use crate::cli::explain;
use crate::node::{connectors_for, refuse_root};
use qm_core::config::{
    Config, Deliver, Destination, DestinationLimits, DestinationPlace, LookupPlace, SecretStore,
    TableEngine,
};
use qm_core::id::{DestinationName, RouteName};
use qm_core::ports::connector::Finding;
use qm_engine::Way;

#[derive(Subcommand)]
pub(crate) enum DestinationCommand {
    /// List the destinations of a configuration, and the routes that look theirs up
    List(ConfigOption),
    /// Try all that a delivery needs, and tell what was found; leaves nothing behind
    Test {
        /// The destination; with --key, the route that looks it up
        name: String,
        /// What the route would look up: the name of a secret, as in sftp/acme, or the key of an item
        #[arg(long)]
        key: Option<String>,
        #[command(flatten)]
        config: ConfigOption,
    },
}

impl DestinationCommand {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(config) => {
                list(&configuration::load(&config.config)?.config);
                Ok(())
            }
            Self::Test { name, key, config } => {
                let config = configuration::load(&config.config)?.config;
                refuse_root(&config.node.data)?;
                test(&config, &found(&config, &name, key.as_deref())?).await
            }
        }
    }
}

fn list(config: &Config) {
    let configured = config
        .destinations
        .iter()
        .map(|(name, destination)| row(name.to_string(), place(destination), &destination.limits));
    let looked_up = config
        .routes
        .values()
        .filter_map(|route| match &route.deliver {
            Deliver::To(_) => None,
            Deliver::LookUp(lookup) => {
                let store = match &lookup.store {
                    LookupPlace::Secrets(SecretStore::Node) => "the secrets of the node".to_owned(),
                    LookupPlace::Secrets(SecretStore::Aws(_)) => "AWS Secrets Manager".to_owned(),
                    LookupPlace::Table(place) => format!("table {} of DynamoDB", place.table),
                };
                let mut place = format!("looked up in {store} as {}", lookup.name);
                for (number, name) in lookup.destinations.iter().enumerate() {
                    let before = if number == 0 { ", perhaps " } else { ", " };
                    place.push_str(before);
                    place.push_str(name.as_str());
                }
                Some(row(format!("{}/…", route.name), place, &lookup.limits))
            }
        });
    let rows: Vec<Vec<String>> = configured.chain(looked_up).collect();
    table::print(&["DESTINATION", "PLACE", "AT A TIME"], &rows);
}

fn row(name: String, place: String, limits: &DestinationLimits) -> Vec<String> {
    vec![name, place, limits.concurrency.to_string()]
}

fn place(destination: &Destination) -> String {
    match &destination.place {
        DestinationPlace::Directory(place) => format!("directory {}", place.folder.display()),
        DestinationPlace::Bucket(place) if place.prefix.is_root() => {
            format!("bucket {}", place.bucket)
        }
        DestinationPlace::Bucket(place) => format!("bucket {}/{}", place.bucket, place.prefix),
        DestinationPlace::Sftp(place) => {
            format!("sftp://{}@{}:{}", place.user, place.host, place.port)
        }
        DestinationPlace::Table(place) => {
            let table = &place.table;
            match &place.engine {
                TableEngine::Sqlite { file } => format!("table {table} of {}", file.display()),
                TableEngine::Postgres { url } => {
                    format!("table {table} of PostgreSQL by secret:{}", url.0)
                }
                TableEngine::DynamoDb { .. } => format!("table {table} of DynamoDB"),
            }
        }
    }
}

fn found(config: &Config, name: &str, key: Option<&str>) -> anyhow::Result<DestinationName> {
    let Some(key) = key else {
        let destination = DestinationName::parse(name).map_err(explain)?;
        if config.destinations.contains_key(&destination) {
            return Ok(destination);
        }
        let names: Vec<&str> = config
            .destinations
            .keys()
            .map(DestinationName::as_str)
            .collect();
        bail!(
            "there is no destination `{destination}`; there are: {}\n  help: for one that a route looks up, write \
             `quaymaster destination test ROUTE --key KEY`",
            names.join(", ")
        );
    };
    let route = RouteName::parse(name).map_err(explain)?;
    let is_looked_up = config
        .routes
        .get(&route)
        .with_context(|| format!("there is no route `{route}`"))?
        .named_destinations()
        .is_empty();
    if !is_looked_up {
        bail!("route `{route}` names its destinations: test those, without --key");
    }
    Ok(DestinationName::looked_up(&route, key))
}

async fn test(config: &Config, name: &DestinationName) -> anyhow::Result<()> {
    let mut way = way(config, name).await?;
    if let Some(to) = way.leads_to.take() {
        println!("ok      lookup: it leads to destination `{to}`");
        // With the bucket of that one open.
        way = self::way(config, &to).await?;
    }
    let findings = way.connector.test().await;
    for Finding { what, result } in &findings {
        let (sign, sentence) = match result {
            Ok(sentence) => ("ok", sentence),
            Err(sentence) => ("FAILED", sentence),
        };
        println!("{sign:<7} {what}: {}", table::plain(sentence));
    }
    if findings.iter().any(|finding| finding.result.is_err()) {
        bail!("destination `{name}` does not work");
    }
    println!("destination `{name}` works");
    Ok(())
}

async fn way(config: &Config, name: &DestinationName) -> anyhow::Result<Way> {
    let connectors = connectors_for(config, Some(name)).await?;
    connectors.way(config, name).await.map_err(explain)
}
