//! The connectors that are kept, the least used of which make room.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::MadeOf;
use qm_core::id::DestinationName;
use qm_core::ports::connector::Connector;

/// Destinations that are looked up are named by folders, which partners may make: so many
/// connectors, with the connections that rest in them, are kept.
pub(super) const KEPT_MAX: usize = 1_000;

/// Connectors by destination.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) by_name: BTreeMap<DestinationName, Entry>,
    /// How often any was used: the order of their last uses.
    uses: u64,
}

pub(super) struct Entry {
    made_of: MadeOf,
    connector: Arc<dyn Connector>,
    last_use: u64,
}

impl Kept {
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&DestinationName) -> bool) {
        self.by_name.retain(|name, _| is_wanted(name));
    }

    pub(super) fn get(
        &mut self,
        name: &DestinationName,
        made_of: &MadeOf,
    ) -> Option<Arc<dyn Connector>> {
        self.uses += 1;
        let entry = self.by_name.get_mut(name)?;
        if entry.made_of != *made_of {
            return None;
        }
        entry.last_use = self.uses;
        Some(Arc::clone(&entry.connector))
    }

    pub(super) fn insert(
        &mut self,
        name: DestinationName,
        made_of: MadeOf,
        connector: Arc<dyn Connector>,
    ) {
        if self.by_name.len() >= KEPT_MAX && !self.by_name.contains_key(&name) {
            let oldest = self
                .by_name
                .iter()
                .min_by_key(|(_, entry)| entry.last_use)
                .map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                self.by_name.remove(&oldest);
            }
        }
        let entry = Entry {
            made_of,
            connector,
            last_use: self.uses,
        };
        self.by_name.insert(name, entry);
    }
}
