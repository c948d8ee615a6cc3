//! What our objects carry besides their bytes, and how an object is recognised.

use sha2::{Digest as _, Sha256};

use super::client::{Head, Metadata};
use qm_core::Result;
use qm_core::id::{DeliveryId, Sha256Digest, VersionId};
use qm_core::ports::encryption::Envelope;

const VERSION: &str = "quaymaster-version";
/// A digest of the place: tools that copy an object copy what it carries, and the copy is
/// somebody's new file, not ours.
const PLACE: &str = "quaymaster-place";
const IDENTITY: &str = "quaymaster-identity";
const ENVELOPE: &str = "quaymaster-envelope";
const SHA256: &str = "quaymaster-sha256";
/// The delivery that put the object there.
const DELIVERY: &str = "quaymaster-delivery";

/// Where an object is: the S3 bucket and the whole key in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
}

/// What the object of a version carries there.
pub(crate) fn of(
    place: Place<'_>,
    version: VersionId,
    envelope: Option<&Envelope>,
) -> Result<Metadata> {
    let mut metadata = Metadata::new();
    stamp(&mut metadata, place, version, None);
    if let Some(envelope) = envelope {
        seal(&mut metadata, envelope)?;
    }
    Ok(metadata)
}

/// Adds the digest of bytes in clear; that of sealed ones would tell what they are. An upload in
/// parts begins before anybody knows it.
pub(crate) fn add_digest(metadata: &mut Metadata, sha256: Sha256Digest) {
    if !is_sealed(metadata) {
        metadata.insert(SHA256.to_owned(), sha256.to_string());
    }
}

/// Says which delivery put the object there.
pub(crate) fn add_delivery(metadata: &mut Metadata, delivery: DeliveryId) {
    metadata.insert(DELIVERY.to_owned(), delivery.to_string());
}

/// Says that the object at this place is that version. `identity` is what the ledger recognises
/// it by, if that is not the version's id: it was somebody else's file before we moved it.
pub(crate) fn stamp(
    metadata: &mut Metadata,
    place: Place<'_>,
    version: VersionId,
    identity: Option<&str>,
) {
    let version = version.to_string();
    match identity.filter(|identity| *identity != version) {
        Some(identity) => metadata.insert(IDENTITY.to_owned(), identity.to_owned()),
        None => metadata.remove(IDENTITY),
    };
    metadata.insert(VERSION.to_owned(), version);
    metadata.insert(PLACE.to_owned(), digest_of(place));
}

/// Replaces how the bytes are sealed.
pub(crate) fn seal(metadata: &mut Metadata, envelope: &Envelope) -> Result<()> {
    metadata.insert(ENVELOPE.to_owned(), envelope.encode()?);
    Ok(())
}

/// The version that the object at this place is; `None` for what others put there.
pub(crate) fn version(metadata: &Metadata, place: Place<'_>) -> Option<VersionId> {
    let is_ours = metadata.get(PLACE) == Some(&digest_of(place));
    metadata
        .get(VERSION)
        .filter(|_| is_ours)
        .and_then(|version| version.parse().ok())
}

/// How the ledger recognises the object at this place: an object of ours by the id of its
/// version, another one by its native version, and without one by everything the store says.
pub(crate) fn identity(head: &Head, place: Place<'_>) -> String {
    if let Some(version) = version(&head.metadata, place) {
        return match head.metadata.get(IDENTITY) {
            Some(identity) => identity.clone(),
            None => version.to_string(),
        };
    }
    match &head.native_version {
        Some(native) => format!("native {native}"),
        None => format!(
            "etag {} size {} modified {}",
            head.etag.trim_matches('"'),
            head.size_bytes,
            head.modified.as_second(),
        ),
    }
}

/// How the bytes are sealed, if they are. `Invalid` if that cannot be read.
pub(crate) fn envelope(metadata: &Metadata) -> Result<Option<Envelope>> {
    metadata
        .get(ENVELOPE)
        .map(|text| Envelope::decode(text))
        .transpose()
}

/// True if the bytes are sealed.
pub(crate) fn is_sealed(metadata: &Metadata) -> bool {
    metadata.contains_key(ENVELOPE)
}

/// A prefix of SHA-256, long enough that no two places share it.
fn digest_of(place: Place<'_>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(place.bucket.as_bytes());
    hasher.update(b"\0");
    hasher.update(place.key.as_bytes());
    hex::encode(&hasher.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    const HERE: Place<'_> = Place {
        bucket: "landing",
        key: "in/a.csv",
    };

    fn head(metadata: Metadata, native_version: Option<&str>) -> Head {
        Head {
            etag: "\"abc\"".into(),
            size_bytes: 7,
            modified: Timestamp::UNIX_EPOCH,
            native_version: native_version.map(str::to_owned),
            metadata,
            content_type: None,
        }
    }

    #[test]
    fn an_object_is_ours_only_where_we_put_it() {
        let version = VersionId::from_parts(1, 2);
        let mut metadata = Metadata::new();
        stamp(&mut metadata, HERE, version, None);
        let ours = head(metadata, Some("n1"));
        assert_eq!(identity(&ours, HERE), version.to_string());
        let copied = Place {
            key: "in/b.csv",
            ..HERE
        };
        assert_eq!(identity(&ours, copied), "native n1");
        assert_eq!(super::version(&ours.metadata, copied), None);
    }

    #[test]
    fn what_others_put_there_is_recognised_by_what_the_store_says() {
        assert_eq!(
            identity(&head(Metadata::new(), Some("n1")), HERE),
            "native n1"
        );
        assert_eq!(
            identity(&head(Metadata::new(), None), HERE),
            "etag abc size 7 modified 0"
        );
    }

    #[test]
    fn a_moved_file_of_others_keeps_its_identity() {
        let version = VersionId::from_parts(1, 2);
        let mut metadata = Metadata::new();
        stamp(&mut metadata, HERE, version, Some("native n1"));
        assert_eq!(identity(&head(metadata.clone(), None), HERE), "native n1");
        assert_eq!(super::version(&metadata, HERE), Some(version));
        stamp(&mut metadata, HERE, version, Some(&version.to_string()));
        assert_eq!(identity(&head(metadata, None), HERE), version.to_string());
    }

    #[test]
    fn all_of_it_fits_what_a_store_takes() {
        let envelope = Envelope {
            version: VersionId::from_parts(1, 2),
            encryption_key: qm_core::id::EncryptionKeyName::parse(&"k".repeat(64)).unwrap(),
            generation: u32::MAX,
            data_key: vec![1; 60],
            wrapping: vec![2; 300],
        };
        assert!(envelope.encode().unwrap().len() > Envelope::ENCODED_MAX - 200);
        let mut metadata = of(HERE, envelope.version, Some(&envelope)).unwrap();
        add_digest(&mut metadata, Sha256Digest([7; 32]));
        assert!(!metadata.contains_key(SHA256), "it is sealed");
        add_delivery(&mut metadata, "0123456789abcdef".repeat(2).parse().unwrap());
        stamp(
            &mut metadata,
            HERE,
            envelope.version,
            Some(&"n".repeat(200)),
        );
        let bytes: usize = metadata
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        assert!(bytes <= 2048, "{bytes} bytes of metadata");
        assert_eq!(super::envelope(&metadata).unwrap(), Some(envelope));
    }
}
