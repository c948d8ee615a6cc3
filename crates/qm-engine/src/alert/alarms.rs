//! Alarms on destinations: what the rows say of the last minutes, against the numbers from which on
//! somebody is told; and told once more when it is over.

use jiff::{SignedDuration, Timestamp};
use qm_core::Result;
use qm_core::alarm::{Alarm, KEY_BEGINS, Metric};
use qm_core::alert::NewAlert;
use qm_core::config::{Config, Destination};
use qm_core::id::DestinationName;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::pace::Pace;
use crate::pass::Faults;
use crate::ports::told;
use crate::retain::later;
use crate::{Pass, Ports};

/// The shortest window that an alarm may have.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Raises and resolves.
pub(super) async fn look(ports: &Ports, config: &Config, pace: &Pace, faults: &mut Faults) -> Pass {
    let now = ports.clock.now();
    let has_any = config
        .destinations
        .values()
        .any(|destination| !destination.alarms.rules.is_empty());
    if let Some(until) = pace.rests_until(now, LOOK_EVERY) {
        return Pass::default().at(has_any.then_some(until));
    }
    let mut pass = Pass::default();
    // Asked of the rows and not remembered: another node may have raised them.
    let Some(firing) = faults.keep(ports.ledger.firing(KEY_BEGINS).await) else {
        return pass;
    };
    let mut lost: BTreeSet<String> = firing.into_iter().collect();
    for (name, destination) in &config.destinations {
        for alarm in &destination.alarms.rules {
            let watched = Watched {
                name,
                destination,
                alarm,
                is_firing: lost.remove(&alarm.key(name)),
            };
            let changed = watched.look(ports, config, now).await;
            pass.has_progressed |= faults.keep(changed).unwrap_or_default();
        }
    }
    // What the configuration does not watch any more is neither so nor over.
    for key in lost {
        let resolved = ports.ledger.resolve(&key, None, now).await;
        pass.has_progressed |= faults.keep(resolved).unwrap_or_default();
    }
    pace.looked(now, None);
    pass.at(has_any.then(|| later(now, LOOK_EVERY)))
}

struct Watched<'a> {
    name: &'a DestinationName,
    destination: &'a Destination,
    alarm: &'a Alarm,
    is_firing: bool,
}

impl Watched<'_> {
    async fn look(&self, ports: &Ports, config: &Config, now: Timestamp) -> Result<bool> {
        let Self { name, alarm, .. } = self;
        let window = SignedDuration::try_from(alarm.window).unwrap_or(SignedDuration::MAX);
        let since = now.saturating_sub(window).unwrap_or(Timestamp::MIN);
        let mut value = ports.ledger.measure(name, alarm.metric, since).await?;
        if alarm.metric == Metric::Running && self.destination.place.as_table().is_some() {
            // Loads of a table take turns.
            let begun = ports.ledger.measure(name, Metric::Attempts, since).await?;
            value = value.max(begun);
        }
        match (value >= alarm.at_least, self.is_firing) {
            (true, false) => {
                let alert = NewAlert {
                    key: alarm.key(name),
                    text: alarm.firing(name, value),
                    notifiers: told(&self.destination.alarms.tell, config),
                    at: now,
                };
                ports.ledger.raise(alert).await
            }
            (false, true) => {
                let over = alarm.over(name, value);
                ports
                    .ledger
                    .resolve(&alarm.key(name), Some(over), now)
                    .await
            }
            (true, true) | (false, false) => Ok(false),
        }
    }
}
