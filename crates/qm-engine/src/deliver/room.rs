//! How many deliveries may begin, and where.

use jiff::Timestamp;
use qm_core::config::Config;
use qm_core::id::{DestinationName, RouteName};
use std::collections::{BTreeMap, BTreeSet};

use super::breakers::Breakers;
use super::running::Running;

/// Attempts at a time over all destinations: each holds a read of its bucket and the buffers of
/// its connector, a few MiB.
const RUNNING_MAX: u32 = 256;
/// Deliveries to a destination that the configuration lost become dead letters at once, so only
/// the ledger's patience limits them.
const LOST_AT_A_TIME: u32 = 64;
/// Attempts at a time over all destinations that a route looks up: whoever names folders makes as
/// many of them as they like.
const LOOKED_UP_MAX: u32 = 64;

/// How many may begin at a destination.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Room {
    pub(super) destination: DestinationName,
    /// More than none.
    pub(super) count: u32,
    /// True if nothing goes there now.
    pub(super) is_idle: bool,
}

/// The rooms of these destinations; when there will be more, as far as the clock decides it.
pub(super) fn rooms(
    destinations: BTreeSet<DestinationName>,
    config: &Config,
    running: &Running,
    breakers: &Breakers,
    now: Timestamp,
) -> (Vec<Room>, Option<Timestamp>) {
    let mut rooms = Vec::new();
    let mut again = Vec::new();
    for destination in destinations {
        let at = running.at(&destination);
        let limits = config.destination_limits(&destination);
        let (count, until) = match limits {
            None => (LOST_AT_A_TIME.saturating_sub(at), None),
            Some(limits) => {
                let closed_until = limits.closed.as_ref().and_then(|times| times.over_at(now));
                // No room at all would be a destination that silently never gets anything.
                let wanted = limits.concurrency.max(1).saturating_sub(at);
                match closed_until {
                    Some(until) => (0, Some(until)),
                    None => breakers.admits(&destination, wanted, now),
                }
            }
        };
        again.extend(until);
        if count > 0 {
            rooms.push(Room {
                destination,
                count,
                is_idle: at == 0,
            });
        }
    }
    let left = RUNNING_MAX.saturating_sub(running.count());
    (share(rooms, left), again.into_iter().min())
}

/// Which of the destinations that a route looked up was given room last.
pub(super) type Turns = BTreeMap<RouteName, DestinationName>;

/// What is looked up by one route stays within its bound, idle or not; all have their turn.
pub(super) fn bound(
    mut rooms: Vec<Room>,
    turns: &mut Turns,
    running: impl Fn(&RouteName) -> u32,
) -> Vec<Room> {
    rooms.sort_by_cached_key(|room| {
        let looked_up = room.destination.as_looked_up();
        let last = looked_up.and_then(|(route, _)| turns.get(&route));
        let had_turn = last.is_some_and(|last| room.destination <= *last);
        (had_turn, room.destination.clone())
    });
    let mut left: BTreeMap<RouteName, u32> = BTreeMap::new();
    for room in &mut rooms {
        let Some((route, _)) = room.destination.as_looked_up() else {
            continue;
        };
        let left = left.entry(route.clone());
        let left = left.or_insert_with_key(|route| LOOKED_UP_MAX.saturating_sub(running(route)));
        room.count = room.count.min(*left);
        *left -= room.count;
        if room.count > 0 {
            turns.insert(route, room.destination.clone());
        }
    }
    rooms.retain(|room| room.count > 0);
    rooms
}

/// Shares what is left among all: nobody gets more than another that wants it too, and one where
/// nothing goes always may begin one, however many hang elsewhere.
fn share(mut rooms: Vec<Room>, mut left: u32) -> Vec<Room> {
    // Those that want least leave the rest of their share to the others.
    rooms.sort_by_key(|room| room.count);
    let mut sharers = u32::try_from(rooms.len()).unwrap_or(u32::MAX);
    for room in &mut rooms {
        let share = left / sharers.max(1);
        room.count = room.count.min(share.max(u32::from(room.is_idle)));
        left = left.saturating_sub(room.count);
        sharers = sharers.saturating_sub(1);
    }
    rooms.retain(|room| room.count > 0);
    rooms
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rooms as (wanted, is idle).
    #[track_caller]
    fn check(left: u32, rooms: &[(u32, bool)], expect: &[u32]) {
        let rooms = rooms
            .iter()
            .enumerate()
            .map(|(number, (count, is_idle))| Room {
                destination: DestinationName::parse(&format!("d{number}")).unwrap(),
                count: *count,
                is_idle: *is_idle,
            });
        let shared = share(rooms.collect(), left);
        let counts: Vec<u32> = shared.iter().map(|room| room.count).collect();
        assert_eq!(counts, expect);
    }

    #[test]
    fn what_a_route_looks_up_is_bounded_together() {
        let [push, pull] = ["push", "pull"].map(|name| RouteName::parse(name).unwrap());
        let looked_up = |route: &RouteName, key: u32| Room {
            destination: DestinationName::looked_up(route, &key.to_string()),
            count: 1,
            is_idle: true,
        };
        let mut rooms: Vec<Room> = (0..100).map(|key| looked_up(&push, key)).collect();
        rooms.push(looked_up(&pull, 0));
        rooms.push(Room {
            destination: DestinationName::parse("share").unwrap(),
            count: 70,
            is_idle: true,
        });
        for (running, expect) in [(0, 66), (60, 6), (64, 2), (70, 2)] {
            let of = |route: &RouteName| if *route == push { running } else { 0 };
            let left = bound(rooms.clone(), &mut Turns::new(), of);
            assert_eq!(left.len(), expect, "{running} run");
            let others = left.iter().filter(|room| room.count == 70).count();
            assert_eq!(others, 1);
        }

        // Those that were left out come first.
        rooms.truncate(100);
        let mut turns = Turns::new();
        let mut seen = BTreeSet::new();
        for _ in 0..2 {
            let given = bound(rooms.clone(), &mut turns, |_| 0);
            assert_eq!(given.len(), 64);
            seen.extend(given.into_iter().map(|room| room.destination));
        }
        assert_eq!(seen.len(), 100);
    }

    #[test]
    fn everybody_gets_a_share() {
        check(256, &[], &[]);
        check(256, &[(4, true), (8, false)], &[4, 8]);
        check(10, &[(100, true), (100, false)], &[5, 5]);
        check(10, &[(100, false), (2, false), (100, true)], &[2, 4, 4]);
        check(1, &[(4, false), (4, false)], &[1]);
    }

    #[test]
    fn whoever_has_nothing_running_gets_one_when_nothing_is_left() {
        check(0, &[(4, true), (4, false), (9, true)], &[1, 1]);
        check(1, &[(4, true), (4, true), (4, true)], &[1, 1, 1]);
    }
}
