//! The outside of a world: every destination and notifier a test speaks of exists, and secrets
//! that lookups find.

use async_trait::async_trait;
use parking_lot::Mutex;
use qm_core::delivery::Delivery;
use qm_core::id::NotifierName;
use qm_core::lookup::{self, LookedUpPlace};
use qm_core::ports::access::Secret;
use qm_core::ports::connector::NotifierPort;
use qm_core::screen::Screen;
use qm_core::{Error, Kind, Result};
use qm_engine::{Outside, Way};
use qm_testkit::outside::{FakeDestination, RecordingNotifier};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::settings::notifier;

/// By name; a destination that was looked up has its host's or bucket's, unless it is one by name.
#[derive(Default)]
pub(crate) struct Doors {
    destinations: Mutex<BTreeMap<String, Arc<FakeDestination>>>,
    notifiers: Mutex<BTreeMap<NotifierName, Arc<RecordingNotifier>>>,
    secrets: Mutex<BTreeMap<String, Kept>>,
    down: Mutex<Option<Kind>>,
}

#[derive(Clone)]
struct Kept {
    text: String,
    is_tagged: bool,
}

impl Doors {
    pub(crate) fn destination(&self, name: &str) -> Arc<FakeDestination> {
        let mut destinations = self.destinations.lock();
        Arc::clone(destinations.entry(name.to_owned()).or_default())
    }

    pub(crate) fn notifier(&self, name: &str) -> Arc<RecordingNotifier> {
        let mut notifiers = self.notifiers.lock();
        Arc::clone(notifiers.entry(notifier(name)).or_default())
    }

    /// The secret store has this one.
    pub(crate) fn keeps(&self, name: &str, text: &str) {
        let kept = Kept {
            text: text.to_owned(),
            is_tagged: true,
        };
        self.secrets.lock().insert(name.to_owned(), kept);
    }

    /// It lacks the tag that the route asks for.
    pub(crate) fn untags(&self, name: &str) {
        self.secrets.lock().get_mut(name).unwrap().is_tagged = false;
    }

    /// The secret store does not answer until `None` is set.
    pub(crate) fn set_store_down(&self, kind: Option<Kind>) {
        *self.down.lock() = kind;
    }

    fn look_up(&self, key: &str) -> Result<Way> {
        if let Some(kind) = *self.down.lock() {
            return Err(Error::new(kind, "the secret store does not answer"));
        }
        let secrets = self.secrets.lock();
        let kept = secrets
            .get(key)
            .ok_or_else(|| Error::new(Kind::NotFound, format!("there is no secret `{key}`")))?;
        if !kept.is_tagged {
            let message = format!("the secret `{key}` is not tagged for this route");
            return Err(Error::new(Kind::Refused, message));
        }
        let found = lookup::parse(&Secret::new(kept.text.clone()))?;
        let (at, leads_to) = match &found.place {
            LookedUpPlace::Bucket { place, .. } => (place.bucket.as_str(), None),
            LookedUpPlace::Destination(name) => (name.as_str(), Some(name.clone())),
            LookedUpPlace::Sftp(place) => (place.host.as_str(), None),
        };
        Ok(Way {
            connector: self.destination(at) as _,
            screen: found.screen,
            name: found.name,
            leads_to,
        })
    }
}

#[async_trait]
impl Outside for Doors {
    async fn way(&self, delivery: &Delivery) -> Result<Way> {
        let name = &delivery.destination;
        if let Some((_, key)) = name.as_looked_up() {
            return self.look_up(key);
        }
        Ok(Way {
            connector: self.destination(name.as_str()) as _,
            screen: Screen::default(),
            name: None,
            leads_to: None,
        })
    }

    fn notifier(&self, name: &NotifierName) -> Option<Arc<dyn NotifierPort>> {
        Some(Self::notifier(self, name.as_str()) as _)
    }
}
