//! What our objects carry besides their bytes. Azure takes only names that could be identifiers,
//! and proxies drop headers with underscores, hence one word each.

use std::collections::HashMap;

use qm_core::Result;
use qm_core::id::{Sha256Digest, VersionId};
use qm_core::ports::bucket::Staging;
use qm_core::ports::encryption::Envelope;

const VERSION: &str = "quaymasterversion";
const ENVELOPE: &str = "quaymasterenvelope";
const SHA256: &str = "quaymastersha256";
const DELIVERY: &str = "quaymasterdelivery";
/// How bytes that others put there were recognised before we copied them: a copy has another
/// generation or entity tag.
const IDENTITY: &str = "quaymasteridentity";

/// Listings tell the type of an object but not its metadata: so they tell what is sealed.
const SEALED: &str = "application/vnd.quaymaster.sealed";
const CLEAR: &str = "application/octet-stream";

/// What is stored with the bytes of an object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Attributes {
    pub(super) metadata: HashMap<String, String>,
    pub(super) content_type: Option<String>,
}

impl Attributes {
    /// Those of a version of ours.
    fn of_version(version: VersionId, envelope: Option<&Envelope>) -> Result<Self> {
        let mut metadata = HashMap::from([(VERSION.to_owned(), version.to_string())]);
        if let Some(envelope) = envelope {
            metadata.insert(ENVELOPE.to_owned(), envelope.encode()?);
        }
        let content_type = if envelope.is_some() { SEALED } else { CLEAR };
        Ok(Self {
            metadata,
            content_type: Some(content_type.to_owned()),
        })
    }

    /// Those of what is staged.
    pub(super) fn of(staging: &Staging) -> Result<Self> {
        let mut attributes = Self::of_version(staging.version, staging.envelope.as_ref())?;
        if let Some(deposit) = staging.deposit {
            let delivery = deposit.delivery.to_string();
            attributes.metadata.insert(DELIVERY.to_owned(), delivery);
        }
        Ok(attributes)
    }

    /// The same, with the digest of the bytes. Sealed bytes go without: a digest of what they hide
    /// would outlive the encryption key.
    pub(super) fn with_sha256(mut self, sha256: Sha256Digest) -> Self {
        if !self.metadata.contains_key(ENVELOPE) {
            self.metadata.insert(SHA256.to_owned(), sha256.to_string());
        }
        self
    }

    /// The same, with another envelope.
    pub(super) fn with_envelope(mut self, envelope: &Envelope) -> Result<Self> {
        self.metadata
            .insert(ENVELOPE.to_owned(), envelope.encode()?);
        self.content_type = Some(SEALED.to_owned());
        Ok(self)
    }

    /// Those of a copy of an object that was recognised by `identity`.
    pub(super) fn with_identity(mut self, identity: &str) -> Self {
        if !self.metadata.contains_key(VERSION) {
            self.metadata
                .insert(IDENTITY.to_owned(), identity.to_owned());
        }
        self
    }

    /// How the object is recognised: the version id it carries, else what it carries of an earlier
    /// copy, else what the store says.
    pub(super) fn identity<'a>(&'a self, store: &'a str) -> &'a str {
        self.metadata
            .get(VERSION)
            .or_else(|| self.metadata.get(IDENTITY))
            .map_or(store, String::as_str)
    }

    /// How the bytes are sealed; `Invalid` if that cannot be read.
    pub(super) fn envelope(&self) -> Result<Option<Envelope>> {
        self.metadata
            .get(ENVELOPE)
            .map(|text| Envelope::decode(text))
            .transpose()
    }

    /// True if the bytes are sealed, as stat tells it.
    pub(super) fn is_sealed(&self) -> bool {
        self.metadata.contains_key(ENVELOPE)
    }
}

/// True if the bytes are sealed, as a listing tells it.
pub(super) fn says_sealed(content_type: Option<&str>) -> bool {
    content_type == Some(SEALED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::id::EncryptionKeyName;

    #[test]
    fn identities() {
        let version = VersionId::from_parts(1, 2);
        let ours = Attributes::of_version(version, None).unwrap();
        assert_eq!(ours.identity("17"), version.to_string());
        let text = version.to_string();
        assert_eq!(ours.with_identity("17").identity("18"), text);
        let foreign = Attributes::default();
        assert_eq!(foreign.identity("17"), "17");
        assert_eq!(foreign.with_identity("17").identity("18"), "17");
    }

    #[test]
    fn a_digest_is_only_told_of_bytes_in_clear() {
        let version = VersionId::from_parts(1, 2);
        let envelope = Envelope {
            version,
            encryption_key: EncryptionKeyName::parse("landing").unwrap(),
            generation: 1,
            data_key: vec![7; 60],
            wrapping: Vec::new(),
        };
        let digest = Sha256Digest([1; 32]);
        let clear = Attributes::of_version(version, None).unwrap();
        assert!(clear.with_sha256(digest).metadata.contains_key(SHA256));
        let sealed = Attributes::of_version(version, Some(&envelope)).unwrap();
        let sealed = sealed.with_sha256(digest);
        assert!(!sealed.metadata.contains_key(SHA256));
        assert_eq!(sealed.envelope().unwrap(), Some(envelope));
        assert!(says_sealed(sealed.content_type.as_deref()));
        assert!(!says_sealed(Some("text/csv")));
    }
}
