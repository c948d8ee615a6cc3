//! Order a key: one name operation at a time on a key, from before it is recorded until it is
//! recorded as done. So at most one operation a key is ever unfinished, and recovery needs no
//! order. Folders that are removed or renamed exclude everything in their bucket for a moment.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use qm_core::id::BucketName;
use qm_core::name::ObjectPath;

type KeyLock = Arc<tokio::sync::Mutex<()>>;

#[derive(Default)]
pub(crate) struct Locks {
    keys: Arc<Mutex<HashMap<ObjectPath, KeyLock>>>,
    folders: Mutex<HashMap<BucketName, Arc<RwLock<()>>>>,
}

/// Held for the duration of a name operation.
pub(crate) struct NamesHeld {
    _keys: Vec<KeyHeld>,
    _folders: OwnedRwLockReadGuard<()>,
}

struct KeyHeld {
    path: ObjectPath,
    keys: Arc<Mutex<HashMap<ObjectPath, KeyLock>>>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Locks {
    /// Locks the names, which lie in one bucket; in a fixed order, so that two renames that swap
    /// cannot lock each other out.
    pub(crate) async fn names(&self, mut paths: Vec<ObjectPath>) -> NamesHeld {
        paths.sort();
        paths.dedup();
        let bucket = paths.first().map(|path| path.bucket.clone());
        let folders = match bucket {
            Some(bucket) => self.folder_lock(&bucket).read_owned().await,
            None => Arc::new(RwLock::new(())).read_owned().await,
        };
        let mut keys = Vec::with_capacity(paths.len());
        for path in paths {
            let lock = Arc::clone(self.keys.lock().entry(path.clone()).or_default());
            let guard = lock.lock_owned().await;
            keys.push(KeyHeld {
                path,
                keys: Arc::clone(&self.keys),
                guard: Some(guard),
            });
        }
        NamesHeld {
            _keys: keys,
            _folders: folders,
        }
    }

    /// Excludes every name operation in the bucket.
    pub(crate) async fn folders(&self, bucket: &BucketName) -> OwnedRwLockWriteGuard<()> {
        self.folder_lock(bucket).write_owned().await
    }

    fn folder_lock(&self, bucket: &BucketName) -> Arc<RwLock<()>> {
        Arc::clone(self.folders.lock().entry(bucket.clone()).or_default())
    }
}

impl Drop for KeyHeld {
    fn drop(&mut self) {
        let mut keys = self.keys.lock();
        self.guard = None;
        // Only the map holds it: nobody waits, and nobody can begin to while the map is locked.
        if keys
            .get(&self.path)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            keys.remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::name::ObjectKey;

    fn path(key: &str) -> ObjectPath {
        ObjectPath {
            bucket: BucketName::parse("b").unwrap(),
            key: ObjectKey::parse(key).unwrap(),
        }
    }

    #[tokio::test]
    async fn a_key_has_one_holder_and_leaves_nothing_behind() {
        let locks = Locks::default();
        let held = locks.names(vec![path("a"), path("b")]).await;
        let second = locks.names(vec![path("b"), path("c")]);
        tokio::pin!(second);
        assert!(futures_poll(&mut second).is_none());
        drop(held);
        drop(second.await);
        assert!(locks.keys.lock().is_empty());
    }

    fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
