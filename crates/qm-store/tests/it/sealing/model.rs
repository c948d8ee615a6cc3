//! Random writes through the decorator against plain bytes in memory.

use bytes::Bytes;
use proptest::prelude::*;
use std::sync::LazyLock;

use qm_core::ports::bucket::{Bucket, Staged};

use super::{CHUNK_BYTES, World, key, sealed, some_bytes, staging, write};

static SOURCE: LazyLock<Bytes> = LazyLock::new(|| some_bytes(400_000, 9));
static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap()
});

#[derive(Clone, Debug)]
enum Step {
    /// Bytes of the source, to an offset.
    Write {
        offset: usize,
        from: usize,
        length: usize,
    },
    /// Behind everything that was written.
    Append {
        from: usize,
        length: usize,
    },
    SetSize(usize),
    Read {
        offset: usize,
        length: usize,
    },
    Seal,
    /// The session is lost, and the upload goes on.
    Resume,
}

/// Offsets near where chunks meet are more telling than others.
fn offset() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..5 * CHUNK_BYTES,
        (0..5_usize, 0..7_usize)
            .prop_map(|(chunk, near)| (chunk * CHUNK_BYTES + near).saturating_sub(3)),
    ]
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..10_usize,
        0..3 * CHUNK_BYTES,
        Just(CHUNK_BYTES),
        Just(32 * 1024)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let from = 0..100_000_usize;
    prop_oneof![
        3 => (offset(), from.clone(), length())
            .prop_map(|(offset, from, length)| Step::Write { offset, from, length }),
        4 => (from, length()).prop_map(|(from, length)| Step::Append { from, length }),
        1 => offset().prop_map(Step::SetSize),
        2 => (offset(), length()).prop_map(|(offset, length)| Step::Read { offset, length }),
        1 => Just(Step::Seal),
        1 => Just(Step::Resume),
    ]
}

/// The file in clear: what was written, and whether it was.
#[derive(Default)]
struct Model {
    bytes: Vec<Option<u8>>,
}

impl Model {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.bytes.len() < offset + bytes.len() {
            self.bytes.resize(offset + bytes.len(), None);
        }
        for (place, byte) in self.bytes[offset..].iter_mut().zip(bytes) {
            *place = Some(*byte);
        }
    }

    fn hole(&self) -> Option<usize> {
        self.bytes.iter().position(Option::is_none)
    }

    fn read(&self, offset: usize, length: usize) -> Vec<u8> {
        let bytes = self.bytes.iter().skip(offset).take(length);
        bytes.map(|byte| byte.unwrap_or_default()).collect()
    }
}

async fn check(steps: Vec<Step>, reads: Vec<(usize, usize)>) {
    let world = World::new();
    let mut model = Model::default();
    let mut staged = world.bucket.stage(staging(1)).await.unwrap();
    for step in steps {
        match step {
            Step::Write {
                offset,
                from,
                length,
            } => {
                model.write(offset, &SOURCE[from..from + length]);
                write(&mut *staged, offset, SOURCE.slice(from..from + length)).await;
            }
            Step::Append { from, length } => {
                let offset = model.bytes.len();
                model.write(offset, &SOURCE[from..from + length]);
                write(&mut *staged, offset, SOURCE.slice(from..from + length)).await;
            }
            Step::SetSize(size) => {
                model.bytes.resize(size, None);
                staged.set_size(size as u64).await.unwrap();
            }
            Step::Read { offset, length } => {
                let read = staged
                    .read(offset as u64, u32::try_from(length).unwrap())
                    .await;
                assert!(
                    read.unwrap() == model.read(offset, length),
                    "{length} at {offset}"
                );
            }
            Step::Seal => is_sealed_as(&mut *staged, &model).await,
            Step::Resume => {
                model
                    .bytes
                    .truncate(model.hole().unwrap_or(model.bytes.len()));
                let Some(parked) = staged.keep_contiguous().await.unwrap() else {
                    assert!(model.bytes.is_empty());
                    continue;
                };
                assert_eq!(parked.size_bytes, model.bytes.len() as u64);
                drop(staged);
                staged = world
                    .bucket
                    .resume(staging(1), &parked)
                    .await
                    .unwrap()
                    .unwrap();
            }
        }
        assert_eq!(staged.size_bytes(), model.bytes.len() as u64);
    }
    if let Some(hole) = model.hole() {
        is_sealed_as(&mut *staged, &model).await;
        model.bytes.truncate(hole);
        staged.set_size(hole as u64).await.unwrap();
    }
    is_sealed_as(&mut *staged, &model).await;
    let version = sealed(&mut *staged).await;
    world.run("a", super::Change::Publish, &version, None).await;
    is_read_as(&world, &model, reads).await;
}

/// All of it, and any range.
async fn is_read_as(world: &World, model: &Model, reads: Vec<(usize, usize)>) {
    let content = world.bucket.open(&key("a")).await.unwrap();
    let all = model.read(0, usize::MAX);
    assert!(super::all_of(&*content).await.unwrap() == all);
    for (offset, length) in reads {
        let read = content
            .read(offset as u64, u32::try_from(length).unwrap())
            .await;
        assert!(
            read.unwrap() == model.read(offset, length),
            "{length} at {offset}"
        );
    }
    let entry = world
        .bucket
        .stat(&key("a").as_prefix())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (entry.size_bytes, entry.is_sealed),
        (all.len() as u64, false)
    );
}

/// Sealed with the digest of the model, or refused for its first hole.
async fn is_sealed_as(staged: &mut dyn Staged, model: &Model) {
    let sealed = staged.seal().await;
    if let Some(hole) = model.hole() {
        let refusal = sealed.unwrap_err();
        let expect = format!("byte {hole} ");
        assert!(refusal.public_message().contains(&expect), "{refusal}");
        return;
    }
    let bytes = model.read(0, usize::MAX);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    let sealed = sealed.unwrap();
    assert_eq!(sealed.size_bytes, bytes.len() as u64);
    assert_eq!(sealed.sha256.0[..], digest.as_ref()[..]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_sealed_upload_is_what_was_sent(
        steps in prop::collection::vec(step(), 1..24),
        reads in prop::collection::vec((offset(), length()), 0..12),
    ) {
        RUNTIME.block_on(check(steps, reads));
    }
}
