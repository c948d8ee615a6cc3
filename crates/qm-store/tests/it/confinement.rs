//! Links that somebody planted in the tree lead nowhere.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use qm_core::name::{ObjectKey, Prefix};
use qm_core::ports::bucket::{Attributes, Bucket, FolderChange};
use qm_core::{Error, Kind};
use qm_store::{DirectoryBucket, Durability};

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

fn prefix(text: &str) -> Prefix {
    Prefix::parse(text).unwrap()
}

/// A bucket with links to a file and a folder outside, to a folder inside, and a pipe.
fn planted(root: &Path) -> DirectoryBucket {
    let bucket = DirectoryBucket::open(&root.join("bucket"), Durability::Full).unwrap();
    fs::create_dir(root.join("outside")).unwrap();
    fs::write(root.join("outside/secret"), "secret").unwrap();
    fs::create_dir(root.join("bucket/inside")).unwrap();
    fs::write(root.join("bucket/inside/own"), "own").unwrap();
    symlink(root.join("outside/secret"), root.join("bucket/to-file")).unwrap();
    symlink(root.join("outside"), root.join("bucket/to-folder")).unwrap();
    symlink("../outside", root.join("bucket/relative")).unwrap();
    symlink("inside", root.join("bucket/to-inside")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("bucket/pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    bucket
}

#[tokio::test]
async fn nothing_is_read_written_or_listed_through_a_link() {
    let root = tempfile::tempdir().unwrap();
    let bucket = planted(root.path());
    let mut shown = Vec::new();
    let mut listing = bucket.list(&prefix("")).await.unwrap();
    while let Some(batch) = listing.next().await.unwrap() {
        shown.extend(batch.into_iter().map(|entry| entry.name));
    }
    assert_eq!(shown, ["inside"]);

    for path in [
        "to-file",
        "to-folder/secret",
        "relative/secret",
        "to-inside/own",
        "pipe",
    ] {
        let opened = bucket.open(&key(path)).await;
        let kind = opened.map(|_| ()).map_err(|error| error.kind());
        assert!(
            matches!(kind, Err(Kind::Refused | Kind::NotFound)),
            "{path}: {kind:?}"
        );
        let set = bucket
            .set_attributes(
                &prefix(path),
                Attributes {
                    mode: Some(0o777),
                    modified: None,
                },
            )
            .await;
        assert!(set.is_err(), "{path}");
    }
    for path in ["to-file", "to-folder", "relative", "to-inside", "pipe"] {
        assert_eq!(bucket.stat(&prefix(path)).await.unwrap(), None, "{path}");
        assert!(bucket.list(&prefix(path)).await.is_err(), "{path}");
    }
    for path in ["to-folder/new", "relative/new", "to-inside/new"] {
        let made = bucket.change_folder(FolderChange::Make(key(path))).await;
        let kind = made.map_err(|error: Error| error.kind());
        assert!(
            matches!(kind, Err(Kind::Refused | Kind::NotFound)),
            "{path}: {kind:?}"
        );
    }
    assert_eq!(
        fs::read_dir(root.path().join("outside")).unwrap().count(),
        1
    );
    assert_eq!(
        fs::read_to_string(root.path().join("outside/secret")).unwrap(),
        "secret"
    );
}

#[tokio::test]
async fn leftovers_are_only_our_own_files() {
    let root = tempfile::tempdir().unwrap();
    let bucket = planted(root.path());
    symlink(
        root.path().join("outside/secret"),
        root.path().join("bucket/.quaymaster/staging/link"),
    )
    .unwrap();
    fs::write(
        root.path().join("bucket/.quaymaster/staging/not-a-version"),
        "",
    )
    .unwrap();
    assert_eq!(bucket.leftovers().await.unwrap(), []);
}
