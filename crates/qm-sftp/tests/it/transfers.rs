//! Many requests at once: what our client reads and writes is what is there, whatever order and
//! whatever pieces the server answers in.

use bytes::{Buf as _, Bytes, BytesMut};
use proptest::prelude::*;
use qm_core::Kind;
use qm_core::Result;
use qm_core::ports::mailbox::Existing;
use qm_sftp::client::Client;
use std::ops::Range;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;

use crate::client::{Body, Reply, packet};
use crate::house::DEADLINE;
use crate::machine::content;
use crate::operators::{Door, put, source};

/// The type of a request.
const READ: u8 = 5;

/// A part of a file, as our client reads it.
async fn read(client: &mut Client, name: &str, part: Option<Range<u64>>) -> Result<Vec<u8>> {
    let (file, size_bytes) = client.open_file(name).await?;
    let (sink, mut pieces) = mpsc::channel::<Bytes>(1);
    let collected = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some(piece) = pieces.recv().await {
            all.extend_from_slice(&piece);
        }
        all
    });
    client
        .read_into(&file, part.unwrap_or(0..size_bytes), &sink)
        .await?;
    drop(sink);
    client.close(file).await?;
    Ok(collected.await.unwrap())
}

#[tokio::test]
async fn files_come_down() {
    let (door, mut client) = Door::client().await;
    for size in [0, 1, 261_120, 261_121, 9_000_000] {
        let there = content(size);
        door.fake.put("a.bin", there.clone());
        assert!(
            read(&mut client, "a.bin", None).await.unwrap() == there,
            "{size}"
        );
    }
}

#[tokio::test]
async fn reads_are_under_way_together() {
    let there = content(9_000_000);
    let (ours, stream) = tokio::io::duplex(4096);
    let server = Awkward {
        stream,
        file: there.clone(),
        seed: 1,
        reads_held: 4,
    };
    tokio::spawn(server.serve());
    let mut client = Client::open(ours).await.unwrap();
    // Whoever waits for the first answer waits for good.
    let found = tokio::time::timeout(DEADLINE, read(&mut client, "any", None)).await;
    assert!(found.expect("all is read in time").unwrap() == there);
}

#[tokio::test]
async fn writes_are_under_way_together() {
    let (door, mut client) = Door::client().await;
    put(&mut client, "a.bin", &content(9_000_000))
        .await
        .unwrap();
    let writes = door.fake.state.lock().writes.clone();
    assert!(writes.len() < 9_000_000 / 261_120, "{writes:?}");
}

#[tokio::test]
async fn a_source_in_small_pieces_is_the_same_file() {
    let (door, mut client) = Door::client().await;
    let sent = content(100_000);
    let pieces = sent
        .chunks(777)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)));
    let file = client
        .create("a.bin", Existing::Refuse, None)
        .await
        .unwrap();
    let written = client
        .write_from(&file, &mut source(pieces.collect()))
        .await;
    assert_eq!(written.unwrap(), 100_000);
    client.close(file).await.unwrap();
    assert_eq!(door.fake.bytes("a.bin").unwrap(), sent);
}

#[tokio::test]
async fn a_file_that_ends_early_is_no_success() {
    let (door, mut client) = Door::client().await;
    door.fake.put("a.bin", content(1_000_000));
    door.fake.state.lock().claims_more = 1;
    let error = read(&mut client, "a.bin", None).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.public_message().contains("shorter"), "{error:?}");
}

#[tokio::test]
async fn a_sink_that_is_closed_ends_the_download() {
    let (door, mut client) = Door::client().await;
    door.fake.put("a.bin", content(1_000_000));
    let (file, size_bytes) = client.open_file("a.bin").await.unwrap();
    let (sink, pieces) = mpsc::channel(1);
    drop(pieces);
    let error = client
        .read_into(&file, 0..size_bytes, &sink)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
}

/// A server that has one file and answers what it has got in an order of its own, with fewer bytes
/// than were asked for.
struct Awkward {
    stream: DuplexStream,
    file: Vec<u8>,
    seed: u64,
    /// The first READ is answered when so many wait.
    reads_held: usize,
}

impl Awkward {
    /// `SplitMix64`.
    fn random(&mut self, below: usize) -> usize {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % below.max(1) as u64).unwrap()
    }

    async fn serve(mut self) {
        let mut received = BytesMut::new();
        let mut waiting = Vec::new();
        loop {
            while let Some(request) = Reply::take(&mut received) {
                waiting.push(request);
            }
            let reads = waiting
                .iter()
                .filter(|request| request.kind == READ)
                .count();
            if reads >= self.reads_held {
                self.reads_held = 0;
            }
            let is_held = reads > 0 && self.reads_held > 0;
            let turn = self.random(waiting.len());
            if turn < waiting.len() && !is_held {
                let answer = self.answer(&waiting.swap_remove(turn));
                if self.stream.write_all(&answer).await.is_err() {
                    return;
                }
            } else if self.stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
                return;
            }
        }
    }

    fn answer(&mut self, request: &Reply) -> Vec<u8> {
        let mut body = request.body.clone();
        match request.kind {
            1 => packet(2, 3, &Body::new()),
            3 => packet(102, request.id, &Body::new().string("h")),
            8 => {
                let size = self.file.len() as u64;
                packet(105, request.id, &Body::new().u32(1).u64(size))
            }
            4 => packet(101, request.id, &Body::new().u32(0).string("").string("")),
            READ => {
                let handle = body.get_u32() as usize;
                body.advance(handle);
                let offset = usize::try_from(body.get_u64()).unwrap();
                let wanted = (body.get_u32() as usize).min(self.file.len() - offset);
                let given = 1 + self.random(wanted);
                let data = &self.file[offset..offset + given];
                packet(103, request.id, &Body::new().string(data))
            }
            kind => panic!("request {kind}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_part_is_read_as_it_is(
        size in 0..6_000_000_u32,
        ends in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        seed in any::<u64>(),
        buffer_bytes in prop_oneof![Just(4096_usize), Just(64 << 10), Just(16 << 20)],
    ) {
        let (from, to) = (ends.0.index(size as usize + 1), ends.1.index(size as usize + 1));
        let part = from.min(to)..from.max(to);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let there = content(size);
        let model = there[part.clone()].to_vec();
        let part = part.start as u64..part.end as u64;
        let found = runtime.block_on(async {
            let (ours, stream) = tokio::io::duplex(buffer_bytes);
            let server = Awkward { stream, file: there, seed, reads_held: 0 };
            tokio::spawn(server.serve());
            let mut client = Client::open(ours).await?;
            read(&mut client, "any", Some(part)).await
        });
        prop_assert!(found.unwrap() == model);
    }

    #[test]
    fn short_answers_of_our_own_server_are_continued(
        size in 1..3_000_000_u32,
        short_reads in 1_000..400_000_u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let there = content(size);
        let found = runtime.block_on(async {
            let (door, mut client) = Door::client().await;
            door.fake.put("a.bin", there.clone());
            door.fake.state.lock().short_reads = short_reads;
            read(&mut client, "a.bin", None).await
        });
        prop_assert!(found.unwrap() == there);
    }
}
