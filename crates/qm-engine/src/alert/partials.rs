//! Uploads that broke off: somebody is told once of each, when it has rested for a while. The
//! alert ends when the upload was resumed, replaced or expired.

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use qm_core::Result;
use qm_core::alert::{AlertState, partial, partial_key};
use qm_core::arrival::Partial;
use qm_core::config::Config;
use std::collections::{BTreeMap, BTreeSet};

use crate::driver::REST_MAX;
use crate::pace::Pace;
use crate::retain::later;
use crate::{Pass, Ports};

/// How far back the ledger is asked, at start, which uploads somebody was told of.
const HISTORY: u32 = 10_000;
/// How long it is remembered that somebody was told of an upload that is gone: longer than a
/// resumed one runs, so that breaking off again is no news. Then nobody asks for its key again.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(7 * 24);
/// What every key of a partial's alert begins with.
const KEY_BEGINS: &str = "partial:";

/// The uploads somebody was told of. A version that is resumed and breaks off again keeps its
/// key: it is not told again, however often the line drops.
#[derive(Default)]
pub(super) struct Told {
    keys: Mutex<Option<BTreeMap<String, Known>>>,
    pace: Pace,
}

#[derive(Clone, Copy)]
struct Known {
    state: AlertState,
    /// When the upload was last among the broken-off ones.
    seen_at: Timestamp,
}

/// Raises and resolves; when the next one will have rested long enough.
pub(super) async fn look(ports: &Ports, config: &Config, told: &Told) -> Result<Pass> {
    let now = ports.clock.now();
    // One that breaks off is not due sooner than that.
    let every = config.node.partial_alert_after.min(REST_MAX);
    if let Some(until) = told.pace.rests_until(now, every) {
        return Ok(Pass::default().at(Some(until)));
    }
    let partials = ports.ledger.partials().await?;
    let is_known = told.keys.lock().is_some();
    if !is_known {
        let before = from_ledger(ports, now).await?;
        *told.keys.lock() = Some(before);
    }
    let mut pass = Pass::default();
    for one in &partials {
        let key = partial_key(one);
        if told.sees(&key, now) {
            continue;
        }
        let alert_at = later(one.lost_at, config.node.partial_alert_after);
        if alert_at > now {
            pass = pass.at(Some(alert_at));
            continue;
        }
        let alert = partial(one, config.node.alert.clone(), now);
        pass.has_progressed |= ports.ledger.raise(alert).await?;
        told.set(key, AlertState::Firing, now);
    }
    for key in told.ended(&partials) {
        let was_firing = ports.ledger.resolve(&key, None, now).await?;
        pass.has_progressed |= was_firing;
        told.set(key, AlertState::Resolved, now);
    }
    told.prune(now);
    told.pace.looked(now, pass.next);
    Ok(pass)
}

async fn from_ledger(ports: &Ports, now: Timestamp) -> Result<BTreeMap<String, Known>> {
    let alerts = ports.ledger.alerts(HISTORY).await?;
    let mut told = BTreeMap::new();
    // Newest first: what a key says first is its state now.
    for alert in alerts {
        if alert.key.starts_with(KEY_BEGINS) {
            let known = Known {
                state: alert.state,
                seen_at: alert.resolved_at.unwrap_or(now),
            };
            told.entry(alert.key).or_insert(known);
        }
    }
    Ok(told)
}

impl Told {
    /// True if somebody was told of it.
    fn sees(&self, key: &str, now: Timestamp) -> bool {
        let mut keys = self.keys.lock();
        let known = keys.as_mut().and_then(|keys| keys.get_mut(key));
        known.map(|known| known.seen_at = now).is_some()
    }

    fn set(&self, key: String, state: AlertState, now: Timestamp) {
        if let Some(keys) = self.keys.lock().as_mut() {
            let seen_at = now;
            keys.insert(key, Known { state, seen_at });
        }
    }

    /// Those that fire though the upload is gone.
    fn ended(&self, partials: &[Partial]) -> Vec<String> {
        let open: BTreeSet<String> = partials.iter().map(partial_key).collect();
        let keys = self.keys.lock();
        let firing = keys
            .iter()
            .flatten()
            .filter_map(|(key, known)| match known.state {
                AlertState::Firing => Some(key),
                AlertState::Resolved => None,
            });
        firing.filter(|key| !open.contains(*key)).cloned().collect()
    }

    /// Forgets what was resolved and not seen for long.
    fn prune(&self, now: Timestamp) {
        if let Some(keys) = self.keys.lock().as_mut() {
            keys.retain(|_, known| match known.state {
                AlertState::Firing => true,
                AlertState::Resolved => now.duration_since(known.seen_at) < REMEMBERED,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_for_long_is_forgotten() {
        let hour = |hours| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours);
        let told = Told::default();
        *told.keys.lock() = Some(BTreeMap::new());
        told.set("gone".to_owned(), AlertState::Resolved, hour(0));
        told.set("seen".to_owned(), AlertState::Resolved, hour(0));
        told.set("firing".to_owned(), AlertState::Firing, hour(0));
        assert!(told.sees("seen", hour(24)));
        let known = |at: i64| -> Vec<String> {
            told.prune(hour(at));
            told.keys
                .lock()
                .iter()
                .flatten()
                .map(|(key, _)| key.clone())
                .collect()
        };
        assert_eq!(known(7 * 24 - 1), ["firing", "gone", "seen"]);
        assert_eq!(known(7 * 24), ["firing", "seen"]);
        assert_eq!(known(8 * 24), ["firing"]);
        assert!(!told.sees("gone", hour(8 * 24)));
    }
}
