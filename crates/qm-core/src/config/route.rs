//! `[route.NAME]`: what happens to arrivals.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{AwsAccess, DestinationLimits, SecretStore};
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
    /// What it is found by, made of the object's path: a secret's name, or the key of an item.
    pub name: Template,
    /// Where it lies.
    pub store: LookupPlace,
    /// Tags that the secret must carry, or attributes that the item must have; without them it is
    /// none of this route's.
    pub require_tags: BTreeMap<String, String>,
    /// Destinations of the configuration that it may name, and no others: whoever writes secrets or
    /// items does not choose among all that the node reaches.
    #[serde(default)]
    pub destinations: Vec<DestinationName>,
    /// How much each destination is given at a time.
    pub limits: DestinationLimits,
}

/// Where that lies which says where a file goes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum LookupPlace {
    /// Items of a table.
    Table(LookupTable),
    /// Secrets; written as revisions had them before there were tables.
    #[serde(untagged)]
    Secrets(SecretStore),
}

/// A table of DynamoDB whose items say where files go.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LookupTable {
    /// How it is reached, and as whom.
    pub access: AwsAccess,
    /// Its name.
    pub table: String,
    /// The attribute that is its partition key.
    pub partition_key: String,
}

impl Lookup {
    /// The name of the secret, or the key of the item, that knows where the file goes. It is made of
    /// what a partner named: relative, and without components that lead elsewhere. An item's may be
    /// a prefix and end in `/`.
    pub fn key(&self, facts: &Facts<'_>) -> Result<String> {
        let rendered = self.name.render(facts)?;
        let path = match &self.store {
            LookupPlace::Secrets(_) => &rendered,
            LookupPlace::Table(_) => rendered.strip_suffix('/').unwrap_or(&rendered),
        };
        match ObjectKey::parse(path) {
            Ok(_) => Ok(rendered),
            Err(error) => Err(Error::new(
                Kind::Refused,
                "the name of this file does not say where it goes",
            )
            .during("naming what the destination is looked up by")
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
            store: LookupPlace::Secrets(SecretStore::Node),
            require_tags: BTreeMap::new(),
            destinations: Vec::new(),
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

    fn in_a_table(name: &str) -> Lookup {
        Lookup {
            store: LookupPlace::Table(LookupTable {
                access: AwsAccess::default(),
                table: "data-egress".to_owned(),
                partition_key: "source_prefix".to_owned(),
            }),
            ..lookup(name)
        }
    }

    #[track_caller]
    fn check(lookup: &Lookup, key: &str, expect: Result<&str, Kind>) {
        let path = ObjectPath {
            bucket: BucketName::parse("staging").unwrap(),
            key: ObjectKey::parse(key).unwrap(),
        };
        let facts = Facts {
            path: &path,
            partner: None,
            arrived_at: Timestamp::UNIX_EPOCH,
        };
        let found = lookup.key(&facts);
        assert_eq!(
            found.as_deref().map_err(Error::kind),
            expect,
            "{lookup:?} {key}"
        );
    }

    #[test]
    fn a_looked_up_name_leads_nowhere_else() {
        for (name, key, expect) in [
            ("sftp/{path.0}", "acme/in/a.csv", Ok("sftp/acme")),
            ("sftp/{path.1}", "acme", Err(Kind::Refused)),
            ("sftp/{partner}", "acme/a.csv", Err(Kind::Refused)),
            ("sftp/{stem}", "in/...csv", Err(Kind::Refused)),
            ("sftp/{stem}/x", "in/..csv", Err(Kind::Refused)),
            ("/{path.0}", "acme/a.csv", Err(Kind::Refused)),
        ] {
            check(&lookup(name), key, expect);
            check(&in_a_table(name), key, expect);
        }
    }

    #[test]
    fn the_key_of_an_item_may_be_a_prefix() {
        let prefix = "{bucket}/{path.0}/";
        check(&in_a_table(prefix), "acme/in/a.csv", Ok("staging/acme/"));
        check(&lookup(prefix), "acme/in/a.csv", Err(Kind::Refused));
        for name in ["{path.0}//", "/", "../{path.0}/"] {
            check(&in_a_table(name), "acme/a.csv", Err(Kind::Refused));
        }
    }

    /// Revisions are rows: those that were written before there were tables must still be read.
    #[test]
    fn where_it_lies_is_written_as_before() {
        let aws = SecretStore::Aws(AwsAccess {
            region: Some("eu-west-1".to_owned()),
            ..AwsAccess::default()
        });
        for store in [SecretStore::Node, aws] {
            let before = serde_json::to_value(&store).unwrap();
            let place = LookupPlace::Secrets(store);
            assert_eq!(serde_json::to_value(&place).unwrap(), before);
            let read: LookupPlace = serde_json::from_value(before).unwrap();
            assert_eq!(read, place);
        }
        let table = in_a_table("{path.0}/").store;
        let written = serde_json::to_string(&table).unwrap();
        assert_eq!(
            serde_json::from_str::<LookupPlace>(&written).unwrap(),
            table
        );
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
