//! Keys whose operation was completed by a call and is not durable yet. Readers do not see it;
//! who asks for the current version of such a key has to ask behind it, through the writer.

use parking_lot::Mutex;
use qm_core::name::ObjectPath;
use std::collections::HashMap;

/// How many completions of a key are on their way.
#[derive(Default)]
pub(super) struct Completing(Mutex<HashMap<ObjectPath, u32>>);

impl Completing {
    pub(super) fn begin(&self, keys: &[ObjectPath]) {
        let mut counts = self.0.lock();
        for key in keys {
            *counts.entry(key.clone()).or_default() += 1;
        }
    }

    pub(super) fn end(&self, keys: &[ObjectPath]) {
        let mut counts = self.0.lock();
        for key in keys {
            if let Some(count) = counts.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(key);
                }
            }
        }
    }

    pub(super) fn contains(&self, key: &ObjectPath) -> bool {
        self.0.lock().contains_key(key)
    }
}
