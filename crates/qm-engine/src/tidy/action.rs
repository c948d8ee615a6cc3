//! What is to be done to an object.

use qm_core::Result;
use qm_core::config::{AfterDelivery, Config, Route};
use qm_core::delivery::{Finished, FinishedWhy};
use qm_core::name::ObjectKey;
use qm_core::template::Template;

use crate::facts::{facts, name};

/// What is to be done to an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Action {
    /// Nothing any more, for this reason.
    Nothing(String),
    /// Remove it.
    Remove(String),
    /// Rename it within its bucket.
    Move { to: ObjectKey, why: String },
}

impl Action {
    /// What the running revision says; an error if it says something that cannot be.
    pub(super) fn of(finished: &Finished, config: &Config) -> Result<Self> {
        let Some(route) = config.routes.get(&finished.route) else {
            return Ok(Self::Nothing(format!(
                "left where it is: route `{}` is not in the configuration any more",
                finished.route
            )));
        };
        match finished.why {
            FinishedWhy::Delivered => Self::after_delivery(finished, config, route),
            FinishedWhy::Rejected => match &route.screen.quarantine {
                Some(quarantine) => {
                    let why = format!("rejected on route {}", route.name);
                    Self::moving(quarantine, why, finished, config)
                }
                None => Ok(Self::left(route)),
            },
        }
    }

    fn after_delivery(finished: &Finished, config: &Config, route: &Route) -> Result<Self> {
        let why = format!("delivered on route {}", route.name);
        match &route.after {
            AfterDelivery::Keep => Ok(Self::left(route)),
            AfterDelivery::Delete => Ok(Self::Remove(why)),
            AfterDelivery::Move(archive) => Self::moving(archive, why, finished, config),
        }
    }

    fn moving(
        template: &Template,
        why: String,
        finished: &Finished,
        config: &Config,
    ) -> Result<Self> {
        let facts = facts(config, &finished.source, finished.arrived_at);
        let to = name(template, &facts)?;
        Ok(Self::Move { to, why })
    }

    fn left(route: &Route) -> Self {
        Self::Nothing(format!(
            "left where it is: route `{}` says so now",
            route.name
        ))
    }
}
