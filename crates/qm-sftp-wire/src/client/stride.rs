//! How much goes into a WRITE: little until the server has shown how fast it takes it, and so little that
//! each is answered well within the patience. A server that is slow must not be taken for one that is
//! silent.

use std::time::Duration;

use crate::limits::{CLIENT_BYTES, DATA_BYTES_LEAST};

/// A WRITE is to take no more than this part of the patience.
const PATIENCE_PART: u32 = 8;

/// Data in the next WRITE.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stride {
    bytes: u32,
    bytes_max: u32,
    /// What was written of late, and how long it was waited for. Answers come in bursts: one that is there
    /// already tells nothing by itself.
    written_bytes: usize,
    waited: Duration,
}

impl Stride {
    /// As much as there may be, for a server that is waited for as long as it takes.
    pub(super) fn whole(bytes_max: u32) -> Self {
        Self {
            bytes: bytes_max,
            bytes_max,
            written_bytes: 0,
            waited: Duration::ZERO,
        }
    }

    /// For a server that nothing is known of but what it takes in one WRITE.
    pub(super) fn unknown(bytes_max: u32) -> Self {
        Self {
            bytes: DATA_BYTES_LEAST.min(bytes_max),
            ..Self::whole(bytes_max)
        }
    }

    pub(super) fn bytes(self) -> u32 {
        self.bytes
    }

    pub(super) fn bytes_max(self) -> u32 {
        self.bytes_max
    }

    /// True while a first WRITE shows how fast the server is; nothing is sent behind it.
    pub(super) fn is_unknown(self) -> bool {
        self.written_bytes == 0 && self.is_short()
    }

    /// True while it is less than the server takes: each WRITE is then sent by itself, for what is
    /// collected is answered only when all of it has come.
    pub(super) fn is_short(self) -> bool {
        self.bytes < self.bytes_max
    }

    /// So much was written after so long a wait.
    pub(super) fn answered(&mut self, length: usize, waited: Duration, patience: Duration) {
        if self.written_bytes > CLIENT_BYTES || self.waited > patience {
            self.written_bytes /= 2;
            self.waited /= 2;
        }
        self.written_bytes += length;
        self.waited += waited;
        let limit = patience / PATIENCE_PART;
        let fits = self.written_bytes as u128 * limit.as_micros() / self.waited.as_micros().max(1);
        let fits = u32::try_from(fits).unwrap_or(u32::MAX);
        self.bytes = fits.clamp(DATA_BYTES_LEAST, self.bytes_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(8);

    /// Answers, each with its bytes and the milliseconds that it was waited for; what goes into the next.
    #[track_caller]
    fn check(answers: &[(usize, u64)], expect: usize) {
        let mut stride = Stride::unknown(100_000);
        for (length, waited_millis) in answers {
            let waited = Duration::from_millis(*waited_millis);
            stride.answered(*length, waited, PATIENCE);
        }
        assert_eq!(stride.bytes() as usize, expect, "{answers:?}");
    }

    #[test]
    fn it_follows_what_was_waited_for() {
        check(&[], 1024);
        check(&[(1024, 0)], 100_000);
        check(&[(1024, 500)], 2048);
        check(&[(1024, 1000)], 1024);
        check(&[(1024, 7000)], 1024);
        // Both came at once.
        check(&[(10_000, 2000), (10_000, 0)], 10_000);
        check(&[(10_000, 2000), (10_000, 0), (10_000, 4000)], 5000);
    }

    #[test]
    fn a_quick_server_that_becomes_slow_is_noticed() {
        let mut stride = Stride::unknown(100_000);
        for _ in 0..1000 {
            stride.answered(100_000, Duration::from_millis(1), PATIENCE);
        }
        assert_eq!(stride.bytes(), 100_000);
        for _ in 0..20 {
            stride.answered(10_000, Duration::from_secs(5), PATIENCE);
        }
        assert!(stride.bytes() < 3000, "{stride:?}");
        for _ in 0..200 {
            stride.answered(stride.bytes() as usize, Duration::from_millis(1), PATIENCE);
        }
        assert_eq!(stride.bytes(), 100_000);
    }
}
