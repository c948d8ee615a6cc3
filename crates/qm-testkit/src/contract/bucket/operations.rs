//! Name operations.

use qm_core::Kind;
use qm_core::operation::Change;
use qm_core::ports::bucket::Bucket;

use super::{
    OpenFiles, Promises, Superseded, bytes_of, key, operation, publish, received, received_for,
    shown, text,
};

pub(super) async fn published_read_and_replaced(bucket: &dyn Bucket) {
    let one = received(bucket, 1, "one").await;
    assert_eq!(shown(bucket, "a").await, None, "not before it is published");
    publish(bucket, "a", &one).await;
    assert_eq!(shown(bucket, "a").await.as_deref(), Some("one"));
    let two = received(bucket, 2, "").await;
    publish(bucket, "a", &two).await;
    assert_eq!(shown(bucket, "a").await.as_deref(), Some(""));
    assert_eq!(bucket.leftovers().await.unwrap(), []);
}

pub(super) async fn every_operation_can_be_run_again(bucket: &dyn Bucket) {
    let one = received(bucket, 1, "one").await;
    let two = received(bucket, 2, "two").await;
    let steps = [
        (
            operation("a", Change::Publish, Some(&one), None),
            [Some("one"), None],
        ),
        (
            operation("a", Change::Publish, Some(&two), Some(&one)),
            [Some("two"), None],
        ),
        (
            operation("a", Change::Rename { to: key("b") }, Some(&two), None),
            [None, Some("two")],
        ),
        (
            operation("a", Change::Restore, Some(&one), None),
            [Some("one"), Some("two")],
        ),
        (
            operation("b", Change::Remove, Some(&two), Some(&two)),
            [Some("one"), None],
        ),
    ];
    for (operation, expected) in steps {
        for _ in 0..3 {
            bucket.run(&operation).await.unwrap();
            let found = [shown(bucket, "a").await, shown(bucket, "b").await];
            assert_eq!(
                found.each_ref().map(Option::as_deref),
                expected,
                "{:?}",
                operation.change
            );
        }
    }
    assert_eq!(
        bytes_of(bucket, &two, "b").await.as_deref(),
        Some("two"),
        "kept aside"
    );
}

pub(super) async fn superseded_versions_are_kept_aside(bucket: &dyn Bucket, promises: &Promises) {
    let one = received(bucket, 1, "one").await;
    let two = received(bucket, 2, "two").await;
    let three = received(bucket, 3, "three").await;
    publish(bucket, "a", &one).await;
    bucket
        .run(&operation("a", Change::Publish, Some(&two), Some(&one)))
        .await
        .unwrap();
    publish(bucket, "a", &three).await;
    assert_eq!(bytes_of(bucket, &one, "a").await.as_deref(), Some("one"));
    if promises.superseded == Superseded::Gone {
        assert_eq!(bytes_of(bucket, &two, "a").await, None);
    }
    assert_eq!(
        bytes_of(bucket, &three, "a").await.as_deref(),
        Some("three")
    );
    for _ in 0..2 {
        bucket.release(one.id, &key("a")).await.unwrap();
        assert_eq!(bytes_of(bucket, &one, "a").await, None);
    }
    assert_eq!(shown(bucket, "a").await.as_deref(), Some("three"));
}

pub(super) async fn what_is_current_is_never_released(bucket: &dyn Bucket) {
    let one = received(bucket, 1, "one").await;
    let two = received(bucket, 2, "two").await;
    publish(bucket, "a", &one).await;
    bucket.release(one.id, &key("a")).await.unwrap();
    assert_eq!(shown(bucket, "a").await.as_deref(), Some("one"));
    bucket
        .run(&operation("a", Change::Publish, Some(&two), Some(&one)))
        .await
        .unwrap();
    bucket
        .run(&operation("a", Change::Restore, Some(&one), Some(&two)))
        .await
        .unwrap();
    for version in [&one, &two] {
        bucket.release(version.id, &key("a")).await.unwrap();
        assert_eq!(shown(bucket, "a").await.as_deref(), Some("one"));
    }
    assert_eq!(bytes_of(bucket, &two, "a").await, None);
}

pub(super) async fn renamed_over_another(bucket: &dyn Bucket) {
    let one = received(bucket, 1, "one").await;
    let two = received_for(bucket, 2, "b", "two").await;
    publish(bucket, "a", &one).await;
    publish(bucket, "b", &two).await;
    let rename = Change::Rename { to: key("b") };
    bucket
        .run(&operation("a", rename.clone(), Some(&one), Some(&two)))
        .await
        .unwrap();
    assert_eq!(shown(bucket, "a").await, None);
    assert_eq!(shown(bucket, "b").await.as_deref(), Some("one"));
    assert_eq!(bytes_of(bucket, &two, "b").await.as_deref(), Some("two"));
    let gone = bucket
        .run(&operation("c", Change::Rename { to: key("d") }, None, None))
        .await;
    assert_eq!(gone.unwrap_err().kind(), Kind::NotFound);
}

pub(super) async fn a_moved_version_is_found_if_it_is_kept(bucket: &dyn Bucket) {
    let one = received(bucket, 1, "one").await;
    publish(bucket, "a", &one).await;
    assert_eq!(
        bucket.identity(&key("a")).await.unwrap(),
        Some(one.identity.clone())
    );
    let rename = operation("a", Change::Rename { to: key("b") }, Some(&one), None);
    bucket
        .run(&super::Operation {
            keep_moved: true,
            ..rename
        })
        .await
        .unwrap();
    assert_eq!(
        bytes_of(bucket, &one, "a").await.as_deref(),
        Some("one"),
        "under its old name"
    );
    assert_eq!(shown(bucket, "a").await, None);
    assert_eq!(shown(bucket, "b").await.as_deref(), Some("one"));
    assert_eq!(bucket.identity(&key("a")).await.unwrap(), None);
}

pub(super) async fn removed_unless_it_is_another(bucket: &dyn Bucket) {
    let one = received(bucket, 1, "one").await;
    let two = received(bucket, 2, "two").await;
    publish(bucket, "a", &one).await;
    publish(bucket, "a", &two).await;
    bucket
        .run(&operation("a", Change::Remove, Some(&one), None))
        .await
        .unwrap();
    assert_eq!(
        shown(bucket, "a").await.as_deref(),
        Some("two"),
        "a removal means its version only"
    );
    bucket
        .run(&operation("a", Change::Remove, Some(&two), None))
        .await
        .unwrap();
    assert_eq!(shown(bucket, "a").await, None);
}

pub(super) async fn restored(bucket: &dyn Bucket) {
    let one = received(bucket, 1, "one").await;
    let two = received(bucket, 2, "two").await;
    publish(bucket, "a", &one).await;
    bucket
        .run(&operation("a", Change::Publish, Some(&two), Some(&one)))
        .await
        .unwrap();
    bucket
        .run(&operation("a", Change::Restore, Some(&one), Some(&two)))
        .await
        .unwrap();
    assert_eq!(shown(bucket, "a").await.as_deref(), Some("one"));
    assert_eq!(bytes_of(bucket, &two, "a").await.as_deref(), Some("two"));
    assert_eq!(bytes_of(bucket, &one, "a").await.as_deref(), Some("one"));
}

pub(super) async fn no_folder_no_publication(bucket: &dyn Bucket) {
    let one = received(bucket, 1, "one").await;
    let refused = bucket
        .run(&operation("gone/a", Change::Publish, Some(&one), None))
        .await;
    assert_eq!(refused.unwrap_err().kind(), Kind::NotFound);
    publish(bucket, "a", &one).await;
    assert_eq!(
        shown(bucket, "a").await.as_deref(),
        Some("one"),
        "the bytes were not lost"
    );
}

pub(super) async fn bytes_that_are_gone_are_not_published(bucket: &dyn Bucket) {
    let one = received(bucket, 1, "one").await;
    publish(bucket, "a", &one).await;
    let lost = super::Version {
        id: super::version_id(9),
        staged: None,
        ..one
    };
    let publish = operation("b", Change::Publish, Some(&lost), None);
    assert_eq!(
        bucket.run(&publish).await.unwrap_err().kind(),
        Kind::NotFound
    );
    assert_eq!(shown(bucket, "b").await, None);
}

pub(super) async fn an_open_file_does_not_change(bucket: &dyn Bucket, promises: &Promises) {
    let one = received(bucket, 1, "one").await;
    let two = received(bucket, 2, "two").await;
    publish(bucket, "a", &one).await;
    let open = bucket.open(&key("a")).await.unwrap();
    publish(bucket, "a", &two).await;
    match open.read(0, 10).await {
        Err(_) if promises.open_files == OpenFiles::MayFail => return,
        read => assert_eq!(&read.unwrap()[..], b"one"),
    }
    assert_eq!(text(&*open).await, "one");
    assert_eq!(&open.read(1, 1).await.unwrap()[..], b"n");
    assert_eq!(open.read(3, 10).await.unwrap().len(), 0);
}
