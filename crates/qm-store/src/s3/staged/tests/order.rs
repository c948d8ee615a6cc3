//! In which order bytes may come, and what is made of them.

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

use super::{PART, Room, assert_sealed, chunk, final_name, sample, temp_name, write};
use qm_core::Kind;
use qm_core::ports::bucket::Staged as _;

#[tokio::test(start_paused = true)]
async fn a_file_of_one_part_is_no_upload_in_parts() {
    for length in [0, 1, PART - 1, PART] {
        let room = Room::new();
        let content = sample(length);
        let mut upload = room.upload(&final_name(1));
        write(&mut upload, &content, 0, length).await;
        assert!(
            room.small_files().get(upload.version()).is_none(),
            "not sealed"
        );
        let sealed = upload.seal().await.unwrap();
        assert_sealed(&sealed, &upload, &content);
        assert_eq!(room.published(&upload), content);
        assert_eq!(
            room.parts.arena.used_bytes() as u64,
            length,
            "the rest is given back"
        );
        let version = upload.version();
        drop(upload);
        assert!(
            room.small_files().get(version).is_some(),
            "it may be about to be published"
        );
        tokio::time::sleep(Duration::from_secs(121)).await;
        assert!(room.small_files().get(version).is_none());
        assert_eq!((room.sink.begun(), room.parts.arena.used_bytes()), (0, 0));
    }
}

#[tokio::test]
async fn longer_files_are_sent_in_parts() {
    for length in [PART + 1, 2 * PART, 5 * PART + 17] {
        let room = Room::new();
        let content = sample(length);
        let mut upload = room.upload(&final_name(1));
        for start in (0..length).step_by(300) {
            write(&mut upload, &content, start, length.min(start + 300)).await;
        }
        let sealed = upload.seal().await.unwrap();
        assert_sealed(&sealed, &upload, &content);
        assert_eq!(room.published(&upload), content);
        assert_eq!(room.sink.begun(), 1);
    }
}

#[tokio::test]
async fn under_a_temp_name_every_file_is_durable_once_sealed() {
    for length in [0, 1, PART, 3 * PART, 3 * PART + 1] {
        let room = Room::new();
        let content = sample(length);
        let mut upload = room.upload(&temp_name(1));
        write(&mut upload, &content, 0, length).await;
        let sealed = upload.seal().await.unwrap();
        assert_sealed(&sealed, &upload, &content);
        let token = upload.token().unwrap();
        drop(upload);
        assert_eq!(room.sink.complete(&token, PART), content, "{length}");
    }
}

#[tokio::test]
async fn writes_may_overtake_each_other_within_a_part() {
    let room = Room::new();
    let content = sample(4 * PART);
    let mut upload = room.upload(&final_name(1));
    for (from, to) in [
        (500, 900),
        (1_000, 1_900),
        (0, 500),
        (900, 1_000),
        (2_500, 3_000),
        (1_900, 2_500),
        (3_000, 4_000),
    ] {
        write(&mut upload, &content, from, to).await;
    }
    let sealed = upload.seal().await.unwrap();
    assert_sealed(&sealed, &upload, &content);
    assert_eq!(room.published(&upload), content);
}

#[tokio::test]
async fn what_lies_too_far_ahead_or_behind_is_refused() {
    let room = Room::new();
    let content = sample(6 * PART);
    let mut upload = room.upload(&final_name(1));
    write(&mut upload, &content, 0, 2 * PART + 1).await;
    let behind = upload
        .write(vec![chunk(2 * PART - 1, b"xy")])
        .await
        .unwrap_err();
    assert_eq!(behind.kind(), Kind::Unsupported);
    assert!(behind.public_message().contains("from beginning to end"));
    write(&mut upload, &content, 4 * PART - 1, 4 * PART).await;
    let ahead = upload.write(vec![chunk(4 * PART, b"x")]).await.unwrap_err();
    assert_eq!(ahead.kind(), Kind::Unsupported);
    assert!(ahead.public_message().contains("byte 2001 must come first"));
    let hole = upload.seal().await.unwrap_err();
    assert_eq!(hole.kind(), Kind::Invalid);
    assert!(hole.public_message().contains("byte 2001 and on"));
    let endless = upload.write(vec![chunk(5 << 40, b"x")]).await.unwrap_err();
    assert_eq!(endless.kind(), Kind::Limit);
    assert_eq!(
        upload.set_size(u64::MAX).await.unwrap_err().kind(),
        Kind::Limit
    );
    write(&mut upload, &content, 2 * PART, 4 * PART).await;
    let sealed = upload.seal().await.unwrap();
    assert_sealed(&sealed, &upload, &content[..4_000]);
}

#[tokio::test]
async fn what_is_sealed_can_be_changed_and_sealed_again() {
    let room = Room::new();
    let content = sample(3 * PART);
    let mut upload = room.upload(&final_name(1));
    write(&mut upload, &content, 0, 20).await;
    upload.seal().await.unwrap();
    upload.set_size(11).await.unwrap();
    assert!(room.small_files().get(upload.version()).is_none());
    let sealed = upload.seal().await.unwrap();
    assert_sealed(&sealed, &upload, &content[..11]);
    write(&mut upload, &content, 11, 2_500).await;
    let refused = upload
        .write(vec![chunk(0, b"rewritten")])
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), Kind::Unsupported);
    let sealed = upload.seal().await.unwrap();
    assert_sealed(&sealed, &upload, &content[..2_500]);
    upload.write(vec![chunk(2_400, &[7; 50])]).await.unwrap();
    let sealed = upload.seal().await.unwrap();
    let mut changed = content[..2_500].to_vec();
    changed[2_400..2_450].fill(7);
    assert_sealed(&sealed, &upload, &changed);
    // The part that the last seal sent is still in the store.
    upload.set_size(2_000).await.unwrap();
    let sealed = upload.seal().await.unwrap();
    assert_sealed(&sealed, &upload, &content[..2_000]);
    assert_eq!(room.sink.sizes(), [1_000, 1_000, 0]);
    assert_eq!(room.published(&upload), &content[..2_000]);
}

#[tokio::test]
async fn begun_anew() {
    let room = Room::new();
    let content = sample(2_500);
    for staging in [final_name(1), temp_name(2)] {
        let mut upload = room.upload(&staging);
        write(&mut upload, &content, 0, 2_400).await;
        assert_eq!(
            upload.set_size(1_500).await.unwrap_err().kind(),
            Kind::Unsupported
        );
        upload.set_size(0).await.unwrap();
        assert_eq!(upload.size_bytes(), 0);
        write(&mut upload, &content[7..], 0, 2_300).await;
        let sealed = upload.seal().await.unwrap();
        assert_sealed(&sealed, &upload, &content[7..2_307]);
        assert_eq!(room.published(&upload), &content[7..2_307]);
    }
    room.quiet().await;
    assert_eq!(room.sink.uploads(), 0);
}

#[tokio::test]
async fn a_hint_of_any_size_is_only_a_hint() {
    for hint in [0, 1, 100, 1_000, 1_500, 1 << 40] {
        let room = Room::new();
        let content = sample(2_500);
        let mut staging = final_name(1);
        staging.size_hint = Some(hint);
        let mut upload = room.upload(&staging);
        for start in (0..2_500).step_by(250) {
            write(&mut upload, &content, start, start + 250).await;
        }
        let sealed = upload.seal().await.unwrap();
        assert_sealed(&sealed, &upload, &content);
        assert_eq!(room.published(&upload), content);
    }
}

#[tokio::test]
async fn head_and_tail_can_be_read_back() {
    const LONG: u64 = 2 << 20;
    let room = Room::with(LONG, 64 << 20);
    let content = sample(2 * LONG + 10);
    let mut upload = room.upload(&final_name(1));
    write(&mut upload, &content, 0, 2 * LONG + 10).await;
    upload.seal().await.unwrap();
    assert_eq!(upload.read(0, 65_536).await.unwrap(), content[..65_536]);
    let tail = 2 * LONG + 10 - (1 << 20);
    let length = usize::try_from(tail).unwrap();
    assert_eq!(upload.read(tail, 1 << 20).await.unwrap(), content[length..]);
    assert_eq!(
        upload.read(2 * LONG + 8, 100).await.unwrap().len(),
        2,
        "short at the end"
    );
    let middle = upload.read(LONG, 10).await.unwrap_err();
    assert_eq!(middle.kind(), Kind::Unsupported);
}

/// Offsets of a client that writes mostly in order.
fn writes() -> impl Strategy<Value = Vec<(i64, u64)>> {
    let ahead = prop_oneof![8 => Just(0_i64), 2 => -700_i64..700, 1 => -3_000_i64..3_000];
    prop::collection::vec((ahead, 1_u64..900), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn behaves_like_a_file(writes in writes(), is_temp: bool, memory in 500_usize..5_000, cut in prop::option::of(0_u64..900)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let room = Room::with(PART, memory);
            let mut upload = room.upload(&if is_temp { temp_name(1) } else { final_name(1) });
            let mut model: Vec<Option<u8>> = Vec::new();
            for (number, (ahead, length)) in writes.into_iter().enumerate() {
                let covered = model.iter().position(Option::is_none).unwrap_or(model.len()) as u64;
                let offset = covered.saturating_add_signed(ahead);
                let byte = u8::try_from(number).unwrap();
                let bytes = vec![byte; usize::try_from(length).unwrap()];
                if let Err(refusal) = upload.write(vec![chunk(offset, &bytes)]).await {
                    prop_assert_eq!(refusal.kind(), Kind::Unsupported);
                    let sendable = covered / PART * PART;
                    let is_within = offset >= sendable && offset + length <= sendable + 2 * PART;
                    prop_assert!(!is_within, "{offset} + {length} of {covered}");
                    return Ok(());
                }
                let end = usize::try_from(offset + length).unwrap();
                if model.len() < end {
                    model.resize(end, None);
                }
                model[end - bytes.len()..end].fill(Some(byte));
                prop_assert_eq!(upload.size_bytes(), model.len() as u64);
            }
            if let Some(cut) = cut {
                let size = (model.len() as u64).saturating_sub(cut);
                match upload.set_size(size).await {
                    Ok(()) => model.truncate(usize::try_from(size).unwrap()),
                    Err(refusal) => prop_assert_eq!(refusal.kind(), Kind::Unsupported),
                }
            }
            let sealed = upload.seal().await;
            if let Some(hole) = model.iter().position(Option::is_none) {
                let refusal = sealed.unwrap_err();
                let expected = format!("byte {hole} and on");
                prop_assert!(refusal.public_message().contains(&expected), "{refusal} {hole}");
                return Ok(());
            }
            let model: Vec<u8> = model.into_iter().flatten().collect();
            prop_assert_eq!(sealed.unwrap().sha256.0, <[u8; 32]>::from(Sha256::digest(&model)));
            prop_assert_eq!(room.published(&upload), model);
            Ok(())
        })?;
    }
}
