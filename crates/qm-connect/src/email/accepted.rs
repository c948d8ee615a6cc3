//! Which recipients took a message whose other recipients did not, so that a retry does not tell
//! them again. Memory only: after a restart they may be told twice, under the same Message-ID.

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};

/// More messages than a notifier has in retry at any time.
const MESSAGES_MAX: usize = 1024;

#[derive(Default)]
pub(super) struct Accepted(Mutex<BTreeMap<i64, BTreeSet<usize>>>);

impl Accepted {
    /// True if the recipient took the message.
    pub(super) fn contains(&self, message: i64, recipient: usize) -> bool {
        self.0
            .lock()
            .get(&message)
            .is_some_and(|recipients| recipients.contains(&recipient))
    }

    /// The recipient took the message.
    pub(super) fn insert(&self, message: i64, recipient: usize) {
        let mut messages = self.0.lock();
        messages.entry(message).or_default().insert(recipient);
        if messages.len() > MESSAGES_MAX {
            messages.pop_first();
        }
    }

    /// All of them did.
    pub(super) fn forget(&self, message: i64) {
        self.0.lock().remove(&message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let accepted = Accepted::default();
        for message in 0..=i64::try_from(MESSAGES_MAX).unwrap() {
            accepted.insert(message, 0);
        }
        assert!(!accepted.contains(0, 0));
        assert!(accepted.contains(1, 0));
        assert!(!accepted.contains(1, 1));
        accepted.forget(1);
        assert!(!accepted.contains(1, 0));
    }
}
