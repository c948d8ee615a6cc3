//! Staged bytes.

use bytes::Bytes;

use qm_core::Kind;
use qm_core::operation::StagedToken;
use qm_core::ports::bucket::{Bucket, Chunk, Parked, Staged};

use super::{
    Promises, Resumes, StagedReads, chunk, hello_world, key, publish, sealed, staging, version_id,
};

pub(super) async fn order_does_not_matter(bucket: &dyn Bucket, promises: &Promises) {
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
        let mut staged = bucket.stage(staging(number as u64)).await.unwrap();
        for batch in writes {
            let chunks = batch
                .into_iter()
                .map(|(offset, bytes)| chunk(offset, bytes))
                .collect();
            staged.write(chunks).await.unwrap();
        }
        assert_eq!(staged.size_bytes(), 11);
        if promises.staged_reads == StagedReads::Always {
            assert_eq!(&staged.read(6, 100).await.unwrap()[..], b"world");
        }
        let version = sealed(&mut *staged).await;
        assert_eq!(
            (version.size_bytes, version.sha256),
            (11, hello_world()),
            "order {number}"
        );
    }
}

pub(super) async fn a_hole_is_refused(bucket: &dyn Bucket) {
    let mut staged = bucket.stage(staging(1)).await.unwrap();
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
    let mut staged = bucket.stage(staging(1)).await.unwrap();
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

pub(super) async fn large_pieces_in_any_order(bucket: &dyn Bucket, promises: &Promises) {
    let bytes = some_bytes(400_000);
    let pieces = [
        (0, 70_000),
        (70_000, 65_536),
        (135_536, 1),
        (135_537, 264_463),
    ];
    for (number, order) in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]]
        .into_iter()
        .enumerate()
    {
        let number = number as u64;
        let mut staged = bucket.stage(staging(number)).await.unwrap();
        for piece in order {
            let (offset, length) = pieces[piece];
            staged
                .write(vec![Chunk {
                    offset: offset as u64,
                    bytes: bytes.slice(offset..offset + length),
                }])
                .await
                .unwrap();
        }
        if promises.staged_reads == StagedReads::Always {
            let middle = staged.read(60_000, 100_000).await.unwrap();
            assert_eq!(middle, bytes.slice(60_000..160_000), "order {order:?}");
        }
        let version = sealed(&mut *staged).await;
        publish(bucket, "a", &version).await;
        let content = bucket.open(&key("a")).await.unwrap();
        assert_eq!(content.size_bytes(), 400_000);
        assert_eq!(
            content.read(0, 1 << 20).await.unwrap(),
            bytes,
            "order {order:?}"
        );
        for (offset, length) in [
            (0, 1),
            (65_500, 100),
            (131_071, 2),
            (200_000, 65_536),
            (399_999, 9),
        ] {
            let end = (offset + length).min(bytes.len());
            assert_eq!(
                content
                    .read(offset as u64, u32::try_from(length).unwrap())
                    .await
                    .unwrap(),
                bytes.slice(offset..end),
                "{length} bytes at {offset}"
            );
        }
    }
}

pub(super) async fn resumed_after_a_lost_session(bucket: &dyn Bucket, promises: &Promises) {
    let bytes = match promises.resumes {
        Resumes::Everything => Bytes::from_static(b"hello world"),
        Resumes::Parts(size_bytes) => some_bytes(size_bytes as usize + 11),
        Resumes::Nothing => some_bytes(200_000),
    };
    let sent = bytes.len() - 5;
    let mut staged = bucket.stage(staging(1)).await.unwrap();
    send(&mut *staged, &bytes, 0, sent).await;
    staged.flush().await.unwrap();
    let parked = staged.keep_contiguous().await.unwrap();
    drop(staged);
    let Some(parked) = parked else {
        assert_eq!(promises.resumes, Resumes::Nothing);
        return;
    };
    assert!(bucket.leftovers().await.unwrap().contains(&parked.token));
    let kept = usize::try_from(parked.size_bytes).unwrap();
    match promises.resumes {
        Resumes::Everything => assert_eq!(kept, sent),
        Resumes::Parts(_) => assert!(kept > 0 && kept <= sent, "{kept} of {sent}"),
        Resumes::Nothing => panic!("{kept} bytes were kept"),
    }
    // Twice: whoever resumes may be lost as well.
    for _ in 0..2 {
        let resumed = bucket.resume(staging(1), &parked).await.unwrap();
        let mut resumed = resumed.expect("it is still there");
        assert_eq!(resumed.size_bytes(), parked.size_bytes);
        let again = resumed
            .keep_contiguous()
            .await
            .unwrap()
            .expect("it is kept again");
        assert_eq!(again.size_bytes, parked.size_bytes);
    }
    let resumed = bucket.resume(staging(1), &parked).await.unwrap();
    let mut resumed = resumed.expect("it is still there");
    send(&mut *resumed, &bytes, kept, bytes.len()).await;
    let version = sealed(&mut *resumed).await;
    if promises.resumes == Resumes::Everything {
        assert_eq!(version.sha256, hello_world());
    }
    publish(bucket, "a", &version).await;
    let content = bucket.open(&key("a")).await.unwrap();
    assert_eq!(content.read(0, u32::MAX).await.unwrap(), bytes);

    let unknown = Parked {
        token: StagedToken(version_id(2).to_string()),
        ..parked
    };
    assert!(bucket.resume(staging(2), &unknown).await.unwrap().is_none());
}

pub(super) async fn only_what_has_no_hole_is_resumed(bucket: &dyn Bucket, promises: &Promises) {
    if promises.resumes != Resumes::Everything {
        return;
    }
    let mut staged = bucket.stage(staging(1)).await.unwrap();
    staged
        .write(vec![chunk(0, "hello "), chunk(1 << 20, "far away")])
        .await
        .unwrap();
    let parked = staged.keep_contiguous().await.unwrap().expect("it is kept");
    assert_eq!((parked.size_bytes, staged.size_bytes()), (6, 6));
    drop(staged);
    let resumed = bucket.resume(staging(1), &parked).await.unwrap();
    let mut resumed = resumed.expect("it is still there");
    resumed
        .write(vec![chunk(6, "world"), chunk(100, "x")])
        .await
        .unwrap();
    assert_eq!(resumed.seal().await.unwrap_err().kind(), Kind::Invalid);
    let parked = resumed
        .keep_contiguous()
        .await
        .unwrap()
        .expect("it is kept");
    assert_eq!(parked.size_bytes, 11);
    drop(resumed);
    let resumed = bucket.resume(staging(1), &parked).await.unwrap();
    let mut resumed = resumed.expect("it is still there");
    assert_eq!(sealed(&mut *resumed).await.sha256, hello_world());
}

pub(super) async fn a_parked_upload_without_bytes_begins_anew(bucket: &dyn Bucket) {
    let mut staged = bucket.stage(staging(1)).await.unwrap();
    staged.write(vec![chunk(5, "behind a hole")]).await.unwrap();
    assert_eq!(staged.keep_contiguous().await.unwrap(), None);
}

pub(super) async fn a_write_of_nothing_changes_nothing(bucket: &dyn Bucket) {
    let mut staged = bucket.stage(staging(1)).await.unwrap();
    staged.write(vec![chunk(5, "")]).await.unwrap();
    assert_eq!(staged.size_bytes(), 0);
    staged
        .write(vec![chunk(0, "hello world"), chunk(3, ""), chunk(99, "")])
        .await
        .unwrap();
    assert_eq!(sealed(&mut *staged).await.sha256, hello_world());
}

pub(super) async fn discarded(bucket: &dyn Bucket) {
    let mut staged = bucket.stage(staging(1)).await.unwrap();
    staged.write(vec![chunk(0, "one")]).await.unwrap();
    sealed(&mut *staged).await;
    let token = staged.token();
    drop(staged);
    // A small file may be nowhere yet.
    let Some(token) = token else {
        assert_eq!(bucket.leftovers().await.unwrap(), []);
        return;
    };
    assert!(bucket.leftovers().await.unwrap().contains(&token));
    for _ in 0..2 {
        bucket.discard(&token).await.unwrap();
        assert_eq!(bucket.leftovers().await.unwrap(), []);
    }
}

async fn send(staged: &mut dyn Staged, bytes: &Bytes, begin: usize, end: usize) {
    for offset in (begin..end).step_by(1 << 20) {
        let bytes = bytes.slice(offset..end.min(offset + (1 << 20)));
        let offset = offset as u64;
        staged.write(vec![Chunk { offset, bytes }]).await.unwrap();
    }
}

/// Bytes without a period that any chunk or part could share.
fn some_bytes(size_bytes: usize) -> Bytes {
    (0..size_bytes)
        .map(|place| u8::try_from((place % 251) ^ (place / 251 % 256)).unwrap_or_default())
        .collect()
}
