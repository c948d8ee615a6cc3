//! Deliveries as a whole: too many dead letters, one that nobody took care of for too long, or a
//! delivery that has been open for too long. Told once, and that it is over once it is.

use jiff::{SignedDuration, Timestamp};
use qm_core::Result;
use qm_core::alert::{NewAlert, Text};
use qm_core::config::Config;
use qm_core::delivery::{Delivery, DeliveryState};
use qm_core::id::RouteName;
use qm_core::ports::ledger::DeliveryFilter;
use std::time::Duration;

use crate::driver::REST_MAX;
use crate::pace::Pace;
use crate::pass::Faults;
use crate::retain::later;
use crate::{Pass, Ports};

/// The key of the alert about the number of dead letters.
const NUMBER_KEY: &str = "dead-letters";
/// The key of the alert about the age of dead letters.
const OLD_KEY: &str = "old-dead-letters";
/// The key of the alert about the age of what is open.
const AGE_KEY: &str = "undelivered";

/// The key of the alert about what a route could not look up: one, however many files there are.
pub(crate) fn lookup_key(route: &RouteName) -> String {
    format!("lookup:{route}")
}

/// The key of the alert about what a route's step `screen` rejected.
pub(crate) fn screened_key(route: &RouteName) -> String {
    format!("screened:{route}")
}

/// Raises and resolves; when the oldest one will have been open for too long.
pub(super) async fn look(ports: &Ports, config: &Config, pace: &Pace, faults: &mut Faults) -> Pass {
    let now = ports.clock.now();
    let node = &config.node;
    let ages = [node.undelivered_alert_after, node.dead_letters_alert_after];
    let every = ages
        .into_iter()
        .flatten()
        .fold(REST_MAX, Duration::min)
        .max(Duration::from_secs(1));
    if let Some(until) = pace.rests_until(now, every) {
        return Pass::default().at(Some(until));
    }
    let number = faults.keep(number(ports, config, now).await);
    let letters = faults.keep(letters(ports, config, now).await);
    let age = faults.keep(age(ports, config, now).await);
    let routes = faults.keep(routes(ports, config, now).await);
    let mut pass = age.unwrap_or_default();
    let done = [number, letters, routes];
    pass.has_progressed |= done.contains(&Some(true));
    if age.is_some() && done.iter().all(Option::is_some) {
        pace.looked(now, pass.next);
    }
    pass
}

async fn number(ports: &Ports, config: &Config, now: Timestamp) -> Result<bool> {
    let Some(most) = config.node.dead_letters_alert else {
        return ports.ledger.resolve(NUMBER_KEY, None, now).await;
    };
    let counts = ports.ledger.counts().await?;
    let dead = counts
        .into_iter()
        .find(|(state, _)| *state == DeliveryState::Dead)
        .map_or(0, |(_, count)| count);
    if dead >= u64::from(most.max(1)) {
        return ports.ledger.raise(many(config, dead, now)).await;
    }
    let over = Text {
        subject: "Fewer deliveries are given up".to_owned(),
        body: format!(
            "{dead} deliveries are given up now, fewer than {most}, the number from which on the gateway \
             tells of it."
        ),
    };
    ports.ledger.resolve(NUMBER_KEY, Some(over), now).await
}

/// Told of anew when those of before were all taken care of. A redrive that fails makes a young one.
async fn letters(ports: &Ports, config: &Config, now: Timestamp) -> Result<bool> {
    let Some(after) = config.node.dead_letters_alert_after else {
        return ports.ledger.resolve(OLD_KEY, None, now).await;
    };
    let span = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
    let old = DeliveryFilter {
        state: Some(DeliveryState::Dead.as_str()),
        unchanged_since: Some(now.saturating_sub(span).unwrap_or(Timestamp::MIN)),
        limit: 1,
        ..DeliveryFilter::default()
    };
    let old = ports.ledger.deliveries(old).await?;
    if let Some(letter) = old.first() {
        return ports.ledger.raise(forgotten(config, letter, now)).await;
    }
    let over = Text {
        subject: "No dead letter is too old any more".to_owned(),
        body: "Those that were have been redriven, cancelled or purged.".to_owned(),
    };
    ports.ledger.resolve(OLD_KEY, Some(over), now).await
}

/// The alerts of routes that have no dead letter left are over. Asked of the rows and not
/// remembered: another node may have raised them.
async fn routes(ports: &Ports, config: &Config, now: Timestamp) -> Result<bool> {
    let mut any = false;
    for route in config.routes.keys() {
        let dead = DeliveryFilter {
            state: Some(DeliveryState::Dead.as_str()),
            route: Some(route.clone()),
            limit: 1,
            ..DeliveryFilter::default()
        };
        if ports.ledger.deliveries(dead).await?.is_empty() {
            for key in [lookup_key(route), screened_key(route)] {
                any |= ports.ledger.resolve(&key, None, now).await?;
            }
        }
    }
    Ok(any)
}

async fn age(ports: &Ports, config: &Config, now: Timestamp) -> Result<Pass> {
    let mut pass = Pass::default();
    let oldest = match config.node.undelivered_alert_after {
        Some(after) => ports.ledger.oldest_open().await?.map(|oldest| {
            let told_at = later(oldest.created_at, after);
            (oldest, told_at)
        }),
        None => None,
    };
    match oldest {
        Some((oldest, told_at)) if told_at <= now => {
            let alert = old(config, &oldest, now);
            pass.has_progressed = ports.ledger.raise(alert).await?;
        }
        Some(_) | None => {
            let over = Text {
                subject: "Deliveries are on time again".to_owned(),
                body: "No delivery has been open for too long any more.".to_owned(),
            };
            let over = config.node.undelivered_alert_after.map(|_| over);
            pass.has_progressed = ports.ledger.resolve(AGE_KEY, over, now).await?;
            pass = pass.at(oldest.map(|(_, told_at)| told_at));
        }
    }
    Ok(pass)
}

fn many(config: &Config, dead: u64, now: Timestamp) -> NewAlert {
    NewAlert {
        key: NUMBER_KEY.to_owned(),
        text: Text {
            subject: format!("{dead} deliveries are given up"),
            body: format!(
                "{dead} deliveries have failed so often or for such a reason that the gateway does not try \
                 them again by itself. Each file is still there.\n\nWhich and why: quaymaster delivery list \
                 --state dead\nWhen the cause is mended: quaymaster delivery redrive --all\nIf they are not \
                 wanted any more: quaymaster delivery cancel ID"
            ),
        },
        notifiers: config.node.alert.clone(),
        at: now,
    }
}

fn forgotten(config: &Config, letter: &Delivery, now: Timestamp) -> NewAlert {
    let Delivery {
        id,
        source,
        destination,
        updated_at,
        ..
    } = letter;
    let purged = match config.node.dead_letters_kept {
        None => "",
        Some(_) => " They are purged when their time is over (`dead_letters_kept`).",
    };
    NewAlert {
        key: OLD_KEY.to_owned(),
        text: Text {
            subject: "Dead letters have not been taken care of".to_owned(),
            body: format!(
                "The delivery of {source} to {destination} was given up at {updated_at}, and nothing was done \
                 about it since; others may be as old or older.{purged}\n\nMore of it: quaymaster delivery \
                 show {id}\nAll of them: quaymaster delivery list --state dead\nWhen the cause is mended: \
                 quaymaster delivery redrive --all\nIf they are not wanted any more: quaymaster delivery \
                 cancel ID"
            ),
        },
        notifiers: config.node.alert.clone(),
        at: now,
    }
}

fn old(config: &Config, oldest: &Delivery, now: Timestamp) -> NewAlert {
    let Delivery {
        id,
        source,
        destination,
        route,
        created_at,
        attempts,
        ..
    } = oldest;
    let why = match &oldest.last_error {
        Some(error) => format!("The last of {attempts} attempts failed: {error}"),
        None => {
            "It waits for its turn: the destination may be busy, closed or left alone because it \
                 fails."
                .to_owned()
        }
    };
    NewAlert {
        key: AGE_KEY.to_owned(),
        text: Text {
            subject: format!("{source} has not been delivered to {destination}"),
            body: format!(
                "The delivery of {source} to {destination} by route {route} has been open since \
                 {created_at}; others may be as well. {why}\n\nMore of it: quaymaster delivery show {id}\nAll \
                 that wait: quaymaster delivery list --state waiting"
            ),
        },
        notifiers: config.node.alert.clone(),
        at: now,
    }
}
