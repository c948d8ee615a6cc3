//! What both engines write and read in the same words.

use qm_core::account::SshPublicKey;
use qm_core::audit::Activity;
use qm_core::delivery::{Delivery, DeliveryState, Transition};
use qm_core::name::{ObjectKey, ObjectPath, Prefix};
use qm_core::operation::Operation;
use qm_core::{Error, Kind};

const ACTIVITIES: [Activity; 19] = [
    Activity::Apply,
    Activity::AuthFailure,
    Activity::Connected,
    Activity::Delete,
    Activity::Disconnected,
    Activity::Found,
    Activity::Key,
    Activity::Mkdir,
    Activity::Open,
    Activity::PartialClose,
    Activity::Redrive,
    Activity::Rename,
    Activity::Restore,
    Activity::Rmdir,
    Activity::Setstat,
    Activity::Upload,
    Activity::Cancel,
    Activity::Purge,
    Activity::Undo,
];

/// From the audit's word.
pub(crate) fn activity(word: &str) -> Option<Activity> {
    ACTIVITIES
        .into_iter()
        .find(|activity| activity.as_str() == word)
}

/// What the record of a purged delivery is about.
pub(crate) fn purged_subject(delivery: &Delivery) -> String {
    format!("{} of {}", delivery.id, delivery.source)
}

/// What a delivery says of its last attempt; `note` is how the engine writes it.
pub(crate) fn last_error<'a, T: ?Sized>(transition: &Transition, note: &'a T) -> Option<&'a T> {
    (transition.state != DeliveryState::Delivered).then_some(note)
}

/// Of a state that no attempt comes to.
pub(crate) fn no_end(state: &DeliveryState) -> Error {
    Error::new(Kind::Bug, "an attempt cannot end like this").with("state", state.as_str())
}

/// Type and key, without the comment: what makes two lines the same key.
pub(crate) fn key_material(key: &SshPublicKey) -> String {
    let mut parts = key.as_str().split_whitespace();
    let (kind, body) = (parts.next(), parts.next());
    format!("{} {}", kind.unwrap_or_default(), body.unwrap_or_default())
}

/// Keys below a folder lie between `folder/` and `folder0`: `0` is the character after `/`.
pub(crate) fn key_bounds(folder: &Prefix) -> (String, Option<String>) {
    if folder.is_root() {
        return (String::new(), None);
    }
    (format!("{folder}/"), Some(format!("{folder}0")))
}

/// The keys whose names an operation changes.
pub(crate) fn names_changed(operation: &Operation) -> Vec<ObjectPath> {
    let mut names = vec![operation.path.clone()];
    if *operation.lands_on() != operation.path.key {
        names.push(sibling(&operation.path, operation.lands_on()));
    }
    names
}

/// The name is not what it was when its change was decided.
pub(crate) fn overtaken(name: &ObjectPath) -> Error {
    Error::new(
        Kind::Conflict,
        "the name was changed after its next change was decided",
    )
    .with("path", name)
}

/// Another key of the same bucket.
pub(crate) fn sibling(path: &ObjectPath, key: &ObjectKey) -> ObjectPath {
    ObjectPath {
        bucket: path.bucket.clone(),
        key: key.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails to compile when an activity is added: it belongs into the list above, too.
    fn place(activity: Activity) -> usize {
        match activity {
            Activity::Apply => 0,
            Activity::AuthFailure => 1,
            Activity::Connected => 2,
            Activity::Delete => 3,
            Activity::Disconnected => 4,
            Activity::Found => 5,
            Activity::Key => 6,
            Activity::Mkdir => 7,
            Activity::Open => 8,
            Activity::PartialClose => 9,
            Activity::Redrive => 10,
            Activity::Rename => 11,
            Activity::Restore => 12,
            Activity::Rmdir => 13,
            Activity::Setstat => 14,
            Activity::Upload => 15,
            Activity::Cancel => 16,
            Activity::Purge => 17,
            Activity::Undo => 18,
        }
    }

    #[test]
    fn every_activity_is_read_back() {
        for (index, expect) in ACTIVITIES.into_iter().enumerate() {
            assert_eq!(place(expect), index);
            assert_eq!(activity(expect.as_str()), Some(expect));
        }
    }
}
