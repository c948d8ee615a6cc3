//! Where destinations that are looked up led last. One may lead to a destination of the
//! configuration; what goes there then counts there, and the limits there hold. That is known only
//! once it was looked up, so it is remembered: an attempt is begun where it will count, and one that
//! turns out to lead elsewhere is put back and begins anew there.

use parking_lot::Mutex;
use qm_core::config::Config;
use qm_core::id::DestinationName;
use std::collections::BTreeMap;

/// Only what was found is remembered, so there are as many as secrets or items. What is forgotten
/// costs an attempt that does not count.
const LEADS_MAX: usize = 100_000;

/// In memory: after a start each is found out anew.
#[derive(Default)]
pub(super) struct Leads(Mutex<BTreeMap<DestinationName, DestinationName>>);

impl Leads {
    /// Where an attempt counts that goes to the destination; `None` if nobody knows yet.
    pub(super) fn of(
        &self,
        destination: &DestinationName,
        config: &Config,
    ) -> Option<DestinationName> {
        let allowed = allowed(destination, config);
        if allowed.is_empty() {
            return Some(destination.clone());
        }
        let place = self.0.lock().get(destination).cloned()?;
        (place == *destination || allowed.contains(&place)).then_some(place)
    }

    /// The lookup said so.
    pub(super) fn learned(
        &self,
        destination: &DestinationName,
        place: &DestinationName,
        config: &Config,
    ) {
        // Also while it may lead nowhere else: another configuration may say so soon.
        if config.lookup_of(destination).is_none() {
            return;
        }
        let mut leads = self.0.lock();
        if leads.len() >= LEADS_MAX && !leads.contains_key(destination) {
            leads.pop_first();
        }
        leads.insert(destination.clone(), place.clone());
    }
}

/// The destinations of the configuration that it may lead to.
fn allowed<'c>(destination: &DestinationName, config: &'c Config) -> &'c [DestinationName] {
    let lookup = config.lookup_of(destination);
    lookup.map_or(&[][..], |lookup| &lookup.destinations)
}
