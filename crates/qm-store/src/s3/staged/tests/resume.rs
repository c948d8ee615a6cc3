//! Uploads that break off and go on, in the same process or another.

use super::super::StagedUpload;
use super::{PART, Room, assert_sealed, chunk, final_name, sample, temp_name, write};
use qm_core::Kind;
use qm_core::ports::bucket::{DigestBy, Parked, Staged as _, Staging};

const LENGTH: u64 = 5 * PART + 300;

/// Writes the first bytes, loses the session, and says what is kept.
async fn parked(room: &Room, staging: &Staging, received: u64) -> Option<Parked> {
    let content = sample(LENGTH);
    let mut upload = room.upload(staging);
    write(&mut upload, &content, 0, received).await;
    let parked = upload.keep_contiguous().await.unwrap();
    assert_eq!(
        upload.size_bytes(),
        parked.as_ref().map_or(0, |parked| parked.size_bytes)
    );
    parked
}

#[tokio::test]
async fn goes_on_at_every_part() {
    let content = sample(LENGTH);
    for staging in [final_name(1), temp_name(1)] {
        for parts in 1..=5 {
            for more in [0, 1, 299] {
                let room = Room::new();
                let parked = parked(&room, &staging, parts * PART + more).await.unwrap();
                assert_eq!(parked.size_bytes, parts * PART);
                let room = room.restarted();
                let resumed = StagedUpload::resume(room.parts.clone(), &staging, &parked).await;
                let mut resumed = resumed.unwrap().unwrap();
                assert_eq!(resumed.token(), Some(parked.token));
                assert_eq!(resumed.size_bytes(), parts * PART);
                write(&mut resumed, &content, parts * PART, LENGTH).await;
                let sealed = resumed.seal().await.unwrap();
                assert_sealed(&sealed, &resumed, &content);
                assert_eq!(room.published(&resumed), content);
            }
        }
    }
}

#[tokio::test]
async fn less_than_a_part_is_not_kept() {
    for staging in [final_name(1), temp_name(1)] {
        let room = Room::new();
        assert_eq!(parked(&room, &staging, PART - 1).await, None);
        room.quiet().await;
        assert_eq!(room.sink.uploads(), 0);
        assert_eq!(room.parts.arena.used_bytes(), 0);
    }
}

#[tokio::test]
async fn only_what_has_no_hole_is_kept() {
    let room = Room::new();
    let content = sample(LENGTH);
    let mut upload = room.upload(&final_name(1));
    write(&mut upload, &content, 0, PART + 10).await;
    write(&mut upload, &content, PART + 20, 3 * PART).await;
    let parked = upload.keep_contiguous().await.unwrap().unwrap();
    assert_eq!(parked.size_bytes, PART);
    assert_eq!(room.sink.sizes(), [1_000]);
}

#[tokio::test]
async fn kept_again_and_again() {
    let content = sample(LENGTH);
    let staging = final_name(1);
    let room = Room::new();
    let mut kept = parked(&room, &staging, PART + 1).await.unwrap();
    for parts in 2..=5 {
        let resumed = StagedUpload::resume(room.parts.clone(), &staging, &kept).await;
        let mut resumed = resumed.unwrap().unwrap();
        write(&mut resumed, &content, kept.size_bytes, parts * PART + 1).await;
        kept = resumed.keep_contiguous().await.unwrap().unwrap();
        assert_eq!(kept.size_bytes, parts * PART);
    }
    let resumed = StagedUpload::resume(room.parts.clone(), &staging, &kept).await;
    let mut resumed = resumed.unwrap().unwrap();
    write(&mut resumed, &content, kept.size_bytes, LENGTH).await;
    let sealed = resumed.seal().await.unwrap();
    assert_sealed(&sealed, &resumed, &content);
    assert_eq!(room.published(&resumed), content);
    assert_eq!(room.sink.begun(), 1);
}

/// The end of a sealed file is in the store, but too short to be followed by more.
#[tokio::test]
async fn what_was_sealed_and_not_published_goes_on() {
    for end in [2 * PART, 2 * PART + 5, LENGTH] {
        let content = sample(LENGTH);
        let room = Room::new();
        let mut upload = room.upload(&final_name(1));
        write(&mut upload, &content, 0, 2 * PART + 500).await;
        upload.seal().await.unwrap();
        let parked = upload.keep_contiguous().await.unwrap().unwrap();
        assert_eq!((parked.size_bytes, room.sink.sizes().len()), (2 * PART, 3));
        drop(upload);
        let resumed = StagedUpload::resume(room.parts.clone(), &final_name(1), &parked).await;
        let mut resumed = resumed.unwrap().unwrap();
        write(&mut resumed, &content, 2 * PART, end).await;
        let sealed = resumed.seal().await.unwrap();
        let expected = &content[..usize::try_from(end).unwrap()];
        assert_sealed(&sealed, &resumed, expected);
        assert_eq!(room.published(&resumed), expected);
    }
}

#[tokio::test]
async fn begins_anew_if_the_store_has_something_else() {
    type Harm = fn(&Room, &mut Parked);
    let harms: [(&str, Harm); 8] = [
        ("a part is gone", |room, _| {
            room.sink.tamper(|parts| drop(parts.remove(&2)));
        }),
        ("the last part is gone", |room, _| {
            room.sink.tamper(|parts| drop(parts.remove(&3)));
        }),
        ("a part is shorter", |room, _| {
            room.sink
                .tamper(|parts| drop(parts.insert(2, vec![0; 999])));
        }),
        ("parts that nobody kept", |room, _| {
            room.sink
                .tamper(|parts| drop(parts.insert(5, vec![0; 1_000])));
        }),
        ("no state", |_, parked| parked.state = None),
        ("a state that says nothing", |_, parked| {
            parked.state = Some("{}".to_owned());
        }),
        ("a state of another size", |_, parked| {
            parked.size_bytes += 1;
        }),
        ("no upload", |room, parked| {
            room.sink.complete(&parked.token, PART);
        }),
    ];
    for (name, harm) in harms {
        let room = Room::new();
        let mut parked = parked(&room, &final_name(1), 3 * PART + 1).await.unwrap();
        harm(&room, &mut parked);
        let resumed = StagedUpload::resume(room.parts.clone(), &final_name(1), &parked).await;
        assert!(resumed.unwrap().is_none(), "{name}");
        assert_eq!(room.sink.uploads(), 0, "{name}");
    }
}

/// As earlier releases kept it.
#[tokio::test]
async fn a_state_that_says_nothing_of_checksums_goes_on() {
    let room = Room::new();
    let mut parked = parked(&room, &final_name(1), PART + 1).await.unwrap();
    let state = parked.state.take().unwrap();
    assert_eq!(StagedUpload::wants_checksums(&parked), None);
    let earlier = state.replace(r#","checksums":false"#, "");
    assert!(earlier.len() < state.len(), "{state}");
    parked.state = Some(earlier);
    let resumed = StagedUpload::resume(room.parts.clone(), &final_name(1), &parked).await;
    assert!(resumed.unwrap().is_some());
}

#[tokio::test]
async fn a_caller_that_digests_needs_no_state_of_ours() {
    let staging = Staging {
        digest: DigestBy::Caller,
        ..final_name(1)
    };
    let room = Room::new();
    let parked = parked(&room, &staging, PART).await.unwrap();
    let resumed = StagedUpload::resume(room.parts.clone(), &staging, &parked).await;
    let sealed = resumed.unwrap().unwrap().seal().await.unwrap();
    assert_eq!((sealed.size_bytes, sealed.sha256.0), (PART, [0; 32]));
}

#[tokio::test]
async fn a_failed_upload_is_not_kept() {
    let room = Room::new();
    *room.sink.fails.lock() = Some(2);
    let content = sample(LENGTH);
    let mut upload = room.upload(&final_name(1));
    write(&mut upload, &content, 0, 2 * PART + 1).await;
    assert_eq!(upload.flush().await.unwrap_err().kind(), Kind::Unavailable);
    for refused in [
        upload.keep_contiguous().await.map(|_| ()),
        upload.seal().await.map(|_| ()),
        upload.flush().await,
        upload.set_size(0).await,
        upload.write(vec![chunk(2 * PART, b"x")]).await,
    ] {
        assert_eq!(refused.unwrap_err().kind(), Kind::Conflict);
    }
    drop(upload);
    room.quiet().await;
    assert_eq!(room.sink.uploads(), 0);
}
