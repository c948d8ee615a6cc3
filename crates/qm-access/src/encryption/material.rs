//! Key material, and the two things done with it: sealing a few bytes, and telling which key it is
//! without giving it away.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use zeroize::{Zeroize as _, Zeroizing};

use qm_core::{Error, Kind, Result};

/// 256 bits.
pub(crate) const MATERIAL_BYTES: usize = 32;
/// Documented, so that a customer finds the value with any tool (docs/encryption-keys.md).
const CHECK_PREFIX: &[u8] = b"quaymaster key check value\n";
/// 128 bits: nobody finds two keys with the same.
const CHECK_BYTES: usize = 16;

/// 256 bits of key material. Prints as `***`, is wiped when dropped.
pub(crate) struct Material(Zeroizing<[u8; MATERIAL_BYTES]>);

impl Material {
    pub(crate) fn generate() -> Result<Self> {
        let mut material = Zeroizing::new([0; MATERIAL_BYTES]);
        fill_random(&mut material[..])?;
        Ok(Self(material))
    }

    /// `None` if it has another length.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut material = Zeroizing::new([0; MATERIAL_BYTES]);
        if bytes.len() != MATERIAL_BYTES {
            return None;
        }
        material.copy_from_slice(bytes);
        Some(Self(material))
    }

    pub(crate) fn reveal(&self) -> &[u8; MATERIAL_BYTES] {
        &self.0
    }

    pub(crate) fn check_value(&self) -> CheckValue {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(CHECK_PREFIX);
        context.update(&self.0[..]);
        let mut value = [0; CHECK_BYTES];
        value.copy_from_slice(&context.finish().as_ref()[..CHECK_BYTES]);
        CheckValue(value)
    }

    /// Another key for one purpose, from which this one cannot be found.
    pub(crate) fn derive(&self, purpose: &str) -> Self {
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, &self.0[..]),
            purpose.as_bytes(),
        );
        let mut derived = Zeroizing::new([0; MATERIAL_BYTES]);
        derived.copy_from_slice(tag.as_ref());
        Self(derived)
    }

    /// Nonce, ciphertext and tag. Nonces are random: at most 2^32 times with one key, which is a
    /// version each.
    pub(crate) fn seal(&self, bound: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        fill_random(&mut nonce)?;
        let tag_bytes = AES_256_GCM.tag_len();
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + tag_bytes);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let tag = self
            .cipher()?
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound),
                &mut sealed[NONCE_LEN..],
            )
            .map_err(|_| broken("seal a key"))?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// What [`Material::seal`] sealed; `None` if a bit of it, of `bound` or of the key differs.
    pub(crate) fn open(&self, bound: &[u8], sealed: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let Some((nonce, rest)) = sealed.split_first_chunk::<NONCE_LEN>() else {
            return Ok(None);
        };
        let mut plain = Zeroizing::new(rest.to_vec());
        let opened = self.cipher()?.open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(bound),
            &mut plain,
        );
        let Ok(length) = opened.map(|opened| opened.len()) else {
            return Ok(None);
        };
        plain.truncate(length);
        Ok(Some(plain))
    }

    fn cipher(&self) -> Result<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, &self.0[..]).map_err(|_| broken("use a key"))?;
        Ok(LessSafeKey::new(key))
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Tells whether two keys are the same one. Not secret, and useless to find the key.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct CheckValue([u8; CHECK_BYTES]);

impl CheckValue {
    /// Enough to notice that a key is another one, where 16 bytes would be too many.
    pub(crate) fn short(&self) -> [u8; 4] {
        let mut short = [0; 4];
        short.copy_from_slice(&self.0[..4]);
        short
    }
}

impl fmt::Display for CheckValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for CheckValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for CheckValue {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CheckValue {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut value = [0; CHECK_BYTES];
        hex::decode_to_slice(String::deserialize(from)?, &mut value).map_err(de::Error::custom)?;
        Ok(Self(value))
    }
}

pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<()> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| {
        bytes.zeroize();
        broken("read random numbers")
    })
}

/// Cryptography with keys and lengths of ours does not fail.
pub(crate) fn broken(operation: &'static str) -> Error {
    Error::new(Kind::Bug, "the cryptographic library failed").during(operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_what_the_documents_say() {
        let material = Material::from_slice(&[7; 32]).unwrap();
        let mut text = CHECK_PREFIX.to_vec();
        text.extend([7; 32]);
        let digest = digest::digest(&digest::SHA256, &text);
        assert_eq!(
            material.check_value().to_string(),
            hex::encode(&digest.as_ref()[..16])
        );
    }

    #[test]
    fn only_256_bits_are_material() {
        for length in [0, 16, 31, 33, 64] {
            assert!(Material::from_slice(&vec![1; length]).is_none(), "{length}");
        }
    }

    #[test]
    fn material_does_not_print() {
        let material = Material::from_slice(&[7; 32]).unwrap();
        assert_eq!(format!("{material:?}"), "***");
        assert_ne!(material.derive("a").reveal(), material.derive("b").reveal());
    }
}
