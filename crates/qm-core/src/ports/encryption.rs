//! Encryption keys: what wraps the data keys that seal stored bytes. Every version has a data key
//! of its own; a bucket's encryption key wraps it, and the result lies beside the bytes.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::Result;
use crate::id::{EncryptionKeyName, VersionId};

/// The encryption keys of the running revision.
#[async_trait]
pub trait EncryptionKeys: Send + Sync {
    /// A fresh data key for a version, wrapped under the newest generation of the encryption key.
    /// `Unavailable` if the key is disabled, destroyed, expired or out of reach, said plainly.
    async fn seal(
        &self,
        encryption_key: &EncryptionKeyName,
        version: VersionId,
    ) -> Result<(DataKey, Envelope)>;

    /// The data key in an envelope. `Unavailable` as above; `Invalid` if the envelope was changed.
    async fn open(&self, envelope: &Envelope) -> Result<DataKey>;

    /// The same data key under the newest generation; `None` if it is already.
    async fn rewrap(&self, envelope: &Envelope) -> Result<Option<Envelope>>;
}

/// A data key: 256 bits for AES-256-GCM. Prints as `***`, is wiped when dropped.
pub struct DataKey(zeroize::Zeroizing<[u8; 32]>);

impl DataKey {
    /// Takes the key.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(zeroize::Zeroizing::new(bytes))
    }

    /// The key itself, for the cipher.
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A wrapped data key, stored with the bytes that it seals. Not secret.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Envelope {
    /// The version whose bytes it belongs to; bound into the wrapping.
    pub version: VersionId,
    /// The encryption key, by the name it has in the configuration.
    pub encryption_key: EncryptionKeyName,
    /// Which generation of it; 1 is the first.
    pub generation: u32,
    /// The data key, wrapped.
    #[serde(with = "in_hex")]
    pub data_key: Vec<u8>,
    /// What the provider needs to unwrap what wrapped it (a KMS: its ciphertext); empty if nothing.
    #[serde(with = "in_hex", default, skip_serializing_if = "Vec::is_empty")]
    pub wrapping: Vec<u8>,
}

impl Envelope {
    /// An encoded envelope is never longer: object stores take 2 KiB of metadata in all.
    pub const ENCODED_MAX: usize = 1024;

    /// As text, for metadata and headers.
    pub fn encode(&self) -> Result<String> {
        let text = serde_json::to_string(self).map_err(|error| {
            crate::Error::new(crate::Kind::Bug, "an envelope cannot be written").source(error)
        })?;
        if text.len() > Self::ENCODED_MAX {
            return Err(crate::Error::new(
                crate::Kind::Limit,
                "the key provider's answer is too long to be stored with the bytes",
            ));
        }
        Ok(text)
    }

    /// From text; `Invalid` if it is none.
    pub fn decode(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            crate::Error::new(
                crate::Kind::Invalid,
                "the envelope stored with these bytes is damaged",
            )
            .source(error)
        })
    }
}

mod in_hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        hex::decode(text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(wrapping: Vec<u8>) -> Envelope {
        Envelope {
            version: VersionId::from_parts(1, 2),
            encryption_key: EncryptionKeyName::parse("landing").unwrap(),
            generation: 3,
            data_key: vec![7; 60],
            wrapping,
        }
    }

    #[test]
    fn an_envelope_survives_its_text() {
        for wrapping in [Vec::new(), vec![1; 200]] {
            let envelope = envelope(wrapping);
            assert_eq!(
                Envelope::decode(&envelope.encode().unwrap()).unwrap(),
                envelope
            );
        }
    }

    #[test]
    fn what_no_store_could_hold_is_refused() {
        assert_eq!(
            envelope(vec![1; 600]).encode().unwrap_err().kind(),
            crate::Kind::Limit
        );
        assert_eq!(
            Envelope::decode("{}").unwrap_err().kind(),
            crate::Kind::Invalid
        );
    }

    #[test]
    fn a_data_key_does_not_print() {
        assert_eq!(format!("{:?}", DataKey::new([1; 32])), "***");
    }
}
