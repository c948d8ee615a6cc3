//! Write handles: what is written how, and what happens when it fails.

use crate::client::{
    APPEND, Body, CREATE, EOF, FAILURE, OK, PERMISSION_DENIED, READ, Sftp, UPLOAD, WRITE, packet,
};
use crate::house::House;

#[tokio::test]
async fn writes_in_any_order_become_one_file() {
    let house = House::start().await;
    let mut sftp = Sftp::open(&house).await;
    let content: Vec<u8> = (0..600_000u32).map(|i| (i % 251) as u8).collect();
    let handle = sftp.handle("a.bin", UPLOAD).await;
    let mut pieces: Vec<(usize, &[u8])> =
        (0..).step_by(40_000).zip(content.chunks(40_000)).collect();
    pieces.reverse();
    pieces.swap(1, 7);
    let mut stream = Vec::new();
    for (id, (offset, piece)) in (1000..).zip(&pieces) {
        let body = Body::new()
            .string(&handle)
            .u64(*offset as u64)
            .string(piece);
        stream.extend(packet(6, id, &body));
    }
    sftp.send(stream).await;
    for id in (1000..).take(pieces.len()) {
        let reply = sftp.reply().await;
        assert_eq!((reply.id, reply.code()), (id, OK));
    }
    assert_eq!(sftp.close(&handle).await.code(), OK);
    assert_eq!(house.fake.bytes("a.bin").unwrap(), content);
    let calls = house.fake.state.lock().writes.len();
    assert!(calls < pieces.len(), "{calls} calls for {}", pieces.len());
}

#[tokio::test]
async fn a_hole_is_refused_at_close() {
    let house = House::start().await;
    let mut sftp = Sftp::open(&house).await;
    let handle = sftp.handle("a.bin", UPLOAD).await;
    assert_eq!(sftp.write(&handle, 5, b"tail").await.code(), OK);
    let (code, message) = sftp.close(&handle).await.status();
    assert_eq!((code, message.contains("byte 0")), (FAILURE, true));
    assert!(house.fake.bytes("a.bin").is_none());
}

#[tokio::test]
async fn the_forms_of_open_that_clients_use() {
    for (flags, offset, expect) in [
        (UPLOAD, 0, &b"new"[..]),
        (WRITE | CREATE, 0, b"new"),
        (WRITE, 6, b"before" as &[u8]),
        (APPEND | CREATE | WRITE, 6, b"before"),
        (APPEND, 6, b"before"),
        (READ | UPLOAD, 0, b"new"),
    ] {
        let house = House::start().await;
        house.fake.put("a.csv", "before");
        let mut sftp = Sftp::open(&house).await;
        let handle = sftp.handle("a.csv", flags).await;
        assert_eq!(sftp.write(&handle, offset, b"new").await.code(), OK);
        assert_eq!(sftp.close(&handle).await.code(), OK);
        let expect = if offset == 0 {
            expect.to_vec()
        } else {
            [expect, b"new"].concat()
        };
        assert_eq!(house.fake.bytes("a.csv").unwrap(), expect, "{flags:b}");
    }
}

#[tokio::test]
async fn a_handle_for_both_reads_what_was_written() {
    let house = House::start().await;
    let mut sftp = Sftp::open(&house).await;
    let handle = sftp.handle("a.csv", READ | UPLOAD).await;
    sftp.write(&handle, 0, b"hello").await;
    assert_eq!(&sftp.read(&handle, 1, 3).await.string()[..], b"ell");
    assert_eq!(sftp.read(&handle, 5, 3).await.code(), EOF);
    let fstat = sftp.call(8, Body::new().string(&handle)).await;
    assert_eq!(fstat.attributes().0, 5);
    let sync = sftp
        .extended("fsync@openssh.com", Body::new().string(&handle))
        .await;
    assert_eq!(sync.code(), OK);
    assert_eq!(house.fake.state.lock().flushes, 1);
    let only_write = sftp.handle("b.csv", UPLOAD).await;
    let (code, sentence) = sftp.read(&only_write, 0, 1).await.status();
    assert_eq!(code, PERMISSION_DENIED);
    assert_eq!(sentence, "that file was not opened for reading");
    assert_eq!(house.fake.state.lock().read_as_well, [true, false]);
    house.fake.put("c.csv", "c");
    let only_read = sftp.handle("c.csv", READ).await;
    assert_eq!(
        sftp.write(&only_read, 0, b"x").await.code(),
        PERMISSION_DENIED
    );
    assert_eq!(sftp.path(16, ".").await.names(), ["/"], "nothing is closed");
}

#[tokio::test]
async fn attributes_of_an_open_upload() {
    let house = House::start().await;
    house.fake.put("a.csv", "a longer file");
    let mut sftp = Sftp::open(&house).await;
    let handle = sftp.handle("a.csv", WRITE | CREATE).await;
    // Node's clients set permissions before the first WRITE, `scp` the size after the last.
    let mode = Body::new().string(&handle).u32(4).u32(0o100_600);
    assert_eq!(sftp.call(10, mode).await.code(), OK);
    sftp.write(&handle, 0, b"shorter").await;
    let size = Body::new().string(&handle).u32(1).u64(7);
    assert_eq!(sftp.call(10, size).await.code(), OK);
    // By name it is the open upload that is meant.
    let by_name = Body::new().string("/a.csv").u32(9).u64(5).u32(1).u32(77);
    assert_eq!(sftp.call(9, by_name).await.code(), OK);
    assert_eq!(sftp.close(&handle).await.code(), OK);
    assert_eq!(house.fake.bytes("a.csv").unwrap(), b"short");
    let (size, mode, modified) = sftp.path(17, "a.csv").await.attributes();
    assert_eq!((size, mode, modified), (5, 0o100_600, 77));
}

#[tokio::test]
async fn a_failed_close_is_reported_and_publishes_nothing() {
    let house = House::start().await;
    house.fake.put("a.xlsx", "before");
    house.fake.state.lock().fails_commit = true;
    let mut sftp = Sftp::open(&house).await;
    let handle = sftp.handle("a.xlsx", UPLOAD).await;
    sftp.write(&handle, 0, b"new").await;
    let (code, message) = sftp.close(&handle).await.status();
    assert_eq!(code, PERMISSION_DENIED);
    assert_eq!(message, "the file is not a spreadsheet");
    assert_eq!(house.fake.bytes("a.xlsx").unwrap(), b"before");
    assert_eq!(sftp.close(&handle).await.code(), FAILURE, "it is closed");
}

#[tokio::test]
async fn a_failed_write_is_answered_and_closes_the_channel() {
    let house = House::start().await;
    house.fake.state.lock().full_at = Some(10);
    let mut sftp = Sftp::open(&house).await;
    let handle = sftp.handle("a.bin", UPLOAD).await;
    let other = sftp.handle("b.bin", UPLOAD).await;
    assert_eq!(sftp.write(&other, 0, b"kept").await.code(), OK);
    assert_eq!(sftp.write(&handle, 0, b"fits").await.code(), OK);
    let (code, message) = sftp.write(&handle, 4, b"does not").await.status();
    assert_eq!(
        (code, message.as_str()),
        (FAILURE, "the server has no space left")
    );
    sftp.closed().await;
    house
        .wait_until("both uploads abandoned", |house| {
            house.fake.state.lock().abandoned.len() == 2
        })
        .await;
    assert!(house.fake.bytes("b.bin").is_none());
}

#[tokio::test]
async fn requests_of_a_channel_keep_their_order() {
    let house = House::start().await;
    house.fake.put("a.csv", "old");
    let mut sftp = Sftp::open(&house).await;
    let handle = sftp.handle(".in.a.csv", UPLOAD).await;
    // lftp's way to overwrite, all of it sent before anything is answered.
    let stream = [
        packet(6, 100, &Body::new().string(&handle).u64(0).string("new")),
        packet(4, 101, &Body::new().string(&handle)),
        packet(
            9,
            102,
            &Body::new().string(".in.a.csv").u32(8).u32(1).u32(2),
        ),
        packet(13, 103, &Body::new().string("a.csv")),
        packet(18, 104, &Body::new().string(".in.a.csv").string("a.csv")),
        packet(17, 105, &Body::new().string("a.csv")),
    ]
    .concat();
    sftp.send(stream).await;
    for id in 100..105 {
        let reply = sftp.reply().await;
        assert_eq!((reply.id, reply.code()), (id, OK));
    }
    assert_eq!(sftp.reply().await.attributes(), (3, 0o100_644, 2));
    assert_eq!(house.fake.bytes("a.csv").unwrap(), b"new");
}

#[tokio::test]
async fn reads_are_fetched_together_and_end_where_the_file_ends() {
    let house = House::start().await;
    let content: Vec<u8> = (0..300_000u32).map(|i| (i % 253) as u8).collect();
    house.fake.put("a.bin", content.clone());
    let mut sftp = Sftp::open(&house).await;
    let handle = sftp.handle("a.bin", READ).await;
    let reads: Vec<(u64, u32)> = (0..12).map(|i| (i * 32_768, 32_768)).collect();
    let jumps = [
        (299_999, 10),
        (300_000, 10),
        (u64::MAX, u32::MAX),
        (5, 0),
        (0, 4),
    ];
    let reads: Vec<(u64, u32)> = reads.into_iter().chain(jumps).collect();
    let mut stream = Vec::new();
    for (id, (offset, length)) in (100..).zip(&reads) {
        let body = Body::new().string(&handle).u64(*offset).u32(*length);
        stream.extend(packet(5, id, &body));
    }
    sftp.send(stream).await;
    for (id, (offset, length)) in (100..).zip(&reads) {
        let reply = sftp.reply().await;
        assert_eq!(reply.id, id);
        let from = content
            .len()
            .min(usize::try_from(*offset).unwrap_or(usize::MAX));
        let to = content.len().min(from.saturating_add(*length as usize));
        if from == to {
            assert_eq!(reply.code(), EOF, "{offset} {length}");
        } else {
            assert_eq!(reply.string(), content[from..to], "{offset} {length}");
        }
    }
    let fetches = house.fake.state.lock().reads.len();
    assert!(fetches < reads.len(), "{fetches} for {}", reads.len());
}
