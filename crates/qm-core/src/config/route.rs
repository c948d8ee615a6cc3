//! `[route.NAME]`: what happens to arrivals.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{DestinationLimits, SecretStore};
use crate::id::{DestinationName, NotifierName, RouteName};
use crate::name::{ObjectKey, ObjectPath};
use crate::pattern::Pattern;
use crate::retry::RetryPolicy;
use crate::screen::Screen;
use crate::template::{Facts, Template};
use crate::{Error, Kind, Result};

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
    /// What happens to delivered copies when the object departs; nothing else than what is named.
    #[serde(default)]
    pub propagate: BTreeSet<Propagate>,
    /// Who is told of dead letters.
    pub alert: Vec<NotifierName>,
}

/// Where a route's deliveries go.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are as many as a configuration has routes"
)]
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

impl Lookup {
    /// The name of the secret that knows where the file goes. It is made of what a partner named:
    /// relative, and without components that lead elsewhere.
    pub fn key(&self, facts: &Facts<'_>) -> Result<String> {
        let rendered = self.name.render(facts)?;
        match ObjectKey::parse(&rendered) {
            Ok(_) => Ok(rendered),
            Err(error) => Err(Error::new(
                Kind::Refused,
                "the name of this file does not say where it goes",
            )
            .during("naming the secret of the destination")
            .source(error)),
        }
    }

    /// The name of a new delivery at the place: the key without its first component, which says
    /// whose it is, if it has another.
    pub fn target(key: &ObjectKey) -> &str {
        key.as_str()
            .split_once('/')
            .map_or(key.as_str(), |(_, rest)| rest)
    }
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

/// A change of a name that delivered copies follow. What the node itself does to an object after
/// its deliveries is none.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Propagate {
    /// The object is removed: what was delivered is taken away.
    Delete,
    /// The object is renamed: it is delivered under its new name, then the old copy is taken away.
    Rename,
}

impl Propagate {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Rename => "rename",
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BreakerPolicy;
    use crate::id::BucketName;
    use jiff::Timestamp;

    fn lookup(name: &str) -> Lookup {
        Lookup {
            name: Template::parse(name).unwrap(),
            store: SecretStore::Node,
            require_tags: BTreeMap::new(),
            limits: DestinationLimits {
                concurrency: 1,
                bytes_per_second: None,
                closed: None,
                breaker: BreakerPolicy {
                    failures: 1,
                    pause: Duration::from_secs(1),
                },
            },
        }
    }

    #[track_caller]
    fn check(name: &str, key: &str, expect: Result<&str, Kind>) {
        let path = ObjectPath {
            bucket: BucketName::parse("staging").unwrap(),
            key: ObjectKey::parse(key).unwrap(),
        };
        let facts = Facts {
            path: &path,
            partner: None,
            arrived_at: Timestamp::UNIX_EPOCH,
        };
        let found = lookup(name).key(&facts);
        assert_eq!(
            found.as_deref().map_err(Error::kind),
            expect,
            "{name} {key}"
        );
    }

    #[test]
    fn a_looked_up_name_leads_nowhere_else() {
        check("sftp/{path.0}", "acme/in/a.csv", Ok("sftp/acme"));
        check("sftp/{path.1}", "acme", Err(Kind::Refused));
        check("sftp/{partner}", "acme/a.csv", Err(Kind::Refused));
        check("sftp/{stem}", "in/...csv", Err(Kind::Refused));
        check("sftp/{stem}/x", "in/..csv", Err(Kind::Refused));
        check("/{path.0}", "acme/a.csv", Err(Kind::Refused));
    }

    #[test]
    fn the_target_is_without_whose_it_is() {
        for (key, expect) in [
            ("acme/in/file.csv", "in/file.csv"),
            ("acme/file.csv", "file.csv"),
            ("file.csv", "file.csv"),
        ] {
            assert_eq!(Lookup::target(&ObjectKey::parse(key).unwrap()), expect);
        }
    }
}
