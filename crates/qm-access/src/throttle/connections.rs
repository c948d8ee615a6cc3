//! Counting connections.

use qm_core::id::AccountName;
use std::collections::HashMap;
use std::hash::Hash;

use super::{Limits, Refusal, Source};

/// Share of new connections dropped where the early drop begins, in percent; it grows to 100 at
/// the maximum. `OpenSSH`'s `MaxStartups` figure.
const EARLY_DROP_PERCENT: u64 = 30;

/// How far a connection has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// Not logged in.
    Unauthenticated,
    /// Logged in and counted for this account.
    Authenticated(AccountName),
}

/// The connections that are there. The maps hold no more entries than there are connections.
#[derive(Debug)]
pub(super) struct Connections {
    limits: Limits,
    total: u32,
    unauthenticated: u32,
    unauthenticated_of: HashMap<Source, u32>,
    authenticated_of: HashMap<AccountName, u32>,
    random: SplitMix,
}

impl Connections {
    pub(super) fn new(limits: Limits, seed: u64) -> Self {
        Self {
            limits,
            total: 0,
            unauthenticated: 0,
            unauthenticated_of: HashMap::new(),
            authenticated_of: HashMap::new(),
            random: SplitMix(seed),
        }
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// Counts a new connection, or says why not.
    pub(super) fn admit(&mut self, source: Source) -> Result<(), Refusal> {
        let limits = self.limits;
        if self.total >= limits.connections_max
            || self.unauthenticated >= limits.unauthenticated_max
        {
            return Err(Refusal::Full);
        }
        let of_source = self.unauthenticated_of.get(&source).copied().unwrap_or(0);
        if of_source >= limits.unauthenticated_per_source_max {
            return Err(Refusal::SourceFull);
        }
        if self.is_dropped_early() {
            return Err(Refusal::EarlyDrop);
        }
        self.total += 1;
        self.unauthenticated += 1;
        *self.unauthenticated_of.entry(source).or_default() += 1;
        Ok(())
    }

    /// Moves a connection to its account; false if that has too many.
    pub(super) fn authenticated(
        &mut self,
        source: Source,
        stage: &mut Stage,
        account: &AccountName,
    ) -> bool {
        match stage {
            // A second login in one connection is no second connection, nor another account's.
            Stage::Authenticated(earlier) => return earlier == account,
            Stage::Unauthenticated => {}
        }
        let of_account = self.authenticated_of.get(account).copied().unwrap_or(0);
        if of_account >= self.limits.connections_per_account_max {
            return false;
        }
        *self.authenticated_of.entry(account.clone()).or_default() += 1;
        self.unauthenticated -= 1;
        one_less(&mut self.unauthenticated_of, &source);
        *stage = Stage::Authenticated(account.clone());
        true
    }

    /// A connection has ended.
    pub(super) fn leave(&mut self, source: Source, stage: &Stage) {
        self.total -= 1;
        match stage {
            Stage::Unauthenticated => {
                self.unauthenticated -= 1;
                one_less(&mut self.unauthenticated_of, &source);
            }
            Stage::Authenticated(account) => one_less(&mut self.authenticated_of, account),
        }
    }

    fn is_dropped_early(&mut self) -> bool {
        let Limits {
            early_drop_from: from,
            unauthenticated_max: full,
            ..
        } = self.limits;
        if self.unauthenticated < from || full <= from {
            return false;
        }
        let progress = (100 - EARLY_DROP_PERCENT) * u64::from(self.unauthenticated - from)
            / u64::from(full - from);
        self.random.next() % 100 < EARLY_DROP_PERCENT + progress
    }
}

fn one_less<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: &K) {
    let is_last = counts.get_mut(key).is_some_and(|count| {
        *count -= 1;
        *count == 0
    });
    if is_last {
        counts.remove(key);
    }
}

/// `SplitMix64`: spreads one random seed well enough to choose whom to drop.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn source(number: u32) -> Source {
        Source::of(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number)))
    }

    fn account(name: &str) -> AccountName {
        AccountName::parse(name).unwrap()
    }

    fn connections(limits: Limits) -> Connections {
        Connections::new(limits, 1)
    }

    #[test]
    fn ten_of_one_source_before_login_and_room_again_after_it() {
        let mut all = connections(Limits::new(1000, 20));
        for _ in 0..10 {
            assert_eq!(all.admit(source(1)), Ok(()));
        }
        assert_eq!(all.admit(source(1)), Err(Refusal::SourceFull));
        assert_eq!(all.admit(source(2)), Ok(()));
        let mut stage = Stage::Unauthenticated;
        assert!(all.authenticated(source(1), &mut stage, &account("north")));
        assert_eq!(all.admit(source(1)), Ok(()));
        all.leave(source(1), &stage);
        assert_eq!(all.admit(source(1)), Err(Refusal::SourceFull));
        all.leave(source(1), &Stage::Unauthenticated);
        assert_eq!(all.admit(source(1)), Ok(()));
    }

    #[test]
    fn an_account_has_its_own_maximum() {
        let mut all = connections(Limits::new(1000, 2));
        let mut stages = Vec::new();
        for expect in [true, true, false] {
            all.admit(source(1)).unwrap();
            let mut stage = Stage::Unauthenticated;
            assert_eq!(
                all.authenticated(source(1), &mut stage, &account("north")),
                expect
            );
            stages.push(stage);
        }
        assert_eq!(stages[2], Stage::Unauthenticated);
        all.admit(source(1)).unwrap();
        assert!(all.authenticated(source(1), &mut Stage::Unauthenticated, &account("south")));
        all.leave(source(1), &stages[0]);
        assert!(all.authenticated(source(1), &mut stages[2], &account("north")));
    }

    #[test]
    fn a_connection_is_counted_for_one_account_once() {
        let mut all = connections(Limits::new(1000, 1));
        all.admit(source(1)).unwrap();
        let mut stage = Stage::Unauthenticated;
        assert!(all.authenticated(source(1), &mut stage, &account("north")));
        assert!(all.authenticated(source(1), &mut stage, &account("north")));
        assert!(!all.authenticated(source(1), &mut stage, &account("south")));
        all.leave(source(1), &stage);
        assert_eq!(all.total(), 0);
        assert!(all.unauthenticated_of.is_empty() && all.authenticated_of.is_empty());
    }

    #[test]
    fn the_whole_has_a_maximum() {
        let mut all = connections(Limits::new(3, 20));
        for number in 0..3 {
            assert_eq!(all.admit(source(number)), Ok(()));
        }
        assert_eq!(all.admit(source(9)), Err(Refusal::Full));
    }

    #[test]
    fn the_early_drop_begins_at_50_takes_all_at_100_and_a_third_at_first() {
        let mut all = connections(Limits::new(10_000, 20));
        for number in 0..50 {
            assert_eq!(all.admit(source(number)), Ok(()), "{number}");
        }
        let mut dropped = 0;
        for number in 0..1_000 {
            match all.admit(source(1_000 + number)) {
                Ok(()) => all.leave(source(1_000 + number), &Stage::Unauthenticated),
                Err(refusal) => {
                    assert_eq!(refusal, Refusal::EarlyDrop);
                    dropped += 1;
                }
            }
        }
        assert!(
            (250..350).contains(&dropped),
            "{dropped} of 1,000 at the begin"
        );
        let mut tries = 0;
        while all.unauthenticated < 100 {
            tries += 1;
            assert!(tries < 100_000, "the maximum is never reached");
            let _ = all.admit(source(10_000 + tries));
        }
        assert_eq!(all.admit(source(5_000)), Err(Refusal::Full));
        assert!(tries > 60, "hardly any was dropped: {tries} tries for 50");
    }
}
