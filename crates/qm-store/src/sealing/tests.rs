//! Sealing above a store that takes bytes in order, keeps whole parts of broken-off uploads and
//! gives nothing back before the end, as object stores do.

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

use super::container::{CHUNK_BYTES, Cipher, sealed_size};
use super::content::SealedContent;
use super::parked::ParkedState;
use super::staged::SealedStaged;
use qm_core::id::{EncryptionKeyName, Sha256Digest, VersionId};
use qm_core::operation::StagedToken;
use qm_core::ports::bucket::{Attributes, Chunk, Content, Parked, Sealed, Staged};
use qm_core::ports::encryption::{DataKey, Envelope};
use qm_core::{Error, Kind, Result};

const PART_BYTES: usize = 1 << 20;

#[derive(Clone, Default)]
struct InOrder(Arc<Mutex<Vec<u8>>>);

fn refused() -> Error {
    Error::new(Kind::Unsupported, "bytes come once and in order here")
}

#[async_trait]
impl Staged for InOrder {
    fn version(&self) -> VersionId {
        version()
    }

    fn token(&self) -> Option<StagedToken> {
        Some(StagedToken("upload".into()))
    }

    fn size_bytes(&self) -> u64 {
        self.0.lock().len() as u64
    }

    async fn write(&mut self, chunks: Vec<Chunk>) -> Result<()> {
        let mut stored = self.0.lock();
        for chunk in chunks {
            if chunk.offset != stored.len() as u64 {
                return Err(refused());
            }
            stored.extend_from_slice(&chunk.bytes);
        }
        Ok(())
    }

    async fn read(&mut self, _offset: u64, _length: u32) -> Result<Bytes> {
        Err(refused())
    }

    async fn set_size(&mut self, _size_bytes: u64) -> Result<()> {
        Err(refused())
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    async fn keep_contiguous(&mut self) -> Result<Option<Parked>> {
        let mut stored = self.0.lock();
        let kept = stored.len() / PART_BYTES * PART_BYTES;
        stored.truncate(kept);
        Ok((kept > 0).then(|| Parked {
            token: StagedToken("upload".into()),
            size_bytes: kept as u64,
            state: Some("what the store needs".into()),
        }))
    }

    async fn seal(&mut self) -> Result<Sealed> {
        Ok(Sealed {
            size_bytes: self.0.lock().len() as u64,
            sha256: Sha256Digest([0; 32]),
            identity: "native 1".into(),
        })
    }

    async fn set_attributes(&mut self, _attributes: Attributes) -> Result<()> {
        Ok(())
    }
}

/// What was stored, a little at a time.
#[async_trait]
impl Content for InOrder {
    fn size_bytes(&self) -> u64 {
        self.0.lock().len() as u64
    }

    fn envelope(&self) -> Option<&Envelope> {
        None
    }

    async fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        let stored = self.0.lock();
        let begin = stored.len().min(usize::try_from(offset).unwrap());
        let end = stored.len().min(begin + 100_000.min(length as usize));
        Ok(Bytes::copy_from_slice(&stored[begin..end]))
    }
}

fn version() -> VersionId {
    VersionId::from_parts(1, 2)
}

fn cipher() -> Cipher {
    Cipher::new(&DataKey::new([7; 32]), version()).unwrap()
}

fn sealing(store: &InOrder) -> SealedStaged {
    let envelope = Envelope {
        version: version(),
        encryption_key: EncryptionKeyName::parse("landing").unwrap(),
        generation: 1,
        data_key: vec![1; 60],
        wrapping: Vec::new(),
    };
    SealedStaged::new(Box::new(store.clone()), cipher(), envelope)
}

fn some_bytes(size_bytes: usize) -> Bytes {
    let byte = |place: usize| u8::try_from((place * place + place / 7) % 251).unwrap();
    (0..size_bytes).map(byte).collect()
}

async fn send(staged: &mut SealedStaged, bytes: &Bytes, begin: usize, end: usize, step: usize) {
    for offset in (begin..end).step_by(step) {
        let bytes = bytes.slice(offset..end.min(offset + step));
        let offset = offset as u64;
        staged.write(vec![Chunk { offset, bytes }]).await.unwrap();
    }
}

/// Seals, and reads everything back.
async fn is(staged: &mut SealedStaged, store: &InOrder, bytes: &Bytes) {
    for _ in 0..2 {
        let sealed = staged.seal().await.unwrap();
        assert_eq!(sealed.size_bytes, bytes.len() as u64);
        assert_eq!(sealed.sha256.0[..], Sha256::digest(bytes)[..]);
        assert_eq!(sealed.identity, "native 1");
    }
    let stored = store.0.lock().len() as u64;
    assert_eq!(stored, sealed_size(bytes.len() as u64));
    let content = SealedContent::open(Box::new(store.clone()), cipher())
        .await
        .unwrap();
    assert!(content.read(0, u32::MAX).await.unwrap() == bytes);
}

#[tokio::test]
async fn what_comes_in_order_is_written_once_and_in_order() {
    let bytes = some_bytes(20 * CHUNK_BYTES + 5);
    for size_bytes in [
        0,
        1,
        CHUNK_BYTES - 1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        bytes.len(),
    ] {
        for step in [
            32 * 1024,
            CHUNK_BYTES,
            5 * CHUNK_BYTES + 1,
            18 * CHUNK_BYTES,
        ] {
            let store = InOrder::default();
            let mut staged = sealing(&store);
            send(&mut staged, &bytes, 0, size_bytes, step).await;
            staged.flush().await.unwrap();
            is(&mut staged, &store, &bytes.slice(..size_bytes)).await;
        }
    }
}

#[tokio::test]
async fn an_upload_goes_on_where_the_last_whole_part_ended() {
    let bytes = some_bytes(50 * CHUNK_BYTES + 77);
    for sent in [CHUNK_BYTES * 16 + 3, CHUNK_BYTES * 40, bytes.len()] {
        let store = InOrder::default();
        let mut staged = sealing(&store);
        send(&mut staged, &bytes, 0, sent, 100_000).await;
        let parked = staged.keep_contiguous().await.unwrap().unwrap();
        let kept = usize::try_from(parked.size_bytes).unwrap();
        assert_eq!(kept, sent / (16 * CHUNK_BYTES) * 16 * CHUNK_BYTES);
        assert_eq!(staged.size_bytes(), parked.size_bytes);

        let state = ParkedState::read(&parked).unwrap();
        let below = state.inner(&parked);
        assert_eq!(below.state.as_deref(), Some("what the store needs"));
        assert_eq!(below.size_bytes, store.0.lock().len() as u64);
        let digest = state.digest(&cipher()).unwrap();
        let resumed = sealing(&store).resumed(parked.size_bytes, digest).await;
        let mut resumed = resumed.unwrap().unwrap();
        send(&mut resumed, &bytes, kept, bytes.len(), 70_000).await;
        is(&mut resumed, &store, &bytes).await;
    }
}

#[tokio::test]
async fn a_file_may_end_where_a_part_does() {
    let bytes = some_bytes(16 * CHUNK_BYTES);
    let store = InOrder::default();
    let mut staged = sealing(&store);
    send(&mut staged, &bytes, 0, bytes.len(), 100_000).await;
    let parked = staged.keep_contiguous().await.unwrap().unwrap();
    assert_eq!(parked.size_bytes, bytes.len() as u64);
    let digest = ParkedState::read(&parked)
        .unwrap()
        .digest(&cipher())
        .unwrap();
    let resumed = sealing(&store).resumed(parked.size_bytes, digest).await;
    is(&mut resumed.unwrap().unwrap(), &store, &bytes).await;
}

#[tokio::test]
async fn less_than_a_part_is_not_kept_and_what_cannot_be_digested_begins_anew() {
    let bytes = some_bytes(17 * CHUNK_BYTES);
    let store = InOrder::default();
    let mut staged = sealing(&store);
    send(&mut staged, &bytes, 0, 15 * CHUNK_BYTES, 100_000).await;
    assert_eq!(staged.keep_contiguous().await.unwrap(), None);

    let store = InOrder::default();
    let mut staged = sealing(&store);
    send(&mut staged, &bytes, 0, bytes.len(), 100_000).await;
    let parked = staged.keep_contiguous().await.unwrap().unwrap();
    let nothing_digested = super::digest::ChunkDigest::default();
    let resumed = sealing(&store)
        .resumed(parked.size_bytes, nothing_digested)
        .await;
    assert!(resumed.unwrap().is_none());
}

#[tokio::test]
async fn after_a_write_that_failed_nothing_comes_of_the_upload() {
    let bytes = some_bytes(3 * CHUNK_BYTES);
    let store = InOrder::default();
    let mut staged = sealing(&store);
    send(&mut staged, &bytes, 0, 2 * CHUNK_BYTES, 100_000).await;
    let offset = 5;
    let back = staged.write(vec![Chunk { offset, bytes }]).await;
    assert_eq!(back.unwrap_err().kind(), Kind::Unsupported);
    assert_eq!(staged.seal().await.unwrap_err().kind(), Kind::Conflict);
    let kept = staged.keep_contiguous().await;
    assert_eq!(kept.unwrap_err().kind(), Kind::Conflict);
}
