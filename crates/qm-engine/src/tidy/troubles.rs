//! Objects that could not be tidied up: when each is tried again, and who is told. Memory only: a
//! start tries all at once.

use jiff::Timestamp;
use parking_lot::Mutex;
use qm_core::alert::{NewAlert, Text};
use qm_core::config::Config;
use qm_core::delivery::{Finished, FinishedWhy};
use qm_core::id::{DeliveryId, RouteName};
use qm_core::{Error, Retry};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ports::told;
use crate::retain::later;

/// After the first failure; doubles with each up to the longer one.
const PAUSE_FIRST: Duration = Duration::from_mins(1);
const PAUSE_MAX: Duration = Duration::from_hours(1);
/// With the pauses above, seven minutes: a store's hiccup is nobody's business.
const FAILURES_BEFORE_ALERT: u32 = 4;
/// Then it is given up: with the pauses above, after three days and an hour. A start counts anew.
const FAILURES_MAX: u32 = 78;

/// What comes of a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// It is tried again.
    Again,
    /// It is tried again, and somebody is to be told.
    AgainAndTell,
    /// It is given up, and somebody is to be told.
    GiveUp,
}

/// Objects that could not be tidied up.
#[derive(Default)]
pub(super) struct Troubles(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: BTreeMap<DeliveryId, Trouble>,
    /// Routes whose alert is known not to fire.
    quiet: BTreeSet<RouteName>,
}

struct Trouble {
    route: RouteName,
    failures: u32,
    ready_at: Timestamp,
}

impl Troubles {
    /// How many wait for their next attempt.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.0.lock().waiting.len()).unwrap_or(u32::MAX)
    }

    /// True if it may be tried now.
    pub(super) fn is_ready(&self, finished: &Finished, now: Timestamp) -> bool {
        let state = self.0.lock();
        let trouble = state.waiting.get(&finished.delivery);
        trouble.is_none_or(|trouble| trouble.ready_at <= now)
    }

    /// When the next one is tried again.
    pub(super) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let state = self.0.lock();
        let ready = state.waiting.values().map(|trouble| trouble.ready_at);
        ready.filter(|at| *at > now).min()
    }

    /// It failed.
    pub(super) fn failed(&self, finished: &Finished, verdict: Retry, now: Timestamp) -> Next {
        let mut state = self.0.lock();
        let asked = match verdict {
            Retry::Never => {
                state.waiting.remove(&finished.delivery);
                return Next::GiveUp;
            }
            Retry::Later => Duration::ZERO,
            Retry::After(asked) => asked,
        };
        let entry = state.waiting.entry(finished.delivery);
        let trouble = entry.or_insert_with(|| Trouble {
            route: finished.route.clone(),
            failures: 0,
            ready_at: now,
        });
        let doublings = trouble.failures.min(16);
        let pause = PAUSE_FIRST.saturating_mul(1 << doublings).min(PAUSE_MAX);
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.ready_at = later(now, pause.max(asked));
        match trouble.failures {
            FAILURES_MAX.. => {
                state.waiting.remove(&finished.delivery);
                Next::GiveUp
            }
            FAILURES_BEFORE_ALERT.. => Next::AgainAndTell,
            0.. => Next::Again,
        }
    }

    /// These are all that are left to do: the others were done by another node, or are not wanted
    /// any more. Returns the routes that are in no trouble now and whose alert may fire.
    pub(super) fn left(&self, finished: &[Finished]) -> BTreeSet<RouteName> {
        let left: BTreeSet<DeliveryId> = finished.iter().map(|one| one.delivery).collect();
        let mut state = self.0.lock();
        let gone: Vec<Trouble> = state
            .waiting
            .extract_if(.., |delivery, _| !left.contains(delivery))
            .map(|(_, trouble)| trouble)
            .collect();
        let routes = gone.into_iter().map(|trouble| trouble.route);
        routes.filter(|route| state.is_over(route)).collect()
    }

    /// It worked; true if the route's alert may fire and none of its objects is why.
    pub(super) fn worked(&self, finished: &Finished) -> bool {
        let mut state = self.0.lock();
        state.waiting.remove(&finished.delivery);
        state.is_over(&finished.route)
    }

    /// The route's alert was raised.
    pub(super) fn told(&self, route: &RouteName) {
        self.0.lock().quiet.remove(route);
    }

    /// The route's alert was resolved.
    pub(super) fn resolved(&self, route: &RouteName) {
        self.0.lock().quiet.insert(route.clone());
    }
}

impl State {
    /// True if the route's alert may fire and none of its objects is why.
    fn is_over(&self, route: &RouteName) -> bool {
        let mut waiting = self.waiting.values();
        !self.quiet.contains(route) && !waiting.any(|trouble| trouble.route == *route)
    }
}

/// The key of the alert that a route cannot tidy up: one a route, however many objects it is about.
pub(super) fn key(route: &RouteName) -> String {
    format!("tidy:{route}")
}

/// That a route cannot tidy up.
pub(super) fn alert(
    finished: &Finished,
    config: &Config,
    error: &Error,
    verdict: Retry,
    now: Timestamp,
) -> NewAlert {
    let Finished {
        delivery,
        route,
        source,
        ..
    } = finished;
    let (what, done) = match finished.why {
        FinishedWhy::Delivered => ("tidied up", "was delivered"),
        FinishedWhy::Rejected => ("put into quarantine", "was rejected"),
    };
    let then = match verdict {
        Retry::Never => "It is not tried again for this file; mend the route for the next ones.",
        Retry::Later | Retry::After(_) => {
            "It is tried again until it works, for three days; what is given up then is told by the line \
             of the delivery."
        }
    };
    let alert = config.routes.get(route).map(|route| &route.alert);
    NewAlert {
        key: key(route),
        text: Text {
            subject: format!("{source} could not be {what}"),
            body: format!(
                "{source} {done} on route {route} but could not be {what}, so it is still where it was; \
                 others of the route may be as well. {then}\n\nReason: {error}\n\nMore of it: quaymaster \
                 delivery show {delivery}"
            ),
        },
        notifiers: told(alert.map_or(&[][..], |alert| alert), config),
        at: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use qm_core::id::{BucketName, DestinationName, Sha256Digest, VersionId};
    use qm_core::name::{ObjectKey, ObjectPath};
    use qm_core::operation::Version;

    fn finished(number: u128) -> Finished {
        let route = RouteName::parse("copy").unwrap();
        let id = VersionId::from_parts(0, number);
        Finished {
            delivery: DeliveryId::derive(id, &route, &DestinationName::parse("share").unwrap()),
            route,
            source: ObjectPath {
                bucket: BucketName::parse("landing").unwrap(),
                key: ObjectKey::parse("a.csv").unwrap(),
            },
            version: Version {
                id,
                size_bytes: 0,
                sha256: Sha256Digest([0; 32]),
                identity: String::new(),
                staged: None,
                received_at: Timestamp::UNIX_EPOCH,
            },
            arrived_at: Timestamp::UNIX_EPOCH,
            why: FinishedWhy::Delivered,
        }
    }

    #[test]
    fn the_pauses_grow_and_somebody_is_told() {
        let troubles = Troubles::default();
        let one = finished(1);
        let mut now = Timestamp::UNIX_EPOCH;
        for (number, minutes) in [1, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
            assert!(troubles.is_ready(&one, now));
            let expect = if number >= 3 {
                Next::AgainAndTell
            } else {
                Next::Again
            };
            assert_eq!(troubles.failed(&one, Retry::Later, now), expect, "{number}");
            let next = now + SignedDuration::from_mins(minutes);
            assert_eq!(troubles.next(now), Some(next));
            assert!(!troubles.is_ready(&one, now));
            now = next;
        }
        assert_eq!(troubles.count(), 1);
        assert_eq!(troubles.failed(&one, Retry::Never, now), Next::GiveUp);
        assert_eq!(troubles.count(), 0);
    }

    #[test]
    fn it_is_given_up_after_three_days() {
        let troubles = Troubles::default();
        let one = finished(1);
        let began = Timestamp::UNIX_EPOCH;
        let mut now = began;
        while troubles.failed(&one, Retry::Later, now) != Next::GiveUp {
            now = troubles.next(now).unwrap();
        }
        let hours = now.duration_since(began).as_hours();
        assert!((72..74).contains(&hours), "{hours}");
        assert_eq!(troubles.count(), 0);
    }

    #[test]
    fn what_another_node_did_is_no_trouble_any_more() {
        let troubles = Troubles::default();
        let [one, other] = [1, 2].map(finished);
        for trouble in [&one, &other] {
            troubles.failed(trouble, Retry::Later, Timestamp::UNIX_EPOCH);
        }
        assert!(troubles.left(&[one.clone(), other.clone()]).is_empty());
        assert!(troubles.left(std::slice::from_ref(&other)).is_empty());
        assert_eq!(troubles.left(&[]), BTreeSet::from([one.route]));
        assert_eq!(troubles.count(), 0);
        assert!(troubles.left(&[]).is_empty());
    }

    #[test]
    fn the_alert_is_over_when_the_last_of_the_route_has_worked() {
        let troubles = Troubles::default();
        let [one, other] = [1, 2].map(finished);
        for trouble in [&one, &other] {
            troubles.failed(trouble, Retry::Later, Timestamp::UNIX_EPOCH);
        }
        assert!(!troubles.worked(&one));
        assert!(troubles.worked(&other));
        troubles.resolved(&one.route);
        assert!(!troubles.worked(&other));
        troubles.told(&one.route);
        assert!(troubles.worked(&other));
    }
}
