//! Departures: the recorded facts that objects went away from a name, by somebody's wish: removed,
//! or renamed. What follows of one at destinations is decided by the routes that delivered it.

use crate::arrival::Arrival;
use crate::delivery::{Delivery, NewDelivery};
use crate::id::{DeliveryId, OperationSeq, VersionId};
use crate::name::ObjectPath;

/// An object went away from a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Departure {
    /// The change of the name that did it.
    pub operation: OperationSeq,
    /// The name.
    pub path: ObjectPath,
    /// What was under it.
    pub version: VersionId,
    /// Where it is now, if it was renamed to where things arrive.
    pub to: Option<Arrival>,
    /// Of each place where the version was put from this name, or is to be, the newest delivery
    /// from this name.
    pub copies: Vec<Delivery>,
}

/// What follows of a departure.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Following {
    /// What that delivery put there is taken away; if it is still open, it is given up.
    Remove(DeliveryId),
    /// It is put under another name; what `replaces` put there is taken away when that is done.
    Rename {
        /// The delivery of [`Departure::to`].
        new: NewDelivery,
        /// What was delivered from the former name.
        replaces: Option<DeliveryId>,
    },
}
