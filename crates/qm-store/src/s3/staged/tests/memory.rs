//! Many uploads and little memory.

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

use super::super::super::client::PartBody;
use super::super::super::part_plan::PartPlan;
use super::super::StagedUpload;
use super::{PART, Room, assert_sealed, chunk, final_name, sample, temp_name, write};
use qm_core::ports::bucket::{Chunk, DigestBy, Staged as _, Staging};

/// Every upload holds half a part, then wants more: with room for four parts they would wait for
/// each other for ever if nothing went to files.
#[tokio::test(start_paused = true)]
async fn sixty_four_half_filled_parts_all_finish() {
    let room = Arc::new(Room::with(PART, 4_000));
    let barrier = Arc::new(tokio::sync::Barrier::new(64));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..64 {
        let (room, barrier) = (Arc::clone(&room), Arc::clone(&barrier));
        tasks.spawn(async move {
            let content = sample(3 * PART + number);
            let mut upload = room.upload(&temp_name(number.into()));
            write(&mut upload, &content, 0, PART / 2).await;
            barrier.wait().await;
            write(&mut upload, &content, PART / 2, content.len() as u64).await;
            let sealed = upload.seal().await.unwrap();
            assert_sealed(&sealed, &upload, &content);
            assert_eq!(room.published(&upload), content);
        });
    }
    let done = tokio::time::timeout(Duration::from_mins(10), tasks.join_all()).await;
    assert!(done.is_ok(), "they wait for each other");
    assert_eq!(room.parts.arena.used_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_starves_nobody() {
    let room = Room::with(PART, 1_000);
    let content = sample(PART);
    let mut idle = room.upload(&final_name(1));
    write(&mut idle, &content, 0, 10).await;
    assert!(matches!(idle.tail().await, PartBody::Bytes(_)));
    tokio::time::advance(Duration::from_hours(1)).await;
    assert!(
        matches!(idle.tail().await, PartBody::Bytes(_)),
        "nobody waits"
    );

    let began = Instant::now();
    let mut busy = room.upload(&final_name(2));
    write(&mut busy, &content, 0, 500).await;
    assert!(
        began.elapsed() < Duration::from_millis(100),
        "it got the memory at once"
    );
    assert!(matches!(busy.tail().await, PartBody::Bytes(_)));
    assert!(matches!(idle.tail().await, PartBody::Spilled(_)));

    // Whoever is not idle keeps its memory; whoever comes then waits a second and uses a file.
    let mut third = room.upload(&final_name(3));
    let began = Instant::now();
    let keep_busy = async {
        for at in 500..520 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            write(&mut busy, &content, at, at + 1).await;
        }
    };
    let write_third = async {
        write(&mut third, &content, 0, 10).await;
        began.elapsed()
    };
    let ((), waited) = tokio::join!(keep_busy, write_third);
    assert_eq!(waited.as_millis() / 10, 100);
    assert!(matches!(busy.tail().await, PartBody::Bytes(_)));
    assert!(matches!(third.tail().await, PartBody::Spilled(_)));

    for (mut upload, from) in [(idle, 10), (busy, 520), (third, 10)] {
        write(&mut upload, &content, from, PART).await;
        let sealed = upload.seal().await.unwrap();
        assert_sealed(&sealed, &upload, &content);
        assert_eq!(room.published(&upload), content);
    }
}

#[tokio::test(start_paused = true)]
async fn two_parts_are_on_their_way_while_the_next_fills() {
    let room = Room::with(PART, 100_000);
    *room.sink.takes.lock() = Duration::from_secs(5);
    let content = sample(4 * PART);
    let mut upload = room.upload(&final_name(1));
    let began = Instant::now();
    write(&mut upload, &content, 0, 3 * PART).await;
    assert!(began.elapsed() < Duration::from_secs(1), "it did not wait");
    write(&mut upload, &content, 3 * PART, 4 * PART).await;
    assert_eq!(began.elapsed().as_secs(), 5, "it waited for one of them");
}

#[tokio::test(start_paused = true)]
async fn a_spill_folder_that_does_not_work_fails_one_upload_only() {
    let room = Room::with(PART, 1_000);
    let content = sample(PART);
    let mut in_memory = room.upload(&final_name(1));
    write(&mut in_memory, &content, 0, 10).await;
    std::fs::remove_dir(room.folder.path()).unwrap();
    let mut spilling = room.upload(&final_name(2));
    let keep_busy = async {
        for at in 10..30 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            write(&mut in_memory, &content, at, at + 1).await;
        }
    };
    let ((), refused) = tokio::join!(keep_busy, spilling.write(vec![chunk(0, b"x")]));
    refused.unwrap_err();
    write(&mut in_memory, &content, 30, PART).await;
    let sealed = in_memory.seal().await.unwrap();
    assert_sealed(&sealed, &in_memory, &content);
}

/// 16 GiB through 512 MiB: never more than the arena has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_long_uploads_stay_within_the_arena() {
    const LIMIT: usize = 512 << 20;
    const FILE: u64 = 256 << 20;
    static PIECE: [u8; 1 << 20] = [7; 1 << 20];
    let room = Arc::new(Room::with(PART, LIMIT));
    room.sink.discard_all();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..64 {
        let room = Arc::clone(&room);
        tasks.spawn(async move {
            let staging = Staging {
                digest: DigestBy::Caller,
                ..final_name(number)
            };
            let plan = PartPlan::new(None);
            let mut upload = StagedUpload::new(room.parts.clone(), plan, &staging);
            let mut most = 0;
            for offset in (0..FILE).step_by(PIECE.len()) {
                let bytes = Bytes::from_static(&PIECE);
                upload.write(vec![Chunk { offset, bytes }]).await.unwrap();
                most = most.max(room.parts.arena.used_bytes());
            }
            assert_eq!(upload.seal().await.unwrap().size_bytes, FILE);
            most
        });
    }
    let most = tasks.join_all().await.into_iter().max().unwrap();
    assert!((16 << 20..=LIMIT).contains(&most), "{most}");
    assert_eq!(room.sink.discarded_bytes(), 64 * FILE);
    assert_eq!(room.parts.arena.used_bytes(), 0);
}
