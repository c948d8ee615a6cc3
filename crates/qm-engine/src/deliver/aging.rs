//! Deliveries that grow too old while they wait: for their time, for their turn, for a destination
//! that is closed, full or left alone. They are given up when their age is over, not when their
//! turn comes: nobody knows when that is.

use jiff::Timestamp;
use qm_core::config::{Config, Route};
use qm_core::delivery::Delivery;
use qm_core::{Kind, Result};
use std::time::Duration;

use super::record::expired_alert;
use super::{attempt, notifiers, rows};
use crate::driver::REST_MAX;
use crate::pace::Pace;
use crate::pass::Faults;
use crate::retain::later;
use crate::{Pass, Ports};

/// In one pass, of a route; the next pass follows at once.
const AT_A_TIME: u32 = 100;
/// What arrives is not older than its maximum age sooner than that.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Gives up those that are too old; when the next one will be.
pub(super) async fn look(ports: &Ports, config: &Config, pace: &Pace, faults: &mut Faults) -> Pass {
    let now = ports.clock.now();
    let ages = config.routes.values().filter_map(|route| route.max_age);
    let Some(shortest) = ages.min() else {
        return Pass::default();
    };
    let every = shortest.min(LOOK_EVERY).min(REST_MAX);
    if let Some(until) = pace.rests_until(now, every) {
        return Pass::default().at(Some(until));
    }
    let mut pass = Pass::default();
    let mut is_whole = true;
    for route in config.routes.values() {
        let Some(max_age) = route.max_age else {
            continue;
        };
        match faults.keep(of_route(ports, config, route, max_age, now).await) {
            Some(found) => {
                pass.has_progressed |= found.has_progressed;
                pass = pass.at(found.next);
            }
            None => is_whole = false,
        }
    }
    if is_whole && !pass.has_progressed {
        pace.looked(now, pass.next);
    }
    pass
}

async fn of_route(
    ports: &Ports,
    config: &Config,
    route: &Route,
    max_age: Duration,
    now: Timestamp,
) -> Result<Pass> {
    let mut pass = Pass::default();
    let oldest = ports.ledger.oldest_waiting(&route.name, AT_A_TIME).await?;
    for delivery in oldest {
        let expires_at = later(delivery.arrived_at, max_age);
        if expires_at > now {
            return Ok(pass.at(Some(expires_at)));
        }
        pass.has_progressed |= expire(ports, config, &delivery, max_age, now).await?;
    }
    Ok(pass)
}

/// False if it does not wait any more.
async fn expire(
    ports: &Ports,
    config: &Config,
    delivery: &Delivery,
    max_age: Duration,
    now: Timestamp,
) -> Result<bool> {
    let note = attempt::too_old(delivery, max_age).chain();
    let mut told = notifiers(delivery, config);
    told.extend(rows::report_of(config, &delivery.destination));
    let alert = expired_alert(delivery, &note, told, now);
    let expired = ports.ledger.expire(delivery, note.clone(), alert, now);
    match expired.await {
        Ok(()) => {
            let (source, destination) =
                (delivery.source.to_string(), delivery.destination.as_str());
            tracing::error!(id = %delivery.id, ?source, ?destination, note, "delivery expired");
            Ok(true)
        }
        // Its turn has come in between.
        Err(error) if error.kind() == Kind::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}
