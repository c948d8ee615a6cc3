//! Files that others put into a bucket, with the real parts: queues as moto has them, and a folder
//! that is listened to, read and recorded.

mod delivered;
mod directory;
mod inbox;
mod sqs;
mod told;
mod unnamed;

use qm_core::ports::clock::Clock;
use std::time::Duration;

/// A loaded machine of two cores; a test that meets it has failed.
const LIMIT: Duration = Duration::from_mins(1);

/// The wall's.
#[derive(Clone, Copy)]
struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> jiff::Timestamp {
        qm_e2e::now()
    }
}
