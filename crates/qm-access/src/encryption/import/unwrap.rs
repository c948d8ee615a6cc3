//! Taking wrapped material apart. No step ends early: what fails is replaced by random bytes, and
//! only the end of all of them says whether there is material.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded as _};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey};
use zeroize::Zeroizing;

use crate::encryption::material::{MATERIAL_BYTES, Material, broken};
use qm_core::Result;

/// How material is wrapped; the names are those of AWS KMS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WrappingAlgorithm {
    /// `RSAES_OAEP_SHA_256`: the material under the wrapping key.
    RsaesOaepSha256,
    /// `RSA_AES_KEY_WRAP_SHA_256`: an AES key under the wrapping key, then the material under that
    /// AES key (RFC 5649).
    RsaAesKeyWrapSha256,
}

/// RSA-4096.
const RSA_BYTES: usize = 512;
/// 32 bytes wrapped as RFC 5649 has it.
const KEY_WRAPPED_BYTES: usize = MATERIAL_BYTES + 8;

pub(super) fn unwrap(
    private: &OaepPrivateDecryptingKey,
    algorithm: WrappingAlgorithm,
    wrapped: &[u8],
) -> Result<Option<Material>> {
    let first = padded::<RSA_BYTES>(wrapped);
    let second = padded::<KEY_WRAPPED_BYTES>(wrapped.get(RSA_BYTES..).unwrap_or_default());

    let mut room = Zeroizing::new([0; RSA_BYTES]);
    let outer = private
        .decrypt(&OAEP_SHA256_MGF1SHA256, &first, &mut room[..], None)
        .ok()
        .and_then(|plain| Material::from_slice(plain));
    let stand_in = Material::generate()?;
    let key = outer.as_ref().unwrap_or(&stand_in);

    let mut room = Zeroizing::new([0; KEY_WRAPPED_BYTES]);
    let inner = AesKek::new(&AES_256, key.reveal())
        .map_err(|_| broken("use a key"))?
        .unwrap_with_padding(&second, &mut room[..])
        .ok()
        .and_then(|plain| Material::from_slice(plain));

    let (material, length) = match algorithm {
        WrappingAlgorithm::RsaesOaepSha256 => (outer, RSA_BYTES),
        WrappingAlgorithm::RsaAesKeyWrapSha256 => (
            inner.filter(|_| outer.is_some()),
            RSA_BYTES + KEY_WRAPPED_BYTES,
        ),
    };
    Ok(material.filter(|_| wrapped.len() == length))
}

/// The beginning, filled up with zeros.
fn padded<const LENGTH: usize>(bytes: &[u8]) -> [u8; LENGTH] {
    let mut padded = [0; LENGTH];
    let length = bytes.len().min(LENGTH);
    padded[..length].copy_from_slice(&bytes[..length]);
    padded
}
