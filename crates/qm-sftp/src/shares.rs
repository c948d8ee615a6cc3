//! What the channels of one connection share, counted: places, and memory for requests that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits::{REQUESTS_AHEAD_BYTES, UNREAD_BYTES_MAX};

/// Places of one kind.
#[derive(Debug)]
pub(crate) struct Places {
    taken: Arc<AtomicUsize>,
    max: usize,
}

/// One place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

/// Bytes of requests that channels hold beyond what they decode ahead anyway.
#[derive(Clone, Debug, Default)]
pub(crate) struct Backlog(Arc<AtomicUsize>);

/// One channel's part of the backlog; given back when dropped.
#[derive(Debug)]
pub(crate) struct BacklogShare {
    all: Backlog,
    size_bytes: usize,
}

impl Places {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            taken: Arc::default(),
            max,
        }
    }

    /// One more, if there is one.
    pub(crate) fn take(&self) -> Option<Place> {
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < self.max).then_some(taken + 1)
            })
            .ok()
            .map(|_| Place(Arc::clone(&self.taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Backlog {
    pub(crate) fn share(&self) -> BacklogShare {
        BacklogShare {
            all: self.clone(),
            size_bytes: 0,
        }
    }
}

impl BacklogShare {
    /// The channel holds so much now.
    pub(crate) fn update(&mut self, held_bytes: usize) {
        let size_bytes = held_bytes.saturating_sub(REQUESTS_AHEAD_BYTES);
        if size_bytes > self.size_bytes {
            self.total()
                .fetch_add(size_bytes - self.size_bytes, Ordering::Relaxed);
        } else if size_bytes < self.size_bytes {
            self.total()
                .fetch_sub(self.size_bytes - size_bytes, Ordering::Relaxed);
        }
        self.size_bytes = size_bytes;
    }

    /// True if all channels of the connection together hold more than they may.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.total().load(Ordering::Relaxed) > UNREAD_BYTES_MAX
    }

    fn total(&self) -> &AtomicUsize {
        &self.all.0
    }
}

impl Drop for BacklogShare {
    fn drop(&mut self) {
        self.update(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_dropped() {
        let places = Places::new(2);
        let first = places.take().unwrap();
        let _second = places.take().unwrap();
        assert!(places.take().is_none());
        drop(first);
        let _third = places.take().unwrap();
        assert!(places.take().is_none());
    }

    #[test]
    fn the_backlog_is_one_for_all_channels() {
        let backlog = Backlog::default();
        let (mut one, mut other) = (backlog.share(), backlog.share());
        let half = REQUESTS_AHEAD_BYTES + UNREAD_BYTES_MAX / 2;
        one.update(half);
        other.update(half);
        assert!(!one.is_exceeded() && !other.is_exceeded());
        other.update(half + 1);
        assert!(one.is_exceeded() && other.is_exceeded());
        one.update(half - 1);
        assert!(!other.is_exceeded());
        other.update(usize::MAX / 2);
        drop(other);
        assert!(!one.is_exceeded());
        drop(one);
        assert_eq!(backlog.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_decoded_ahead_is_no_backlog() {
        let backlog = Backlog::default();
        let mut shares: Vec<_> = (0..100).map(|_| backlog.share()).collect();
        for share in &mut shares {
            share.update(REQUESTS_AHEAD_BYTES);
        }
        assert_eq!(backlog.0.load(Ordering::Relaxed), 0);
    }
}
