//! Broken-off uploads whose bytes were damaged meanwhile begin anew.

use std::fs;

use qm_core::Kind;
use qm_core::ports::bucket::{Bucket, Parked};

use super::{CHUNK_BYTES, PAGE_BYTES, World, landing, some_bytes, staging, write};

/// A world with an upload that broke off within its third chunk.
async fn parked() -> (World, Parked) {
    let world = World::new();
    let mut staged = world.bucket.stage(staging(1)).await.unwrap();
    write(&mut *staged, 0, some_bytes(2 * CHUNK_BYTES + 500, 1)).await;
    let parked = staged.keep_contiguous().await.unwrap().unwrap();
    assert_eq!(parked.size_bytes, 2 * CHUNK_BYTES as u64 + 500);
    (world, parked)
}

async fn is_resumed(world: &World, parked: &Parked) -> bool {
    let resumed = world.bucket.resume(staging(1), parked).await.unwrap();
    resumed.is_some()
}

#[tokio::test]
async fn what_was_kept_and_is_damaged_is_not_continued() {
    let (world, parked) = parked().await;
    assert!(is_resumed(&world, &parked).await);
    let path = world.path(".quaymaster/staging").join(&parked.token.0);
    let stored = fs::read(&path).unwrap();
    assert_eq!(stored.len(), PAGE_BYTES + 2 * 65_536 + 528);

    let mut flipped = stored.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [
        &flipped[..],
        &stored[..stored.len() - 1],
        &stored[PAGE_BYTES..],
    ] {
        fs::write(&path, damaged).unwrap();
        assert!(!is_resumed(&world, &parked).await);
    }
    fs::write(&path, &stored).unwrap();
    assert!(is_resumed(&world, &parked).await, "it is whole again");
    fs::remove_file(&path).unwrap();
    assert!(!is_resumed(&world, &parked).await);
}

#[tokio::test]
async fn a_state_that_does_not_fit_is_not_continued() {
    let (world, parked) = parked().await;
    let state = parked.state.clone().unwrap();
    let digest = state.find("\"digest\":\"").unwrap() + 40;
    let mut flipped = state.clone().into_bytes();
    flipped[digest] = if flipped[digest] == b'0' { b'1' } else { b'0' };
    for state in [
        None,
        Some("nonsense".to_owned()),
        Some(String::from_utf8(flipped).unwrap()),
    ] {
        let changed = Parked {
            state,
            ..parked.clone()
        };
        assert!(!is_resumed(&world, &changed).await, "{:?}", changed.state);
    }
    let longer = Parked {
        size_bytes: parked.size_bytes + 1,
        ..parked.clone()
    };
    assert!(!is_resumed(&world, &longer).await);
    let other = world.bucket.resume(staging(2), &parked).await.unwrap();
    assert!(other.is_none(), "of another version");
}

#[tokio::test]
async fn without_the_encryption_key_nobody_goes_on() {
    let (world, parked) = parked().await;
    world.keys.rotate(&landing());
    assert!(
        is_resumed(&world, &parked).await,
        "an older generation does"
    );
    world.keys.disable(&landing());
    let refusal = world.bucket.resume(staging(1), &parked).await.map(|_| ());
    assert_eq!(refusal.unwrap_err().kind(), Kind::Unavailable);
}
