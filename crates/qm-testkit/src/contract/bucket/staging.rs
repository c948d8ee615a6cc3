//! Staged bytes.

use qm_core::Kind;
use qm_core::ports::bucket::{Bucket, Place};

use super::{chunk, hello_world, sealed, version_id};

pub(super) async fn order_does_not_matter(bucket: &dyn Bucket) {
    for (number, writes) in [
        vec![vec![(0, "hello "), (6, "world")]],
        vec![vec![(6, "world")], vec![(0, "hello ")]],
        vec![vec![(4, "o world")], vec![(0, "hello w")]],
        vec![
            vec![(0, "HELLO WORLD")],
            vec![(0, "hello")],
            vec![(5, " world")],
        ],
        vec![vec![(0, "hell")], vec![(8, "rld"), (2, "llo wo")]],
    ]
    .into_iter()
    .enumerate()
    {
        let mut staged = bucket.stage(version_id(number as u64)).await.unwrap();
        for batch in writes {
            let chunks = batch
                .into_iter()
                .map(|(offset, bytes)| chunk(offset, bytes))
                .collect();
            staged.write(chunks).await.unwrap();
        }
        assert_eq!(staged.size_bytes(), 11);
        assert_eq!(&staged.read(6, 100).await.unwrap()[..], b"world");
        let version = sealed(&mut *staged).await;
        assert_eq!(
            (version.size_bytes, version.sha256),
            (11, hello_world()),
            "order {number}"
        );
    }
}

pub(super) async fn a_hole_is_refused(bucket: &dyn Bucket) {
    let mut staged = bucket.stage(version_id(1)).await.unwrap();
    staged
        .write(vec![chunk(0, "hello "), chunk(8, "rld")])
        .await
        .unwrap();
    let refusal = staged.seal().await.unwrap_err();
    assert_eq!(refusal.kind(), Kind::Invalid);
    assert!(
        refusal.public_message().contains("byte 6"),
        "{}",
        refusal.public_message()
    );
    staged.write(vec![chunk(6, "wo")]).await.unwrap();
    assert_eq!(sealed(&mut *staged).await.sha256, hello_world());
    staged.set_size(20).await.unwrap();
    assert_eq!(
        staged.seal().await.unwrap_err().kind(),
        Kind::Invalid,
        "extended, not written"
    );
}

pub(super) async fn what_is_sealed_can_be_changed_and_sealed_again(bucket: &dyn Bucket) {
    let mut staged = bucket.stage(version_id(1)).await.unwrap();
    staged
        .write(vec![chunk(0, "hello world and more")])
        .await
        .unwrap();
    assert_eq!(sealed(&mut *staged).await.size_bytes, 20);
    staged.set_size(11).await.unwrap();
    assert_eq!(sealed(&mut *staged).await.sha256, hello_world());
    staged.set_size(0).await.unwrap();
    assert_eq!(sealed(&mut *staged).await.size_bytes, 0);
    staged.write(vec![chunk(0, "hello world")]).await.unwrap();
    assert_eq!(sealed(&mut *staged).await.sha256, hello_world());
}

pub(super) async fn resumed_after_a_lost_session(bucket: &dyn Bucket) {
    let mut staged = bucket.stage(version_id(1)).await.unwrap();
    staged.write(vec![chunk(0, "hello ")]).await.unwrap();
    staged.flush().await.unwrap();
    drop(staged);
    assert_eq!(
        bucket.leftovers(Place::Staging).await.unwrap(),
        [version_id(1)]
    );
    let mut resumed = bucket
        .resume(version_id(1), 6)
        .await
        .unwrap()
        .expect("it is still there");
    assert_eq!(resumed.size_bytes(), 6);
    resumed.write(vec![chunk(6, "world")]).await.unwrap();
    assert_eq!(sealed(&mut *resumed).await.sha256, hello_world());
    assert!(bucket.resume(version_id(2), 6).await.unwrap().is_none());
}

pub(super) async fn only_what_has_no_hole_is_resumed(bucket: &dyn Bucket) {
    let mut staged = bucket.stage(version_id(1)).await.unwrap();
    staged
        .write(vec![chunk(0, "hello "), chunk(1 << 20, "far away")])
        .await
        .unwrap();
    assert_eq!(staged.keep_contiguous().await.unwrap(), 6);
    assert_eq!(staged.size_bytes(), 6);
    drop(staged);
    let mut resumed = bucket
        .resume(version_id(1), 6)
        .await
        .unwrap()
        .expect("it is still there");
    resumed
        .write(vec![chunk(6, "world"), chunk(100, "x")])
        .await
        .unwrap();
    assert_eq!(resumed.seal().await.unwrap_err().kind(), Kind::Invalid);
    drop(resumed);
    let mut cut = bucket
        .resume(version_id(1), 11)
        .await
        .unwrap()
        .expect("it is still there");
    assert_eq!(sealed(&mut *cut).await.sha256, hello_world());
}

pub(super) async fn discarded(bucket: &dyn Bucket) {
    drop(bucket.stage(version_id(1)).await.unwrap());
    for _ in 0..2 {
        bucket.discard(version_id(1), Place::Staging).await.unwrap();
        assert_eq!(bucket.leftovers(Place::Staging).await.unwrap(), []);
    }
    let taken = bucket.stage(version_id(2)).await.unwrap();
    assert!(
        bucket.stage(version_id(2)).await.is_err(),
        "a version is staged once"
    );
    drop(taken);
}
