//! SHA-256 of what was sent, part by part, beside the sending. Its state can be saved: an upload
//! that goes on in another process cannot read back what it sent.

use sha2::digest::common::hazmat::{SerializableState as _, SerializedState};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use super::client::PartBody;
use crate::errors::lost_task;
use qm_core::id::Sha256Digest;
use qm_core::ports::bucket::DigestBy;
use qm_core::{Error, Kind, Result};

/// Read at once from a spill file.
const READ_BYTES: usize = 256 * 1024;

/// The digest of the parts that were sent.
pub(crate) enum Digester {
    /// The caller digests.
    Caller,
    /// Up to date.
    Ready(Sha256),
    /// A part is being digested.
    Busy(JoinHandle<Result<Sha256>>),
    /// A part could not be read.
    Lost,
}

impl Digester {
    /// Of nothing.
    pub(crate) fn new(by: DigestBy) -> Self {
        match by {
            DigestBy::Bucket => Self::Ready(Sha256::new()),
            DigestBy::Caller => Self::Caller,
        }
    }

    /// As [`Digester::save`] left it; `None` if that cannot be read.
    pub(crate) fn restore(by: DigestBy, saved: Option<&str>) -> Option<Self> {
        match by {
            DigestBy::Caller => Some(Self::Caller),
            DigestBy::Bucket => {
                let mut state = SerializedState::<Sha256>::default();
                hex::decode_to_slice(saved?, &mut state).ok()?;
                Sha256::deserialize(&state).ok().map(Self::Ready)
            }
        }
    }

    /// The state as text; `None` if the caller digests. Not secret from whoever has the bytes, but
    /// never to be shown: it holds the file's last bytes.
    pub(crate) async fn save(&mut self) -> Result<Option<String>> {
        Ok(self
            .ready()
            .await?
            .map(|state| hex::encode(state.serialize())))
    }

    /// Waits for what is being digested.
    pub(crate) async fn ready(&mut self) -> Result<Option<&Sha256>> {
        if let Self::Busy(task) = self {
            let digested = task.await.map_err(lost_task);
            *self = Self::Lost;
            *self = Self::Ready(digested??);
        }
        match self {
            Self::Caller => Ok(None),
            Self::Ready(state) => Ok(Some(state)),
            Self::Busy(_) | Self::Lost => Err(lost()),
        }
    }

    /// Of nothing again.
    pub(crate) fn restart(&mut self) {
        *self = match self {
            Self::Caller => Self::Caller,
            Self::Ready(_) | Self::Busy(_) | Self::Lost => Self::Ready(Sha256::new()),
        };
    }

    /// Goes on with the next part, on another thread. [`Digester::ready`] was called before.
    pub(crate) fn start(&mut self, body: PartBody) {
        if let Self::Ready(state) = self {
            let state = state.clone();
            *self = Self::Busy(tokio::task::spawn_blocking(move || feed(state, &body)));
        }
    }

    /// The digest if `tail` were the end; zeros if the caller digests.
    pub(crate) async fn finish(&mut self, tail: PartBody) -> Result<Sha256Digest> {
        let Some(state) = self.ready().await?.cloned() else {
            return Ok(Sha256Digest([0; 32]));
        };
        let state = qm_threads::run(move || feed(state, &tail)).await?;
        Ok(Sha256Digest(state.finalize().into()))
    }
}

fn feed(mut state: Sha256, body: &PartBody) -> Result<Sha256> {
    match body {
        PartBody::Bytes(bytes) => state.update(bytes),
        PartBody::Spilled(spilled) => {
            let size_bytes = spilled.size_bytes();
            let mut offset = 0;
            while offset < size_bytes {
                let left = usize::try_from(size_bytes - offset).unwrap_or(READ_BYTES);
                let read = spilled.read_at(offset, left.min(READ_BYTES))?;
                state.update(&read);
                offset += read.len() as u64;
            }
        }
    }
    Ok(state)
}

fn lost() -> Error {
    Error::new(
        Kind::Conflict,
        "this upload has failed; please send the file again",
    )
    .during("digest a part")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn body(bytes: &'static [u8]) -> PartBody {
        PartBody::Bytes(Bytes::from_static(bytes))
    }

    #[tokio::test]
    async fn goes_on_from_its_saved_state() {
        let whole: [u8; 32] = Sha256::digest(b"hello world").into();
        let mut digester = Digester::new(DigestBy::Bucket);
        digester.start(body(b"hello"));
        let saved = digester.save().await.unwrap();
        assert_eq!(digester.finish(body(b" world")).await.unwrap().0, whole);
        let mut restored = Digester::restore(DigestBy::Bucket, saved.as_deref()).unwrap();
        restored.start(body(b" wor"));
        assert_eq!(restored.finish(body(b"ld")).await.unwrap().0, whole);
        assert_eq!(
            restored.finish(body(b"ld")).await.unwrap().0,
            whole,
            "twice"
        );
    }

    #[tokio::test]
    async fn what_cannot_be_restored_is_none() {
        for saved in [None, Some(""), Some("00"), Some("not hexadecimal")] {
            assert!(
                Digester::restore(DigestBy::Bucket, saved).is_none(),
                "{saved:?}"
            );
        }
        let mut caller = Digester::restore(DigestBy::Caller, None).unwrap();
        assert_eq!(caller.save().await.unwrap(), None);
        assert_eq!(caller.finish(body(b"x")).await.unwrap().0, [0; 32]);
    }
}
