//! `quaymaster simulate`: what would be decided about a file, without doing anything.

mod lookup;
#[cfg(test)]
mod tests;

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::{SignedDuration, Timestamp};

use super::{ConfigOption, configuration, moment, table};
use crate::cli::explain;
use crate::node::{Connectors, connectors_for};
use crate::system::SystemClock;
use qm_core::account::{Account, Verb};
use qm_core::config::{
    AfterDelivery, Config, Deliver, Destination, DestinationPlace, OnFailure, Propagate, Route,
};
use qm_core::file_type::FileType;
use qm_core::id::{AccountName, BucketName, DestinationName};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::ports::clock::Clock as _;
use qm_core::retry::RetryPolicy;
use qm_core::screen::Screen;
use qm_core::temp_name;
use qm_core::template::{Facts, Template};

/// What a file has that nobody said the size of.
const SIZE_BYTES: u64 = 1_024;

#[derive(Args)]
pub(crate) struct SimulateOptions {
    #[command(flatten)]
    config: ConfigOption,
    /// The file, with its bucket: landing/north/a.csv
    #[arg(long)]
    path: String,
    /// Who uploads it; without, it is simply there
    #[arg(long)]
    account: Option<String>,
    /// Its size in bytes
    #[arg(long, value_name = "BYTES", default_value_t = SIZE_BYTES)]
    size: u64,
    /// When it arrives: 2026-11-20T17:00:00Z, 2026-11-20, or 2h ago as `2h`; without, now
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    at: Option<Timestamp>,
}

/// A file that is not there.
struct File<'a> {
    path: &'a ObjectPath,
    size_bytes: u64,
    facts: Facts<'a>,
}

pub(crate) async fn run(options: &SimulateOptions) -> anyhow::Result<()> {
    let config = configuration::load(&options.config.config)?.config;
    let path = path(&config, &options.path)?;
    let account = account(&config, &path, options.account.as_deref())?;
    let partner = account.map(|account| &account.partner);
    let file = File {
        path: &path,
        size_bytes: options.size,
        facts: Facts {
            path: &path,
            partner,
            arrived_at: options.at.unwrap_or_else(|| SystemClock.now()),
        },
    };
    let whose = partner.map_or_else(
        || "in nobody's mailbox".to_owned(),
        |partner| format!("of partner `{partner}`"),
    );
    println!(
        "`{}`, {} bytes, {whose}, arrives at {}",
        table::plain(&path.to_string()),
        file.size_bytes,
        table::time(file.facts.arrived_at)
    );
    let connectors = connectors_for(&config, None).await?;
    for route in config.routes.values() {
        println!();
        for line in decisions(&config, &connectors, route, &file).await {
            println!("{}", table::plain(&line));
        }
    }
    if config.routes.is_empty() {
        println!("\nthere is no route: it stays where it is");
    }
    Ok(())
}

fn path(config: &Config, text: &str) -> anyhow::Result<ObjectPath> {
    let (bucket, key) = text
        .split_once('/')
        .with_context(|| format!("`{text}` has no bucket before its first `/`"))?;
    let bucket = BucketName::parse(bucket).map_err(explain)?;
    if !config.buckets.contains_key(&bucket) {
        let names: Vec<&str> = config.buckets.keys().map(BucketName::as_str).collect();
        bail!(
            "there is no bucket `{bucket}`; there are: {}",
            names.join(", ")
        );
    }
    let key = ObjectKey::parse(key).map_err(explain)?;
    Ok(ObjectPath { bucket, key })
}

/// Whose the file is. One that uploads it must be able to.
fn account<'c>(
    config: &'c Config,
    path: &ObjectPath,
    name: Option<&str>,
) -> anyhow::Result<Option<&'c Account>> {
    let Some(name) = name else {
        return Ok(config.account_of(&path.bucket, &path.key.folder()));
    };
    let name = AccountName::parse(name).map_err(explain)?;
    let account = config.accounts.get(&name).with_context(|| {
        let names: Vec<&str> = config.accounts.keys().map(AccountName::as_str).collect();
        format!(
            "there is no account `{name}`; there are: {}",
            names.join(", ")
        )
    })?;
    let mailbox = &account.mailbox;
    let is_inside = mailbox.bucket == path.bucket && path.key.folder().is_within(&mailbox.prefix);
    if !is_inside {
        bail!("`{path}` is not in the mailbox {mailbox} of account `{name}`");
    }
    if !account.may.contains(&Verb::Write) {
        bail!("account `{name}` may not upload");
    }
    let file_name = path.key.file_name();
    if temp_name::is_temp(file_name, &account.temp_suffixes) {
        bail!("`{file_name}` is a name of an unfinished upload: it arrives under its final name");
    }
    let is_allowed = account.types.as_ref().is_none_or(|types| {
        FileType::of(file_name).is_some_and(|of_file| types.contains(&of_file))
    });
    if !is_allowed {
        let types = account.types.as_deref().unwrap_or_default();
        bail!(
            "account `{name}` may not upload `{file_name}`: its types are {}",
            qm_core::file_type::listed(types)
        );
    }
    Ok(Some(account))
}

/// All that a route would decide, a line each.
async fn decisions(
    config: &Config,
    connectors: &Connectors,
    route: &Route,
    file: &File<'_>,
) -> Vec<String> {
    let name = &route.name;
    if !route.arrives.matches(file.path) {
        return vec![format!(
            "route {name}: no, `{}` does not match",
            route.arrives
        )];
    }
    if !route.is_started_by(file.path, file.size_bytes) {
        return vec![format!(
            "route {name}: no, it has fewer than {} bytes (`min_size`)",
            route.min_size_bytes
        )];
    }
    let mut lines = vec![format!("route {name}: yes, `{}` matches", route.arrives)];
    match screened(&route.screen, file) {
        Ok(sentence) => lines.push(format!("  screen       {sentence}")),
        Err(sentence) => {
            lines.push(format!("  screen       REJECTED: {sentence}"));
            lines.push(format!("  rejected     {}", rejected(route, file)));
            return lines;
        }
    }
    match &route.deliver {
        Deliver::To(names) => {
            for name in names {
                lines.extend(to(config, name, file));
            }
        }
        Deliver::LookUp(lookup) => {
            match lookup::looked_up(config, connectors, route, lookup, file).await {
                Ok(found) => lines.extend(found),
                Err(not_found) => {
                    lines.extend(not_found);
                    return lines;
                }
            }
        }
    }
    lines.push(format!("  attempts     {}", attempts(&route.retry)));
    lines.push(format!("  max age      {}", max_age(route, file)));
    lines.push(format!("  order        {}", order(config, route)));
    lines.push(format!("  afterwards   {}", afterwards(route, file)));
    lines.extend(route.propagate.iter().map(|propagate| followed(*propagate)));
    lines
}

/// What becomes of the copies when the object departs.
fn followed(propagate: Propagate) -> String {
    match propagate {
        Propagate::Delete => {
            "  if removed   what was delivered is removed there, if it still is that".to_owned()
        }
        Propagate::Rename => {
            "  if renamed   it is delivered under its new name, then the old one is removed there"
                .to_owned()
        }
    }
}

fn screened(screen: &Screen, file: &File<'_>) -> Result<String, String> {
    if screen.is_open() {
        return Ok("nothing is checked".to_owned());
    }
    screen
        .check_name_and_size(file.path.key.file_name(), file.size_bytes)
        .map_err(|error| error.public_message().to_owned())?;
    Ok(match &screen.types {
        None => "passed".to_owned(),
        Some(_) => "passed by name and size; the content is checked when it is there".to_owned(),
    })
}

fn rejected(route: &Route, file: &File<'_>) -> String {
    let Some(quarantine) = &route.screen.quarantine else {
        return "it stays where it is; somebody is told".to_owned();
    };
    match quarantine.render(&file.facts) {
        Ok(to) => format!("it goes to `{}/{to}`; somebody is told", file.path.bucket),
        Err(error) => format!("it stays where it is: {}", error.public_message()),
    }
}

fn to(config: &Config, name: &DestinationName, file: &File<'_>) -> Vec<String> {
    let target = match config.destinations.get(name) {
        None => Err("there is no such destination".to_owned()),
        Some(destination) => destination
            .target(&file.facts)
            .and_then(|target| whole(destination, &target, file))
            .map_err(|error| error.public_message().to_owned()),
    };
    let target = target.unwrap_or_else(|why| format!("DEAD LETTER: {why}"));
    vec![
        format!("  destination  {name}"),
        format!("  name there   {target}"),
    ]
}

/// A name at a destination, with where that is; refused where the delivery would be.
fn whole(destination: &Destination, target: &str, file: &File<'_>) -> qm_core::Result<String> {
    match &destination.place {
        DestinationPlace::Directory(_) | DestinationPlace::Table(_) => Ok(target.to_owned()),
        DestinationPlace::Bucket(place) => {
            let key = place.prefix.join(target)?;
            Ok(format!("{key} in bucket {}", place.bucket))
        }
        DestinationPlace::Sftp(place) => in_folder(&place.folder, target, file),
    }
}

fn in_folder(folder: &Template, target: &str, file: &File<'_>) -> qm_core::Result<String> {
    let folder = folder.render(&file.facts)?;
    Ok(format!("{target} in folder {folder}"))
}

/// With the word that the configuration has for it.
fn attempts(retry: &RetryPolicy) -> String {
    if *retry == RetryPolicy::lambda() {
        format!("`lambda`: {retry}")
    } else if *retry == RetryPolicy::camel() {
        format!("`camel`: {retry}")
    } else {
        retry.to_string()
    }
}

fn max_age(route: &Route, file: &File<'_>) -> String {
    let Some(age) = route.max_age else {
        return "none: it is not given up for its age".to_owned();
    };
    let until = SignedDuration::try_from(age)
        .ok()
        .and_then(|age| file.facts.arrived_at.checked_add(age).ok())
        .unwrap_or(Timestamp::MAX);
    format!(
        "{} seconds: what waits at {} is given up, and somebody is told",
        age.as_secs(),
        table::time(until)
    )
}

/// Among versions that have one name there.
fn order(config: &Config, route: &Route) -> String {
    let adding = adding(config, route);
    let words = match route.on_failure {
        OnFailure::Block => "`block`: a newer one waits until this one has ended",
        OnFailure::SkipSuperseded if !adding.is_empty() => {
            return format!(
                "`skip_superseded`: a newer one takes the place of this one if it still waits, \
                 but waits too where rows are added: {}",
                adding.join(", ")
            );
        }
        OnFailure::SkipSuperseded => {
            "`skip_superseded`: a newer one takes the place of this one if it still waits"
        }
        OnFailure::Independent => {
            "`independent`: a newer one does not wait for another attempt of this one"
        }
    };
    words.to_owned()
}

/// Destinations of the route where no version takes the place of another.
fn adding<'c>(config: &Config, route: &'c Route) -> Vec<&'c str> {
    match &route.deliver {
        Deliver::To(names) => names
            .iter()
            .filter(|name| config.adds(name))
            .map(DestinationName::as_str)
            .collect(),
        Deliver::LookUp(_) => Vec::new(),
    }
}

fn afterwards(route: &Route, file: &File<'_>) -> String {
    match &route.after {
        AfterDelivery::Keep => "it stays".to_owned(),
        AfterDelivery::Delete => "it is removed when all its deliveries have succeeded".to_owned(),
        AfterDelivery::Move(to) => match to.render(&file.facts) {
            Ok(to) => format!(
                "it moves to `{}/{to}` when all its deliveries have succeeded",
                file.path.bucket
            ),
            Err(error) => format!("it stays: {}", error.public_message()),
        },
    }
}
