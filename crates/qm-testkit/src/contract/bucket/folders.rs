//! Folders, listings and attributes.

use jiff::Timestamp;
use std::collections::BTreeSet;

use qm_core::Kind;
use qm_core::ports::bucket::{Attributes, Bucket, EntryKind, FolderChange};

use super::{Promises, key, prefix, publish, received, received_for, shown, staging_for};

pub(super) async fn made_listed_renamed_removed(bucket: &dyn Bucket) {
    bucket
        .change_folder(FolderChange::MakeAll(prefix("x/y/z")))
        .await
        .unwrap();
    bucket
        .change_folder(FolderChange::MakeAll(prefix("x/y/z")))
        .await
        .unwrap();
    bucket
        .change_folder(FolderChange::Make(key("x/w")))
        .await
        .unwrap();
    let again = bucket.change_folder(FolderChange::Make(key("x/w"))).await;
    assert_eq!(again.unwrap_err().kind(), Kind::AlreadyExists);
    let one = received_for(bucket, 1, "x/y/a.csv", "one").await;
    publish(bucket, "x/y/a.csv", &one).await;

    assert_eq!(
        names(bucket, "x").await,
        BTreeSet::from(["w".to_owned(), "y".to_owned()])
    );
    assert_eq!(
        names(bucket, "").await,
        BTreeSet::from(["x".to_owned()]),
        "our own folder is hidden"
    );
    assert_eq!(
        bucket
            .list(&prefix("nowhere"))
            .await
            .map(|_| ())
            .unwrap_err()
            .kind(),
        Kind::NotFound
    );
    let file = bucket.stat(&prefix("x/y/a.csv")).await.unwrap().unwrap();
    assert_eq!(
        (
            file.name.as_str(),
            file.kind,
            file.size_bytes,
            file.is_sealed
        ),
        ("a.csv", EntryKind::File, 3, false)
    );
    let root = bucket.stat(&prefix("")).await.unwrap().unwrap();
    assert_eq!(root.kind, EntryKind::Folder);
    assert_eq!(bucket.stat(&prefix("x/y/a.csv/b")).await.unwrap(), None);

    let rename = |from: &str, to: &str| FolderChange::Rename {
        from: key(from),
        to: key(to),
    };
    assert_eq!(
        bucket
            .change_folder(rename("x/y", "x/v"))
            .await
            .unwrap_err()
            .kind(),
        Kind::Unsupported
    );
    assert_eq!(
        bucket
            .change_folder(rename("x/w", "x/y"))
            .await
            .unwrap_err()
            .kind(),
        Kind::AlreadyExists
    );
    bucket.change_folder(rename("x/w", "x/v")).await.unwrap();
    let full = bucket.change_folder(FolderChange::Remove(key("x/y"))).await;
    assert_eq!(full.unwrap_err().kind(), Kind::Conflict);
    bucket
        .change_folder(FolderChange::Remove(key("x/v")))
        .await
        .unwrap();
    assert_eq!(names(bucket, "x").await, BTreeSet::from(["y".to_owned()]));
    assert_eq!(shown(bucket, "x/y/a.csv").await.as_deref(), Some("one"));
}

pub(super) async fn listings_tell_sizes(bucket: &dyn Bucket) {
    bucket
        .change_folder(FolderChange::MakeAll(prefix("x/y/z")))
        .await
        .unwrap();
    let one = received_for(bucket, 1, "x/y/a.csv", "one").await;
    publish(bucket, "x/y/a.csv", &one).await;
    let mut listing = bucket.list(&prefix("x/y")).await.unwrap();
    let mut sizes = Vec::new();
    while let Some(batch) = listing.next().await.unwrap() {
        sizes.extend(
            batch
                .into_iter()
                .map(|entry| (entry.name, entry.size_bytes)),
        );
    }
    sizes.sort();
    assert_eq!(sizes, [("a.csv".to_owned(), 3), ("z".to_owned(), 0)]);
}

pub(super) async fn a_folder_needs_its_parent(bucket: &dyn Bucket) {
    let orphan = bucket
        .change_folder(FolderChange::Make(key("no/parent")))
        .await;
    assert_eq!(orphan.unwrap_err().kind(), Kind::NotFound);
}

pub(super) async fn a_large_folder_comes_in_batches(bucket: &dyn Bucket, promises: &Promises) {
    let many = promises.entries_max * 5 / 2;
    for number in 0..many {
        bucket
            .change_folder(FolderChange::Make(key(&format!("f{number}"))))
            .await
            .unwrap();
    }
    let mut listing = bucket.list(&prefix("")).await.unwrap();
    let mut seen = BTreeSet::new();
    while let Some(batch) = listing.next().await.unwrap() {
        assert!(batch.len() <= promises.entries_max, "a batch is bounded");
        seen.extend(batch.into_iter().map(|entry| entry.name));
    }
    assert_eq!(seen.len(), many);
    assert!(listing.next().await.unwrap().is_none());
}

pub(super) async fn attributes_are_kept(bucket: &dyn Bucket) {
    let modified: Timestamp = "2020-02-29T12:00:00Z".parse().unwrap();
    let attributes = Attributes {
        modified: Some(modified),
        mode: Some(0o660),
    };
    publish(bucket, "a", &received(bucket, 1, "one").await).await;
    bucket
        .set_attributes(&prefix("a"), attributes)
        .await
        .unwrap();
    let entry = bucket.stat(&prefix("a")).await.unwrap().unwrap();
    assert_eq!((entry.modified, entry.mode), (modified, 0o660));
    let missing = bucket.set_attributes(&prefix("b"), attributes).await;
    assert_eq!(missing.unwrap_err().kind(), Kind::NotFound);

    let mut staged = bucket.stage(staging_for(2, "c")).await.unwrap();
    staged.write(vec![super::chunk(0, "two")]).await.unwrap();
    let version = super::sealed(&mut *staged).await;
    staged.set_attributes(attributes).await.unwrap();
    publish(bucket, "c", &version).await;
    assert_eq!(
        bucket.stat(&prefix("c")).await.unwrap().unwrap().modified,
        modified
    );
}

async fn names(bucket: &dyn Bucket, folder: &str) -> BTreeSet<String> {
    let mut listing = bucket.list(&prefix(folder)).await.unwrap();
    let mut names = BTreeSet::new();
    while let Some(batch) = listing.next().await.unwrap() {
        names.extend(batch.into_iter().map(|entry| entry.name));
    }
    names
}
