//! The digest of a file while its chunks are sealed. Earlier states are remembered, so that an
//! upload goes on from where its bucket could keep it without reading anything back.

use sha2::digest::common::hazmat::{SerializableState as _, SerializedState};
use sha2::{Digest as _, Sha256};
use std::collections::VecDeque;

use qm_core::id::Sha256Digest;

/// 1 MiB of sealed bytes: where the parts of an object store end.
const CHUNKS_A_STATE: u64 = 16;
/// 4 GiB of sealed bytes, in half a MiB of memory; no part that is on its way is longer.
const STATES_MAX: usize = 4096;

/// SHA-256 of a file's first chunks, all full.
#[derive(Clone, Default)]
pub(crate) struct ChunkDigest {
    now: State,
    earlier: VecDeque<State>,
    was_rewound: bool,
}

#[derive(Clone, Default)]
struct State {
    chunks: u64,
    sha256: Sha256,
}

impl ChunkDigest {
    /// Of how many chunks.
    pub(crate) fn chunks(&self) -> u64 {
        self.now.chunks
    }

    /// The next chunk.
    pub(crate) fn update(&mut self, plain: &[u8]) {
        self.now.sha256.update(plain);
        self.now.chunks += 1;
        if self.now.chunks.is_multiple_of(CHUNKS_A_STATE) {
            if self.earlier.len() == STATES_MAX {
                self.earlier.pop_front();
            }
            self.earlier.push_back(self.now.clone());
        }
    }

    /// Of the whole file, whose last chunk is `last`.
    pub(crate) fn finish(&self, last: &[u8]) -> Sha256Digest {
        Sha256Digest(self.now.sha256.clone().chain_update(last).finalize().into())
    }

    /// Back to a state of at most so many chunks.
    pub(crate) fn rewind(&mut self, chunks: u64) {
        if self.now.chunks <= chunks {
            return;
        }
        self.was_rewound = true;
        while self
            .earlier
            .back()
            .is_some_and(|state| state.chunks > chunks)
        {
            self.earlier.pop_back();
        }
        self.now = self.earlier.back().cloned().unwrap_or_default();
    }

    /// True if it covered more once.
    pub(crate) fn was_rewound(&self) -> bool {
        self.was_rewound
    }

    /// The state, to go on from elsewhere. It may hold the last bytes of the file: never kept in
    /// clear.
    pub(crate) fn save(&self) -> Vec<u8> {
        self.now.sha256.serialize().to_vec()
    }

    /// From a saved state; `None` if it is none.
    pub(crate) fn restore(chunks: u64, saved: &[u8]) -> Option<Self> {
        let saved = SerializedState::<Sha256>::try_from(saved).ok()?;
        let sha256 = Sha256::deserialize(&saved).ok()?;
        Some(Self {
            now: State { chunks, sha256 },
            earlier: VecDeque::new(),
            was_rewound: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_from_any_earlier_state() {
        let chunk = |number: u64| [u8::try_from(number % 251).unwrap(); 100];
        let expect = (0..200)
            .fold(Sha256::new(), |sha256, number| {
                sha256.chain_update(chunk(number))
            })
            .chain_update("end")
            .finalize();
        let mut digest = ChunkDigest::default();
        (0..200).for_each(|number| digest.update(&chunk(number)));
        for back_to in [200, 199, 176, 175, 17, 3, 0] {
            digest.rewind(back_to);
            let from = digest.chunks();
            assert!(from <= back_to && back_to - from < CHUNKS_A_STATE || back_to == 200);
            let mut digest = ChunkDigest::restore(from, &digest.save()).unwrap();
            (from..200).for_each(|number| digest.update(&chunk(number)));
            assert_eq!(digest.finish(b"end").0[..], expect[..], "{back_to}");
        }
        assert!(ChunkDigest::restore(1, b"nonsense").is_none());
    }
}
