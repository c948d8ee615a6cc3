//! Versions under temp names: their bytes are an upload in parts under the name they will have in
//! the end, so no object shows them. They are remembered here.

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};

use super::token::UploadToken;
use qm_core::id::VersionId;
use qm_core::name::{ObjectKey, Prefix};
use qm_core::operation::Version;
use qm_core::ports::bucket::{Entry, EntryKind};
use qm_core::{Error, Kind};

/// A version under a temp name.
#[derive(Clone, Debug)]
pub(crate) struct HiddenVersion {
    pub(crate) version: Version,
    pub(crate) upload: UploadToken,
}

/// All of them, by the temp name.
#[derive(Debug, Default)]
pub(crate) struct Hidden(Mutex<BTreeMap<ObjectKey, HiddenVersion>>);

impl Hidden {
    pub(crate) fn get(&self, key: &ObjectKey) -> Option<HiddenVersion> {
        self.0.lock().get(key).cloned()
    }

    pub(crate) fn insert(&self, key: ObjectKey, hidden: HiddenVersion) -> Option<HiddenVersion> {
        self.0.lock().insert(key, hidden)
    }

    /// Removes it if it is still that version.
    pub(crate) fn remove(&self, key: &ObjectKey, version: VersionId) {
        let mut all = self.0.lock();
        if all
            .get(key)
            .is_some_and(|hidden| hidden.version.id == version)
        {
            all.remove(key);
        }
    }

    /// Forgets the names whose bytes are gone.
    pub(crate) fn forget(&self, upload: &UploadToken) {
        self.0.lock().retain(|_, hidden| hidden.upload != *upload);
    }

    /// True if there is one in the folder or deeper.
    pub(crate) fn is_any_below(&self, folder: &Prefix) -> bool {
        self.0.lock().keys().any(|key| key.is_below(folder))
    }

    /// What a listing of the folder shows of them: the files in it, and the names of folders on
    /// the way to deeper ones.
    pub(crate) fn in_folder(&self, folder: &Prefix) -> (Vec<Entry>, BTreeSet<String>) {
        let (mut files, mut folders) = (Vec::new(), BTreeSet::new());
        for (key, hidden) in &*self.0.lock() {
            let Some(rest) = key.relative_to(folder) else {
                continue;
            };
            match rest.split_once('/') {
                None => files.push(hidden.entry(rest)),
                Some((first, _)) => {
                    folders.insert(first.to_owned());
                }
            }
        }
        (files, folders)
    }
}

impl HiddenVersion {
    /// As a file. The version tells the length that the client knows.
    pub(crate) fn entry(&self, name: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            kind: EntryKind::File,
            size_bytes: self.version.size_bytes,
            is_sealed: false,
            modified: self.version.received_at,
            mode: super::FILE_MODE,
        }
    }
}

/// Why its bytes cannot be read.
pub(crate) fn unreadable() -> Error {
    Error::new(
        Kind::Refused,
        "this file is complete only when it has its final name; rename it first",
    )
}
