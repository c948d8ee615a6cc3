//! What deliveries put into a bucket, beside what comes in by way of the ledger.

use crate::id::DeliveryId;
use crate::name::ObjectKey;
use crate::operation::Version;

/// What goes along with bytes that a delivery puts into a bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deposit {
    /// The delivery; the object carries its id where objects can carry anything.
    pub delivery: DeliveryId,
    /// S3: the owner of the bucket gets the object (`bucket-owner-full-control`).
    pub owner_full_control: bool,
}

/// What a delivery puts under a key.
#[derive(Clone, Copy, Debug)]
pub struct Put<'a> {
    /// The key.
    pub key: &'a ObjectKey,
    /// The bytes, by a version id that the delivery has in every attempt: an object store recognises
    /// its object by that.
    pub version: &'a Version,
    /// What goes along.
    pub deposit: Deposit,
    /// What [`super::bucket::Bucket::identity`] said of the key before the delivery's last check.
    pub replaces: Option<&'a str>,
}

/// An object in clear as its store knows it, for another bucket of the same store to copy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredObject {
    /// The store, as where it is reached.
    pub service: String,
    /// The store's bucket.
    pub bucket: String,
    /// The whole key in it.
    pub key: String,
    /// Its native version, if the bucket has them.
    pub native_version: Option<String>,
    /// What it is: a copy of anything else fails.
    pub etag: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Its content type.
    pub content_type: Option<String>,
}
