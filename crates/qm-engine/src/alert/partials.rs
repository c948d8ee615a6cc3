//! Uploads that broke off: somebody is told once of each, when it has rested for a while. The
//! alert ends when the upload was resumed, replaced or expired.

use parking_lot::Mutex;
use qm_core::Result;
use qm_core::alert::{AlertState, partial, partial_key};
use qm_core::arrival::Partial;
use qm_core::config::Config;
use std::collections::{BTreeMap, BTreeSet};

use crate::retain::later;
use crate::{Pass, Ports};

/// How far back the ledger is asked, at start, which uploads somebody was told of.
const HISTORY: u32 = 10_000;
/// What every key of a partial's alert begins with.
const KEY_BEGINS: &str = "partial:";

/// The uploads somebody was told of. A version that is resumed and breaks off again keeps its
/// key: it is not told again, however often the line drops.
#[derive(Default)]
pub(super) struct Told(Mutex<Option<BTreeMap<String, AlertState>>>);

/// Raises and resolves; when the next one will have rested long enough.
pub(super) async fn look(ports: &Ports, config: &Config, told: &Told) -> Result<Pass> {
    let partials = ports.ledger.partials().await?;
    let is_known = told.0.lock().is_some();
    if !is_known {
        let before = from_ledger(ports).await?;
        *told.0.lock() = Some(before);
    }
    let mut pass = Pass::default();
    let now = ports.clock.now();
    for one in &partials {
        let key = partial_key(one);
        if told.knows(&key) {
            continue;
        }
        let alert_at = later(one.lost_at, config.node.partial_alert_after);
        if alert_at > now {
            pass = pass.at(Some(alert_at));
            continue;
        }
        let alert = partial(one, config.node.alert.clone(), now);
        pass.has_progressed |= ports.ledger.raise(alert).await?;
        told.set(key, AlertState::Firing);
    }
    for key in told.ended(&partials) {
        let was_firing = ports.ledger.resolve(&key, None, now).await?;
        pass.has_progressed |= was_firing;
        told.set(key, AlertState::Resolved);
    }
    Ok(pass)
}

async fn from_ledger(ports: &Ports) -> Result<BTreeMap<String, AlertState>> {
    let alerts = ports.ledger.alerts(HISTORY).await?;
    let mut told = BTreeMap::new();
    // Newest first: what a key says first is its state now.
    for alert in alerts {
        if alert.key.starts_with(KEY_BEGINS) {
            told.entry(alert.key).or_insert(alert.state);
        }
    }
    Ok(told)
}

impl Told {
    fn knows(&self, key: &str) -> bool {
        let told = self.0.lock();
        told.as_ref().is_some_and(|told| told.contains_key(key))
    }

    fn set(&self, key: String, state: AlertState) {
        if let Some(told) = self.0.lock().as_mut() {
            told.insert(key, state);
        }
    }

    /// Those that fire though the upload is gone.
    fn ended(&self, partials: &[Partial]) -> Vec<String> {
        let open: BTreeSet<String> = partials.iter().map(partial_key).collect();
        let told = self.0.lock();
        let firing = told
            .iter()
            .flatten()
            .filter_map(|(key, state)| match state {
                AlertState::Firing => Some(key),
                AlertState::Resolved => None,
            });
        firing.filter(|key| !open.contains(*key)).cloned().collect()
    }
}
