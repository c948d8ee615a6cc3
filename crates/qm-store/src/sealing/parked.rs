//! What a broken-off sealed upload needs besides its staged bytes: how they are sealed, and the
//! digest of what they were.

use serde::{Deserialize, Serialize};

use super::container::{Cipher, Role, plain_offset, sealed_offset, split, tail_bytes};
use super::digest::ChunkDigest;
use qm_core::ports::bucket::Parked;
use qm_core::ports::encryption::Envelope;
use qm_core::{Error, Kind, Result};

/// The text in [`Parked::state`] of a sealed upload. Nothing in it is in clear that the file holds.
#[derive(Deserialize, Serialize)]
pub(crate) struct ParkedState {
    pub(crate) envelope: Envelope,
    /// What the bucket below parked.
    inner_size_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inner: Option<String>,
    /// The digest covers so many chunks.
    digested_chunks: u64,
    /// Its state, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

impl ParkedState {
    pub(crate) fn save(
        envelope: &Envelope,
        inner: &Parked,
        digest: &ChunkDigest,
        cipher: &Cipher,
    ) -> Result<String> {
        let chunks = digest.chunks();
        let saved = match chunks {
            0 => None,
            _ => Some(cipher.seal(chunks, Role::DigestState, &digest.save())?),
        };
        let state = Self {
            envelope: envelope.clone(),
            inner_size_bytes: inner.size_bytes,
            inner: inner.state.clone(),
            digested_chunks: chunks,
            digest: saved.map(hex::encode),
        };
        serde_json::to_string(&state).map_err(|error| {
            Error::new(Kind::Bug, "the server met an internal error")
                .during("park a sealed upload")
                .source(error)
        })
    }

    /// From the ledger; `None` if it is not one that could be continued.
    pub(crate) fn read(parked: &Parked) -> Option<Self> {
        let state: Self = serde_json::from_str(parked.state.as_deref()?).ok()?;
        let (full, rest) = split(parked.size_bytes);
        (state.inner_size_bytes >= sealed_offset(full) + tail_bytes(rest)
            && plain_offset(state.digested_chunks) <= parked.size_bytes)
            .then_some(state)
    }

    /// What the bucket below parked.
    pub(crate) fn inner(&self, parked: &Parked) -> Parked {
        Parked {
            token: parked.token.clone(),
            size_bytes: self.inner_size_bytes,
            state: self.inner.clone(),
        }
    }

    /// The digest so far; from the beginning if there was none.
    pub(crate) fn digest(&self, cipher: &Cipher) -> Option<ChunkDigest> {
        let Some(digest) = &self.digest else {
            return Some(ChunkDigest::default());
        };
        let mut sealed = hex::decode(digest).ok()?;
        let saved = cipher
            .open(self.digested_chunks, Role::DigestState, &mut sealed)
            .ok()?;
        ChunkDigest::restore(self.digested_chunks, saved)
    }
}
