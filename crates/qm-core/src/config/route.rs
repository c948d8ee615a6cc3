//! `[route.NAME]`: what happens to arrivals.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

use super::{DestinationLimits, SecretStore};
use crate::id::{DestinationName, NotifierName, RouteName};
use crate::name::ObjectPath;
use crate::pattern::Pattern;
use crate::retry::RetryPolicy;
use crate::screen::Screen;
use crate::template::Template;

/// What happens to arrivals.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Route {
    /// Its name.
    pub name: RouteName,
    /// Which arrivals start it.
    pub arrives: Pattern,
    /// Where they go.
    pub deliver: Deliver,
    /// What is checked before anything is sent.
    pub screen: Screen,
    /// When a failed attempt is tried again.
    pub retry: RetryPolicy,
    /// Older deliveries are given up; `None` for never.
    pub max_age: Option<Duration>,
    /// What a newer version does to older deliveries that are still open.
    pub on_failure: OnFailure,
    /// Smaller files are not delivered.
    pub min_size_bytes: u64,
    /// What happens to the object when every delivery of its version has succeeded.
    pub after: AfterDelivery,
    /// Who is told of dead letters.
    pub alert: Vec<NotifierName>,
}

/// Where a route's deliveries go.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum Deliver {
    /// To these destinations.
    To(Vec<DestinationName>),
    /// To the one that is found by the object's path.
    LookUp(Lookup),
}

/// A destination that is found at run time by the object's path.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Lookup {
    /// The secret's name, made of the object's path.
    pub name: Template,
    /// Where it lies.
    pub store: SecretStore,
    /// Tags that the secret must carry; without them it is none of this route's.
    pub require_tags: BTreeMap<String, String>,
    /// How much each destination is given at a time.
    pub limits: DestinationLimits,
}

/// What a newer version of the same source does to an older open delivery to the same target.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum OnFailure {
    /// Waits for it.
    Block,
    /// Supersedes it.
    SkipSuperseded,
    /// Does not wait for it while it waits for its next attempt.
    Independent,
}

/// What happens to an object when every delivery of its version, on every route, has succeeded. It
/// touches that version only: a newer one under the name stays.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum AfterDelivery {
    /// Nothing.
    Keep,
    /// It is removed; the bucket's retention says how long its version is kept.
    Delete,
    /// It is renamed within its bucket, which fires no trigger.
    Move(Template),
}

impl Route {
    /// True if the arrival starts the route.
    pub fn is_started_by(&self, path: &ObjectPath, size_bytes: u64) -> bool {
        size_bytes >= self.min_size_bytes && self.arrives.matches(path)
    }

    /// The destinations that the configuration names.
    pub fn named_destinations(&self) -> &[DestinationName] {
        match &self.deliver {
            Deliver::To(names) => names,
            Deliver::LookUp(_) => &[],
        }
    }
}
