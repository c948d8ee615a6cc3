//! What a test sees of a world.

use qm_core::alert::{Alert, AlertState, Notification, NotificationState};
use qm_core::delivery::Delivery;
use qm_core::id::VersionId;
use qm_core::ports::ledger::{
    Alerts as _, Deliveries as _, DeliveryFilter, RecordedSlot, Slots as _,
};

use crate::world::World;

impl World {
    /// What a notifier took: subjects.
    pub(crate) fn mails(&self, name: &str) -> Vec<String> {
        let sent = self.notifier(name).sent();
        sent.into_iter().map(|n| n.text.subject).collect()
    }

    /// (source, destination, state, attempts) of every delivery, in order of creation.
    pub(crate) async fn table(&self) -> Vec<String> {
        let mut deliveries = self.deliveries().await;
        deliveries.reverse();
        let row = |d: Delivery| {
            let state = d.state.as_str();
            format!("{} {} {state} {}", d.source, d.destination, d.attempts)
        };
        deliveries.into_iter().map(row).collect()
    }

    pub(crate) async fn deliveries(&self) -> Vec<Delivery> {
        let all = DeliveryFilter::default();
        self.ledger.deliveries(all).await.unwrap()
    }

    pub(crate) async fn delivery_of(&self, version: VersionId) -> Delivery {
        let deliveries = self.deliveries().await;
        deliveries
            .into_iter()
            .find(|d| d.version.id == version)
            .unwrap()
    }

    pub(crate) async fn firing(&self) -> Vec<Alert> {
        let alerts = self.ledger.alerts(1000).await.unwrap();
        let firing = alerts.into_iter().filter(|a| a.state == AlertState::Firing);
        firing.collect()
    }

    /// (notifier, state, attempts) of every message, oldest first.
    pub(crate) async fn messages(&self) -> Vec<(String, NotificationState, u32)> {
        let mut messages = self.ledger.notifications(1000).await.unwrap();
        messages.reverse();
        let row = |m: Notification| (m.notifier.to_string(), m.state, m.attempts);
        messages.into_iter().map(row).collect()
    }

    /// `name date state` of every slot, oldest first.
    pub(crate) async fn slots(&self) -> Vec<String> {
        let mut slots = self.ledger.slots(1000).await.unwrap();
        slots.reverse();
        let row =
            |s: RecordedSlot| format!("{} {} {}", s.expectation, s.slot.date, s.state.as_str());
        slots.into_iter().map(row).collect()
    }
}
