//! What deliveries put into a bucket.

use bytes::Bytes;
use qm_core::Kind;
use qm_core::id::{DeliveryId, DestinationName, RouteName};
use qm_core::operation::{Change, Version};
use qm_core::ports::bucket::{Bucket, Chunk, Content, FolderChange, Staging};
use qm_core::ports::deposit::{Deposit, Put};

use super::{
    Promises, Resumes, chunk, key, operation, publish, received, sealed, shown, staging_for,
    version_id,
};

fn deposit(number: u64) -> Deposit {
    let name = "copy";
    let route = RouteName::parse(name).unwrap();
    let destination = DestinationName::parse(name).unwrap();
    Deposit {
        delivery: DeliveryId::derive(version_id(number), &route, &destination),
        owner_full_control: false,
    }
}

fn staging(number: u64, path: &str) -> Staging {
    Staging {
        deposit: Some(deposit(number)),
        ..staging_for(number, path)
    }
}

async fn deposited(bucket: &dyn Bucket, number: u64, path: &str, text: &str) -> Version {
    let mut staged = bucket.stage(staging(number, path)).await.unwrap();
    if !text.is_empty() {
        staged.write(vec![chunk(0, text)]).await.unwrap();
    }
    sealed(&mut *staged).await
}

async fn put(
    bucket: &dyn Bucket,
    path: &str,
    version: &Version,
    replaces: Option<&str>,
) -> qm_core::Result<()> {
    let number = (1..100).find(|number| version_id(*number) == version.id);
    bucket
        .put(Put {
            key: &key(path),
            version,
            deposit: deposit(number.unwrap()),
            replaces,
        })
        .await
}

async fn identity(bucket: &dyn Bucket, path: &str) -> String {
    bucket.identity(&key(path)).await.unwrap().unwrap()
}

pub(super) async fn a_deposit_appears_whole(bucket: &dyn Bucket) {
    for (number, path, text) in [(1, "a", "one"), (2, "in/deep/b.csv", "two"), (3, "c", "")] {
        let version = deposited(bucket, number, path, text).await;
        assert_eq!(shown(bucket, path).await, None, "not before it is put");
        put(bucket, path, &version, None).await.unwrap();
        assert_eq!(shown(bucket, path).await.as_deref(), Some(text));
        assert_eq!(identity(bucket, path).await, version.identity);
    }
    assert_eq!(bucket.leftovers().await.unwrap(), []);
}

pub(super) async fn a_deposit_can_be_put_again(bucket: &dyn Bucket) {
    let one = deposited(bucket, 1, "a", "one").await;
    for _ in 0..3 {
        put(bucket, "a", &one, None).await.unwrap();
        assert_eq!(shown(bucket, "a").await.as_deref(), Some("one"));
    }
    let current = identity(bucket, "a").await;
    put(bucket, "a", &one, Some(&current)).await.unwrap();
    assert_eq!(identity(bucket, "a").await, current, "the same file");
}

pub(super) async fn only_what_was_seen_is_replaced(bucket: &dyn Bucket) {
    let one = deposited(bucket, 1, "a", "one").await;
    let two = deposited(bucket, 2, "a", "two").await;
    let three = deposited(bucket, 3, "a", "three").await;
    let nothing = put(bucket, "a", &one, Some("something else")).await;
    assert_eq!(nothing.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(shown(bucket, "a").await, None);
    put(bucket, "a", &one, None).await.unwrap();
    let seen = identity(bucket, "a").await;
    let late = put(bucket, "a", &two, None).await;
    assert_eq!(late.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(shown(bucket, "a").await.as_deref(), Some("one"));
    put(bucket, "a", &two, Some(&seen)).await.unwrap();
    assert_eq!(shown(bucket, "a").await.as_deref(), Some("two"));
    let late = put(bucket, "a", &three, Some(&seen)).await;
    assert_eq!(late.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(shown(bucket, "a").await.as_deref(), Some("two"));
}

/// And nothing else; the name is free afterwards.
pub(super) async fn only_what_was_seen_is_withdrawn(bucket: &dyn Bucket) {
    let one = deposited(bucket, 1, "in/a", "one").await;
    put(bucket, "in/a", &one, None).await.unwrap();
    let seen = identity(bucket, "in/a").await;
    let withdraw = |path: &'static str, identity: String| async move {
        bucket.withdraw(&key(path), &identity).await.unwrap()
    };
    assert!(!withdraw("in/a", "something else".to_owned()).await);
    assert!(!withdraw("in/b", seen.clone()).await);
    assert_eq!(shown(bucket, "in/a").await.as_deref(), Some("one"));
    assert!(withdraw("in/a", seen.clone()).await);
    assert_eq!(shown(bucket, "in/a").await, None);
    assert!(!withdraw("in/a", seen).await);
    let two = deposited(bucket, 2, "in/a", "two").await;
    put(bucket, "in/a", &two, None).await.unwrap();
    assert_eq!(shown(bucket, "in/a").await.as_deref(), Some("two"));
}

/// An attempt that broke off before anything was sealed, one that was sealed and not put; then one
/// that goes all the way. Long enough that an object store has begun an upload.
pub(super) async fn an_earlier_attempt_is_replaced(bucket: &dyn Bucket, promises: &Promises) {
    let length = match promises.resumes {
        Resumes::Parts(bytes) => bytes + 1,
        Resumes::Everything | Resumes::Nothing => 9 << 20,
    };
    let bytes = Bytes::from(vec![7; length as usize]);
    let mut staged = bucket.stage(staging(1, "a")).await.unwrap();
    staged.write(vec![chunk(0, "half of")]).await.unwrap();
    drop(staged);
    let mut staged = bucket.stage(staging(1, "a")).await.unwrap();
    let offset = 0;
    let wrong = Bytes::from(vec![8; bytes.len()]);
    let wrong = Chunk {
        offset,
        bytes: wrong,
    };
    staged.write(vec![wrong]).await.unwrap();
    sealed(&mut *staged).await;
    let token = staged.token();
    drop(staged);
    if bucket.needs_token() {
        // No later attempt knows that upload.
        bucket.discard(&token.unwrap()).await.unwrap();
    }
    let mut staged = bucket.stage(staging(1, "a")).await.unwrap();
    let right = Chunk {
        offset,
        bytes: bytes.clone(),
    };
    staged.write(vec![right]).await.unwrap();
    let version = sealed(&mut *staged).await;
    put(bucket, "a", &version, None).await.unwrap();
    drop(staged);
    let content = bucket.open(&key("a")).await.unwrap();
    assert_eq!(all(&*content).await, bytes);
    assert_eq!(bucket.leftovers().await.unwrap(), []);
}

/// It replaces and is replaced, renamed and removed.
pub(super) async fn a_deposit_is_a_file_like_any_other(bucket: &dyn Bucket) {
    let ours = received(bucket, 1, "ours").await;
    publish(bucket, "a", &ours).await;
    let two = deposited(bucket, 2, "a", "two").await;
    put(bucket, "a", &two, Some(&ours.identity)).await.unwrap();
    let rename = operation("a", Change::Rename { to: key("b") }, None, None);
    bucket.run(&rename).await.unwrap();
    assert_eq!(shown(bucket, "b").await.as_deref(), Some("two"));
    assert_eq!(shown(bucket, "a").await, None);
    let three = deposited(bucket, 3, "a", "three").await;
    put(bucket, "a", &three, None).await.unwrap();
    let four = received(bucket, 4, "four").await;
    publish(bucket, "a", &four).await;
    assert_eq!(shown(bucket, "a").await.as_deref(), Some("four"));
    let remove = operation("b", Change::Remove, None, None);
    bucket.run(&remove).await.unwrap();
    assert_eq!(shown(bucket, "b").await, None);
}

pub(super) async fn a_folder_is_not_replaced(bucket: &dyn Bucket) {
    let folder = FolderChange::Make(key("a"));
    bucket.change_folder(folder).await.unwrap();
    let one = deposited(bucket, 1, "a", "one").await;
    let refused = put(bucket, "a", &one, None).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Refused);
}

async fn all(content: &dyn Content) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let piece = content.read(bytes.len() as u64, 1 << 20).await.unwrap();
        if piece.is_empty() {
            return bytes;
        }
        bytes.extend_from_slice(&piece);
    }
}
