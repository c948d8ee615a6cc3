//! How many deliveries may begin, and where.

use jiff::Timestamp;
use qm_core::config::{Config, DestinationLimits};
use qm_core::id::{DestinationName, RouteName};
use std::collections::{BTreeMap, BTreeSet};

use super::breakers::Breakers;
use super::leads::Leads;
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
    /// Where they count, see [`Leads`].
    pub(super) place: DestinationName,
    /// More than none.
    pub(super) count: u32,
    /// True if nothing goes there now.
    pub(super) is_idle: bool,
}

/// What decides how many may begin.
pub(super) struct Limits<'a> {
    pub(super) config: &'a Config,
    pub(super) running: &'a Running,
    pub(super) breakers: &'a Breakers,
    pub(super) leads: &'a Leads,
}

/// How many may begin; when there may be more, as far as the clock decides it.
type Count = (u32, Option<Timestamp>);

impl Limits<'_> {
    /// Of all that count there.
    fn at(&self, place: &DestinationName, now: Timestamp) -> Count {
        let at = self.running.at(place);
        let Some(limits) = self.config.destination_limits(place) else {
            return (LOST_AT_A_TIME.saturating_sub(at), None);
        };
        match left(limits, at, now) {
            (0, until) => (0, until),
            (wanted, _) => self.breakers.admits(place, wanted, now),
        }
    }

    /// Of those of one destination that count elsewhere, or nobody knows yet where.
    fn of(&self, destination: &DestinationName, is_known: bool, now: Timestamp) -> Count {
        let of = self.running.of(destination);
        if !is_known {
            // One finds it out.
            return (1_u32.saturating_sub(of), None);
        }
        let limits = self.config.destination_limits(destination);
        limits.map_or((u32::MAX, None), |limits| left(limits, of, now))
    }
}

fn left(limits: &DestinationLimits, running: u32, now: Timestamp) -> Count {
    match limits.closed.as_ref().and_then(|times| times.over_at(now)) {
        Some(until) => (0, Some(until)),
        // No room at all would be a destination that silently never gets anything.
        None => (limits.concurrency.max(1).saturating_sub(running), None),
    }
}

/// The rooms of these destinations; when there will be more, as far as the clock decides it.
pub(super) fn rooms(
    destinations: BTreeSet<DestinationName>,
    limits: &Limits<'_>,
    turns: &mut Turns,
    now: Timestamp,
) -> (Vec<Room>, Option<Timestamp>) {
    let mut rooms = Vec::new();
    let mut again = Vec::new();
    let mut places = BTreeMap::new();
    for destination in destinations {
        let lead = limits.leads.of(&destination, limits.config);
        let is_known = lead.is_some();
        let place = lead.unwrap_or_else(|| destination.clone());
        let at = places.entry(place.clone());
        let (mut count, until) = *at.or_insert_with(|| limits.at(&place, now));
        again.extend(until);
        if !is_known || place != destination {
            let (of, until) = limits.of(&destination, is_known, now);
            count = count.min(of);
            again.extend(until);
        }
        if count > 0 {
            rooms.push(Room {
                is_idle: limits.running.at(&place) == 0,
                destination,
                place,
                count,
            });
        }
    }
    // Several may lead to one of the configuration, which has no more room for that; partners may make
    // any number of the others, so there is no memory of those.
    let shared = |room: &Room| {
        let is_configured = room.place.as_looked_up().is_none();
        is_configured.then(|| room.place.clone())
    };
    let room_at = |place: &DestinationName| places.get(place).map_or(0, |(count, _)| *count);
    // What a route has no room for must not take the turn of others at a place.
    let by_route = |route: &RouteName| limits.running.looked_up_by(route);
    let rooms = bound(rooms, &mut turns.by_route, by_route);
    let rooms = take_turns(rooms, &mut turns.by_place, shared, room_at);
    let left = RUNNING_MAX.saturating_sub(limits.running.count());
    (share(rooms, left), again.into_iter().min())
}

/// Which destination was given room last, of those that share it.
#[derive(Default)]
pub(super) struct Turns {
    /// Of those that count at one place.
    by_place: BTreeMap<DestinationName, DestinationName>,
    /// Of those that a route looked up.
    by_route: BTreeMap<RouteName, DestinationName>,
}

/// What is looked up by one route stays within its bound, idle or not; all have their turn.
fn bound(
    rooms: Vec<Room>,
    turns: &mut BTreeMap<RouteName, DestinationName>,
    running: impl Fn(&RouteName) -> u32,
) -> Vec<Room> {
    let route = |room: &Room| {
        let looked_up = room.destination.as_looked_up();
        looked_up.map(|(route, _)| route)
    };
    let left = |route: &RouteName| LOOKED_UP_MAX.saturating_sub(running(route));
    take_turns(rooms, turns, route, left)
}

/// All of a group have together what is left for it, and their turn one after the other; those of no
/// group have all that they want.
fn take_turns<G: Clone + Ord>(
    mut rooms: Vec<Room>,
    turns: &mut BTreeMap<G, DestinationName>,
    group: impl Fn(&Room) -> Option<G>,
    left_for: impl Fn(&G) -> u32,
) -> Vec<Room> {
    rooms.sort_by_cached_key(|room| {
        let last = group(room).and_then(|group| turns.get(&group));
        let had_turn = last.is_some_and(|last| room.destination <= *last);
        (had_turn, room.destination.clone())
    });
    let mut left: BTreeMap<G, u32> = BTreeMap::new();
    for room in &mut rooms {
        let Some(group) = group(room) else {
            continue;
        };
        let left = left.entry(group.clone()).or_insert_with_key(&left_for);
        room.count = room.count.min(*left);
        *left -= room.count;
        if room.count > 0 {
            turns.insert(group, room.destination.clone());
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

    fn room(destination: DestinationName, count: u32) -> Room {
        Room {
            place: destination.clone(),
            destination,
            count,
            is_idle: true,
        }
    }

    /// Rooms as (wanted, is idle).
    #[track_caller]
    fn check(left: u32, rooms: &[(u32, bool)], expect: &[u32]) {
        let rooms = rooms
            .iter()
            .enumerate()
            .map(|(number, (count, is_idle))| Room {
                is_idle: *is_idle,
                ..room(
                    DestinationName::parse(&format!("d{number}")).unwrap(),
                    *count,
                )
            });
        let shared = share(rooms.collect(), left);
        let counts: Vec<u32> = shared.iter().map(|room| room.count).collect();
        assert_eq!(counts, expect);
    }

    #[test]
    fn what_a_route_looks_up_is_bounded_together() {
        let [push, pull] = ["push", "pull"].map(|name| RouteName::parse(name).unwrap());
        let looked_up = |route: &RouteName, key: u32| {
            room(DestinationName::looked_up(route, &key.to_string()), 1)
        };
        let mut rooms: Vec<Room> = (0..100).map(|key| looked_up(&push, key)).collect();
        rooms.push(looked_up(&pull, 0));
        rooms.push(room(DestinationName::parse("share").unwrap(), 70));
        for (running, expect) in [(0, 66), (60, 6), (64, 2), (70, 2)] {
            let of = |route: &RouteName| if *route == push { running } else { 0 };
            let left = bound(rooms.clone(), &mut BTreeMap::new(), of);
            assert_eq!(left.len(), expect, "{running} run");
            let others = left.iter().filter(|room| room.count == 70).count();
            assert_eq!(others, 1);
        }

        // Those that were left out come first.
        rooms.truncate(100);
        let mut turns = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for _ in 0..2 {
            let given = bound(rooms.clone(), &mut turns, |_| 0);
            assert_eq!(given.len(), 64);
            seen.extend(given.into_iter().map(|room| room.destination));
        }
        assert_eq!(seen.len(), 100);
    }

    /// However many lead to a place, it is given no more than it has room for; all have their turn.
    #[test]
    fn those_that_lead_to_one_place_share_it() {
        let archive = DestinationName::parse("archive").unwrap();
        let push = RouteName::parse("push").unwrap();
        let mut rooms = vec![room(archive.clone(), 2)];
        rooms.extend((0..5).map(|key| Room {
            place: archive.clone(),
            ..room(DestinationName::looked_up(&push, &key.to_string()), 2)
        }));
        rooms.push(room(DestinationName::parse("share").unwrap(), 4));
        let mut turns = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for _ in 0..3 {
            let place = |room: &Room| Some(room.place.clone());
            let left = |place: &DestinationName| if *place == archive { 2 } else { 4 };
            let given = take_turns(rooms.clone(), &mut turns, place, left);
            let at = |place: &DestinationName| -> u32 {
                let there = given.iter().filter(|room| room.place == *place);
                there.map(|room| room.count).sum()
            };
            assert_eq!((at(&archive), given.len()), (2, 2));
            seen.extend(given.into_iter().map(|room| room.destination));
        }
        assert_eq!(seen.len(), 4, "three that lead to it, and another place");
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
