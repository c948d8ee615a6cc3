//! The way of a delivery: by which route, to which destination, under which name there.

use qm_core::config::{Config, Deliver, Lookup, Route};
use qm_core::delivery::{Delivery, Effect};
use qm_core::id::DestinationName;
use qm_core::ports::connector::Shipment;
use qm_core::template::Facts;
use qm_core::{Error, Kind, Result};

use super::job::Job;
use crate::Way;
use crate::facts::{facts, name};

/// A way that was found.
pub(super) struct Found {
    pub(super) way: Way,
    pub(super) target: String,
    /// Where the attempt counts, see [`super::leads`].
    pub(super) place: DestinationName,
}

/// Finds the way; an error says what is missing on it.
pub(super) async fn find(job: &Job) -> Result<Found> {
    let (config, delivery) = (&*job.config, &job.delivery);
    let facts = facts(config, &delivery.source, delivery.arrived_at);
    let route = job.route().ok_or_else(|| {
        gone(format!(
            "route `{}` is not in the configuration any more",
            delivery.route
        ))
    })?;
    check_names(config, route, delivery, &facts)?;
    let way = job.ports.outside.way(delivery).await?;
    let leads_to = way.leads_to.as_ref();
    let place = leads_to.unwrap_or(&delivery.destination).clone();
    job.leads.learned(&delivery.destination, &place, config);
    let configured = leads_to.and_then(|to| config.destinations.get(to));
    let target = match (delivery.effect, &way.name, configured) {
        // What is there has the name that it was given then.
        (Effect::Remove { .. }, _, _) => delivery.target.clone(),
        // Not what an attempt may have named it that led elsewhere.
        (Effect::Put, None, None) if delivery.destination.as_looked_up().is_some() => {
            Lookup::target(&delivery.source.key).to_owned()
        }
        (Effect::Put, None, None) => delivery.target.clone(),
        (Effect::Put, Some(template), _) => name(template, &facts)?.as_str().to_owned(),
        (Effect::Put, None, Some(to)) => to.target(&facts).map_err(unnamed)?,
    };
    Ok(Found { way, target, place })
}

impl Found {
    /// What the connector is given.
    pub(super) fn shipment<'a>(&'a self, job: &'a Job) -> Shipment<'a> {
        let delivery = &job.delivery;
        Shipment {
            delivery,
            target: &self.target,
            facts: facts(&job.config, &delivery.source, delivery.arrived_at),
            pace: job.pace.as_ref().map(|pace| pace as _),
            progress: job.rows.as_ref().map(|rows| rows as _),
        }
    }
}

/// The destination is there, and the names that were made when the file was routed could be made.
fn check_names(
    config: &Config,
    route: &Route,
    delivery: &Delivery,
    facts: &Facts<'_>,
) -> Result<()> {
    let to = &delivery.destination;
    let Some((_, key)) = to.as_looked_up() else {
        let destination = config.destinations.get(to).ok_or_else(|| {
            gone(format!(
                "destination `{to}` is not in the configuration any more"
            ))
        })?;
        return destination.target(facts).map(|_| ()).map_err(unnamed);
    };
    match &route.deliver {
        Deliver::To(_) => Err(gone(format!(
            "route `{}` does not look up its destination any more",
            route.name
        ))),
        Deliver::LookUp(lookup) if key.is_empty() => {
            lookup.key(facts).map_err(unnamed)?;
            Err(Error::new(
                Kind::Refused,
                "the name to look up could not be made when the file arrived; let it arrive again",
            )
            .during("looking up the way"))
        }
        Deliver::LookUp(_) => Ok(()),
    }
}

fn gone(message: String) -> Error {
    Error::new(Kind::Refused, message)
        .during("looking up the way")
        .help("put it back into the configuration and redrive the delivery")
}

/// Trying again makes the same name of the same facts.
fn unnamed(cause: Error) -> Error {
    Error::new(
        Kind::Refused,
        format!("no name could be made: {}", cause.public_message()),
    )
    .during("looking up the way")
    .source(cause)
}
