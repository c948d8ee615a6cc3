//! What is being received now, and which uploads broke off: so that STAT tells the truth to the
//! account that sent the bytes, without asking the ledger for every name that is not there.

use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use qm_core::id::{AccountName, BucketName};
use qm_core::name::{ObjectKey, ObjectPath, Prefix};

type Whose = (AccountName, ObjectPath);

#[derive(Default)]
pub(crate) struct OpenUploads {
    open: Mutex<HashMap<Whose, Arc<AtomicU64>>>,
    broken_off: Mutex<HashSet<Whose>>,
}

/// An upload in progress; leaves when dropped.
pub(crate) struct OpenUpload {
    shared: Arc<crate::Shared>,
    whose: Whose,
    received_bytes: Arc<AtomicU64>,
}

impl OpenUpload {
    pub(crate) fn begin(
        shared: &Arc<crate::Shared>,
        account: &AccountName,
        path: &ObjectPath,
    ) -> Self {
        let whose = (account.clone(), path.clone());
        let received_bytes = Arc::new(AtomicU64::new(0));
        shared
            .open
            .open
            .lock()
            .insert(whose.clone(), Arc::clone(&received_bytes));
        Self {
            shared: Arc::clone(shared),
            whose,
            received_bytes,
        }
    }

    pub(crate) fn received(&self, size_bytes: u64) {
        self.received_bytes.store(size_bytes, Ordering::Relaxed);
    }
}

impl Drop for OpenUpload {
    fn drop(&mut self) {
        let mut open = self.shared.open.open.lock();
        if open
            .get(&self.whose)
            .is_some_and(|latest| Arc::ptr_eq(latest, &self.received_bytes))
        {
            open.remove(&self.whose);
        }
    }
}

impl OpenUploads {
    /// Bytes received so far of the account's upload in progress.
    pub(crate) fn received_bytes(&self, account: &AccountName, path: &ObjectPath) -> Option<u64> {
        let whose = (account.clone(), path.clone());
        self.open
            .lock()
            .get(&whose)
            .map(|received| received.load(Ordering::Relaxed))
    }

    /// The account's uploads in progress in a folder, with the bytes received so far.
    pub(crate) fn received_in(
        &self,
        account: &AccountName,
        bucket: &BucketName,
        folder: &Prefix,
    ) -> Vec<(ObjectKey, u64)> {
        let open = self.open.lock();
        let mine = open
            .iter()
            .filter(|((whose, path), _)| whose == account && is_in(path, bucket, folder));
        mine.map(|((_, path), received)| (path.key.clone(), received.load(Ordering::Relaxed)))
            .collect()
    }

    /// Everybody's uploads in progress in a bucket.
    pub(crate) fn in_bucket(&self, bucket: &BucketName) -> Vec<ObjectKey> {
        let open = self.open.lock();
        let there = open.keys().filter(|(_, path)| path.bucket == *bucket);
        there.map(|(_, path)| path.key.clone()).collect()
    }

    /// Whether the ledger may have partials of the account in a folder.
    pub(crate) fn has_broken_off_in(
        &self,
        account: &AccountName,
        bucket: &BucketName,
        folder: &Prefix,
    ) -> bool {
        let broken_off = self.broken_off.lock();
        broken_off
            .iter()
            .any(|(whose, path)| whose == account && is_in(path, bucket, folder))
    }

    /// Remembers that the ledger has a partial.
    pub(crate) fn broke_off(&self, account: &AccountName, path: &ObjectPath) {
        self.broken_off
            .lock()
            .insert((account.clone(), path.clone()));
    }

    /// Whether the ledger may have a partial; it decides.
    pub(crate) fn may_have_broken_off(&self, account: &AccountName, path: &ObjectPath) -> bool {
        self.broken_off
            .lock()
            .contains(&(account.clone(), path.clone()))
    }

    /// How many broken-off uploads of the account are remembered.
    pub(crate) fn broken_off(&self, account: &AccountName) -> usize {
        self.broken_off
            .lock()
            .iter()
            .filter(|(whose, _)| whose == account)
            .count()
    }

    /// Takes it: whoever resumes a partial is the only one.
    pub(crate) fn take_broken_off(&self, account: &AccountName, path: &ObjectPath) -> bool {
        self.broken_off
            .lock()
            .remove(&(account.clone(), path.clone()))
    }
}

/// Whether the object lies directly in the folder.
pub(crate) fn is_in(path: &ObjectPath, bucket: &BucketName, folder: &Prefix) -> bool {
    path.bucket == *bucket && path.key.folder() == *folder
}
