//! The sealed form of a file: chunks, each encrypted by itself. Pure; `docs/formats/sealing.md`
//! describes it and says why.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};

use qm_core::id::VersionId;
use qm_core::ports::encryption::DataKey;
use qm_core::{Error, Kind, Result};

/// A full chunk as it is stored. A power of two, so that the parts of an object store end where
/// chunks end.
pub(crate) const SEALED_CHUNK_BYTES: usize = 64 * 1024;
/// What a chunk holds of the file.
pub(crate) const CHUNK_BYTES: usize = SEALED_CHUNK_BYTES - OVERHEAD_BYTES;

const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;
/// Bound into every chunk.
const FORMAT: &[u8] = b"quaymaster sealed 1\0";

/// What a chunk is; bound into it, so that none passes for another kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    /// Not the last of its file: full, unless it waits for the rest of a broken-off upload.
    Body,
    /// The last of its file: shorter than a full one, maybe empty. Every file has exactly one.
    Last,
    /// No part of a file: the state of a broken-off upload's digest.
    DigestState,
}

/// How long a file of so many bytes is when sealed.
pub(crate) fn sealed_size(plain_bytes: u64) -> u64 {
    let (full, rest) = split(plain_bytes);
    sealed_offset(full)
        .saturating_add(rest as u64)
        .saturating_add(OVERHEAD_BYTES as u64)
}

/// How long the file is that is sealed in so many bytes; `None` if there is no such file.
pub(crate) fn plain_size(sealed_bytes: u64) -> Option<u64> {
    let full = sealed_bytes / SEALED_CHUNK_BYTES as u64;
    let last = sealed_bytes % SEALED_CHUNK_BYTES as u64;
    let rest = last.checked_sub(OVERHEAD_BYTES as u64)?;
    Some(full * CHUNK_BYTES as u64 + rest)
}

/// In which chunk an offset is, and where in it.
pub(crate) fn split(plain_offset: u64) -> (u64, usize) {
    let within = plain_offset % CHUNK_BYTES as u64;
    (
        plain_offset / CHUNK_BYTES as u64,
        usize::try_from(within).unwrap_or_default(),
    )
}

/// Where a chunk begins in the file.
pub(crate) fn plain_offset(number: u64) -> u64 {
    number.saturating_mul(CHUNK_BYTES as u64)
}

/// Where a chunk begins in the sealed bytes.
pub(crate) fn sealed_offset(number: u64) -> u64 {
    number.saturating_mul(SEALED_CHUNK_BYTES as u64)
}

/// How long the chunk is when sealed that a broken-off upload leaves behind its full ones; there
/// is none if it has no bytes.
pub(crate) fn tail_bytes(plain_bytes: usize) -> u64 {
    match plain_bytes {
        0 => 0,
        plain_bytes => (plain_bytes + OVERHEAD_BYTES) as u64,
    }
}

/// The cipher of one version.
pub(crate) struct Cipher {
    key: RandomizedNonceKey,
    bound: Vec<u8>,
}

impl Cipher {
    /// With the data key of a version.
    pub(crate) fn new(data_key: &DataKey, version: VersionId) -> Result<Self> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, data_key.reveal())
            .map_err(|error| internal("take a data key").source(error))?;
        let bound = [FORMAT, version.to_string().as_bytes()].concat();
        Ok(Self { key, bound })
    }

    /// Seals a chunk under a fresh nonce: the same chunk may be written again with other bytes.
    pub(crate) fn seal(&self, number: u64, role: Role, plain: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD_BYTES);
        sealed.extend_from_slice(&[0; NONCE_BYTES]);
        sealed.extend_from_slice(plain);
        let (nonce, tag) = self
            .key
            .seal_in_place_separate_tag(self.bound_to(number, role), &mut sealed[NONCE_BYTES..])
            .map_err(|error| internal("seal a chunk").source(error))?;
        sealed[..NONCE_BYTES].copy_from_slice(nonce.as_ref());
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens a chunk in place. `Invalid` if anything about it is not what was sealed.
    pub(crate) fn open<'a>(
        &self,
        number: u64,
        role: Role,
        sealed: &'a mut [u8],
    ) -> Result<&'a [u8]> {
        let damaged = || damaged().with("chunk", number);
        let (nonce, text) = sealed
            .split_at_mut_checked(NONCE_BYTES)
            .ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        self.key
            .open_in_place(nonce, self.bound_to(number, role), text)
            .map(|plain| &*plain)
            .map_err(|_| damaged())
    }

    fn bound_to(&self, number: u64, role: Role) -> Aad<Vec<u8>> {
        let role: u8 = match role {
            Role::Body => 0,
            Role::Last => 1,
            Role::DigestState => 2,
        };
        let mut bound = Vec::with_capacity(self.bound.len() + 9);
        bound.extend_from_slice(&self.bound);
        bound.extend_from_slice(&number.to_be_bytes());
        bound.push(role);
        Aad::from(bound)
    }
}

/// Stored bytes that are not what was sealed. Which bit it was, nobody is told.
pub(crate) fn damaged() -> Error {
    Error::new(
        Kind::Invalid,
        "the stored bytes of this file were damaged or changed, so nothing of them is given out",
    )
    .during("open sealed bytes")
}

fn internal(operation: &'static str) -> Error {
    Error::new(Kind::Bug, "the server met an internal error").during(operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cipher(data_key: u8, version: u128) -> Cipher {
        let version = VersionId::from_parts(1, version);
        Cipher::new(&DataKey::new([data_key; 32]), version).unwrap()
    }

    #[test]
    fn sizes() {
        let chunk = CHUNK_BYTES as u64;
        for (plain, sealed) in [
            (0, 28),
            (1, 29),
            (chunk - 1, 65_535),
            (chunk, 65_536 + 28),
            (chunk + 1, 65_536 + 29),
            (2 * chunk, 2 * 65_536 + 28),
        ] {
            assert_eq!(sealed_size(plain), sealed, "{plain}");
            assert_eq!(plain_size(sealed), Some(plain), "{sealed}");
        }
        for no_file in [0, 1, 27, 65_536, 65_536 + 27, 2 * 65_536] {
            assert_eq!(plain_size(no_file), None, "{no_file}");
        }
    }

    #[test]
    fn a_chunk_opens_only_as_what_it_is() {
        let sealed = cipher(1, 1).seal(7, Role::Body, b"partner").unwrap();
        let opened = |cipher: Cipher, number, role, sealed: &[u8]| {
            let mut sealed = sealed.to_vec();
            cipher.open(number, role, &mut sealed).map(<[u8]>::to_vec)
        };
        assert_eq!(
            opened(cipher(1, 1), 7, Role::Body, &sealed).unwrap(),
            b"partner"
        );
        for (other, number, role) in [
            (cipher(2, 1), 7, Role::Body),
            (cipher(1, 2), 7, Role::Body),
            (cipher(1, 1), 8, Role::Body),
            (cipher(1, 1), 7, Role::Last),
            (cipher(1, 1), 7, Role::DigestState),
        ] {
            let refusal = opened(other, number, role, &sealed).unwrap_err();
            assert_eq!(refusal.kind(), Kind::Invalid, "{number} {role:?}");
        }
        for length in 0..sealed.len() {
            assert!(opened(cipher(1, 1), 7, Role::Body, &sealed[..length]).is_err());
        }
    }

    #[test]
    fn no_nonce_comes_twice() {
        let cipher = cipher(1, 1);
        let nonces: std::collections::BTreeSet<_> = (0..1_000)
            .map(|_| cipher.seal(0, Role::Body, b"").unwrap()[..NONCE_BYTES].to_vec())
            .collect();
        assert_eq!(nonces.len(), 1_000);
    }
}
