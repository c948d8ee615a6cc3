//! Which connections are accepted at all, decided before anything is spent on them (INV-10).

mod connections;
mod penalties;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use qm_core::id::AccountName;
use qm_core::ports::access::{Admission, Gate, Offence};
use qm_core::ports::clock::Clock;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use connections::{Connections, Stage};
use penalties::Penalties;

/// Refused connections are logged at most so often: a flood must not fill the log as well.
const LOG_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// How many connections there may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Most connections, logged in or not.
    pub connections_max: u32,
    /// Most connections of one account.
    pub connections_per_account_max: u32,
    /// Most connections that have not logged in.
    pub unauthenticated_max: u32,
    /// From here on, new connections are dropped at random, the more the closer to the maximum:
    /// an honest client gets in by trying again while a flood lasts.
    pub early_drop_from: u32,
    /// Most connections of one source that have not logged in.
    pub unauthenticated_per_source_max: u32,
}

impl Limits {
    /// The two that are configured, and the defaults for the rest: `OpenSSH`'s `MaxStartups` for
    /// all sources together, and ten for one (a client opens four to eight at once).
    pub fn new(connections_max: u32, connections_per_account_max: u32) -> Self {
        Self {
            connections_max,
            connections_per_account_max,
            unauthenticated_max: 100,
            early_drop_from: 50,
            unauthenticated_per_source_max: 10,
        }
    }
}

/// Where connections come from: an IPv4 address or an IPv6 /64, the smallest block that a
/// provider gives to one customer.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Source(IpAddr);

impl Source {
    /// The address, or the first of the /64.
    pub fn address(self) -> IpAddr {
        self.0
    }

    /// The source of an address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(IpAddr::V4(address)),
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Self(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
        }
    }
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// Its source misbehaved.
    Penalised,
    /// There are too many connections.
    Full,
    /// Its source has too many connections that have not logged in.
    SourceFull,
    /// Dropped at random because many have not logged in.
    EarlyDrop,
}

/// Limits and penalties behind the [`Gate`] port.
pub struct Throttle {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

struct State {
    connections: Connections,
    penalties: Penalties,
    refused: u64,
    last_logged: Option<Timestamp>,
}

impl Throttle {
    /// `seed` makes the early drop unpredictable for those outside; any random number.
    pub fn new(limits: Limits, clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self {
            clock,
            state: Arc::new(Mutex::new(State {
                connections: Connections::new(limits, seed),
                penalties: Penalties::default(),
                refused: 0,
                last_logged: None,
            })),
        }
    }

    /// Other limits from now on; connections that are there stay.
    pub fn set_limits(&self, limits: Limits) {
        self.state.lock().connections.set_limits(limits);
    }

    /// Connections that are there now, logged in or not.
    pub fn connections(&self) -> u32 {
        self.state.lock().connections.total()
    }
}

impl State {
    fn admit(&mut self, source: Source, now: Timestamp) -> Result<(), Refusal> {
        if self.penalties.refuses(source, now) {
            return Err(Refusal::Penalised);
        }
        self.connections.admit(source)
    }

    fn log_refusal(&mut self, source: IpAddr, refusal: Refusal, now: Timestamp) {
        self.refused += 1;
        let is_due = self.last_logged.is_none_or(|last| {
            now < last || last.saturating_add(LOG_EVERY).is_ok_and(|next| now >= next)
        });
        if is_due {
            self.last_logged = Some(now);
            let refused = std::mem::take(&mut self.refused);
            tracing::warn!(%source, ?refusal, refused, "connections are refused");
        }
    }
}

impl Gate for Throttle {
    fn admit(&self, source: IpAddr) -> Option<Box<dyn Admission>> {
        let now = self.clock.now();
        let key = Source::of(source);
        let mut state = self.state.lock();
        if let Err(refusal) = state.admit(key, now) {
            state.log_refusal(source, refusal, now);
            return None;
        }
        Some(Box::new(Admitted {
            state: Arc::clone(&self.state),
            source: key,
            stage: Mutex::new(Stage::Unauthenticated),
        }))
    }

    fn penalise(&self, source: IpAddr, offence: Offence) {
        let now = self.clock.now();
        self.state
            .lock()
            .penalties
            .add(Source::of(source), offence, now);
    }
}

struct Admitted {
    state: Arc<Mutex<State>>,
    source: Source,
    stage: Mutex<Stage>,
}

impl Admission for Admitted {
    fn authenticated(&self, account: &AccountName) -> bool {
        let mut stage = self.stage.lock();
        self.state
            .lock()
            .connections
            .authenticated(self.source, &mut stage, account)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let stage = self.stage.lock();
        self.state.lock().connections.leave(self.source, &stage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_an_address_or_a_slash_64() {
        for (left, right, expect) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ] {
            let of = |text: &str| Source::of(text.parse().unwrap());
            assert_eq!(of(left) == of(right), expect, "{left} {right}");
        }
    }
}
