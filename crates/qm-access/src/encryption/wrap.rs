//! A data key wrapped by key material, and bound to what it belongs to.
//!
//! Format 1: the byte 1, four bytes of the material's check value, then AES-256-GCM (nonce,
//! ciphertext, tag) with version, name of the encryption key and generation as associated data.
//! The check bytes only serve a clear message; they too are bound.

use qm_core::id::{EncryptionKeyName, VersionId};
use qm_core::ports::encryption::{DataKey, Envelope};
use qm_core::{Error, Kind, Result};
use zeroize::Zeroizing;

use super::material::Material;

const FORMAT: u8 = 1;
const CHECK_BYTES: usize = 4;

/// What a wrapped data key is bound to: moved to another place it does not open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding<'a> {
    pub(crate) version: VersionId,
    pub(crate) encryption_key: &'a EncryptionKeyName,
    pub(crate) generation: u32,
}

impl<'a> Binding<'a> {
    pub(crate) fn of(envelope: &'a Envelope) -> Self {
        Self {
            version: envelope.version,
            encryption_key: &envelope.encryption_key,
            generation: envelope.generation,
        }
    }

    fn bytes(&self, head: &[u8]) -> Vec<u8> {
        // A name has no NUL in it, a version is always as long: no two bindings are the same bytes.
        let mut bytes = b"quaymaster data key\0".to_vec();
        bytes.extend_from_slice(head);
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(self.version.to_string().as_bytes());
        bytes.extend_from_slice(self.encryption_key.as_str().as_bytes());
        bytes
    }
}

pub(crate) fn wrap(material: &Material, binding: Binding<'_>, key: &DataKey) -> Result<Vec<u8>> {
    let head = head(material);
    let sealed = material.seal(&binding.bytes(&head), key.reveal())?;
    Ok([head.as_slice(), &sealed].concat())
}

/// `Invalid` if anything was changed.
pub(crate) fn unwrap(material: &Material, binding: Binding<'_>, wrapped: &[u8]) -> Result<DataKey> {
    let Some((&[format, ref check @ ..], sealed)) =
        wrapped.split_first_chunk::<{ 1 + CHECK_BYTES }>()
    else {
        return Err(changed());
    };
    if format != FORMAT {
        return Err(changed().with("format", format));
    }
    if *check != material.check_value().short() {
        return Err(Error::new(
            Kind::Invalid,
            "these bytes were sealed with other key material than their encryption key has now",
        )
        .help("restore the folder of the encryption key from its back-up")
        .with("encryption_key", binding.encryption_key)
        .with("generation", binding.generation));
    }
    let opened = material.open(&binding.bytes(&head(material)), sealed)?;
    opened.as_ref().and_then(data_key).ok_or_else(changed)
}

/// `None` if it has another length.
pub(crate) fn data_key(bytes: &Zeroizing<Vec<u8>>) -> Option<DataKey> {
    Material::from_slice(bytes).map(|material| DataKey::new(*material.reveal()))
}

pub(crate) fn changed() -> Error {
    Error::new(
        Kind::Invalid,
        "the wrapped data key stored with these bytes was changed or belongs to others",
    )
}

fn head(material: &Material) -> [u8; 1 + CHECK_BYTES] {
    let [a, b, c, d] = material.check_value().short();
    [FORMAT, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> EncryptionKeyName {
        EncryptionKeyName::parse(text).unwrap()
    }

    fn binding(version: u128, name: &EncryptionKeyName, generation: u32) -> Binding<'_> {
        Binding {
            version: VersionId::from_parts(1, version),
            encryption_key: name,
            generation,
        }
    }

    proptest! {
        #[test]
        fn what_was_wrapped_comes_back_and_nowhere_else(
            bytes: [u8; 32],
            key: [u8; 32],
            version in 0..u128::from(u64::MAX),
            generation: u32,
            text in "[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}",
        ) {
            let material = Material::from_slice(&bytes).unwrap();
            let name = name(&text);
            let bound = binding(version, &name, generation);
            let wrapped = wrap(&material, bound, &DataKey::new(key)).unwrap();
            let open = |bound| unwrap(&material, bound, &wrapped);
            let opened = open(bound).unwrap();
            prop_assert_eq!(opened.reveal(), &key);
            let longer = self::name("other");
            for wrong in [
                binding(version + 1, &name, generation),
                binding(version, &longer, generation),
                binding(version, &name, generation.wrapping_add(1)),
            ] {
                prop_assert_eq!(open(wrong).unwrap_err().kind(), Kind::Invalid);
            }
        }

        #[test]
        fn nothing_that_was_changed_opens(
            bytes: [u8; 32],
            at in 0_usize..65,
            flip in 1_u8..,
            length in 0_usize..65,
        ) {
            let material = Material::from_slice(&bytes).unwrap();
            let name = name("landing");
            let bound = binding(7, &name, 1);
            let wrapped = wrap(&material, bound, &DataKey::new([9; 32])).unwrap();
            prop_assert_eq!(wrapped.len(), 65);
            let mut flipped = wrapped.clone();
            flipped[at] ^= flip;
            let longer = [wrapped.as_slice(), &[0]].concat();
            for wrong in [&flipped, &wrapped[..length], &longer] {
                prop_assert_eq!(unwrap(&material, bound, wrong).unwrap_err().kind(), Kind::Invalid);
            }
        }
    }

    #[test]
    fn two_wrappings_of_a_key_differ() {
        let material = Material::generate().unwrap();
        let name = name("landing");
        let wrap = || wrap(&material, binding(7, &name, 1), &DataKey::new([9; 32])).unwrap();
        assert_ne!(wrap(), wrap());
    }

    #[test]
    fn other_material_is_told_apart_from_changed_bytes() {
        let name = name("landing");
        let bound = binding(7, &name, 1);
        let [one, other] = [[1; 32], [2; 32]].map(|bytes| Material::from_slice(&bytes).unwrap());
        let wrapped = wrap(&one, bound, &DataKey::new([9; 32])).unwrap();
        let error = unwrap(&other, bound, &wrapped).unwrap_err();
        assert!(error.public_message().contains("other key material"));
    }
}
