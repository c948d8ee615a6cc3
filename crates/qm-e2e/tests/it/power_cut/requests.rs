//! What is asked of a mailbox, and what it makes of the names.

use bytes::Bytes;
use std::collections::BTreeMap;

use crate::intake::bucket_name;
use qm_core::id::VersionId;
use qm_core::name::{MailboxPath, ObjectKey, Prefix};
use qm_core::ports::bucket::{Bucket, Chunk, EntryKind};
use qm_core::ports::mailbox::{Existing, Mailbox, WriteOptions};

/// Files with their bytes; folders, which end in `/`, with none.
pub(super) type Names = BTreeMap<String, Vec<u8>>;

pub(super) enum Request {
    Upload(String, Vec<u8>),
    Rename(String, String),
    Remove(String),
    MakeFolder(String),
    RemoveFolder(String),
    /// By an operator.
    Restore {
        name: String,
        version: VersionId,
        bytes: Vec<u8>,
    },
}

impl Request {
    /// What it makes of the names; `None` if it would be refused.
    pub(super) fn expected(&self, names: &Names) -> Option<Names> {
        let mut after = names.clone();
        match self {
            Self::Upload(name, bytes) | Self::Restore { name, bytes, .. } => {
                in_a_folder(names, name)?;
                after.insert(name.clone(), bytes.clone());
            }
            Self::Rename(from, to) => {
                in_a_folder(names, to)?;
                let bytes = after.remove(from)?;
                after.insert(to.clone(), bytes);
            }
            Self::Remove(name) => {
                after.remove(name)?;
            }
            Self::MakeFolder(name) => {
                let is_new = after.insert(format!("{name}/"), Vec::new()).is_none();
                is_new.then_some(())?;
            }
            Self::RemoveFolder(name) => {
                let folder = format!("{name}/");
                after.remove(&folder)?;
                let is_empty = !after.keys().any(|name| name.starts_with(&folder));
                is_empty.then_some(())?;
            }
        }
        Some(after)
    }

    pub(super) async fn send(
        &self,
        mailbox: &dyn Mailbox,
        operator: &dyn Mailbox,
    ) -> qm_core::Result<()> {
        match self {
            Self::Upload(name, bytes) => upload(mailbox, name, bytes).await,
            Self::Rename(from, to) => {
                mailbox
                    .rename(&path(from), &path(to), Existing::Replace)
                    .await
            }
            Self::Remove(name) => mailbox.remove(&path(name)).await,
            Self::MakeFolder(name) => mailbox.make_folder(&path(name)).await,
            Self::RemoveFolder(name) => mailbox.remove_folder(&path(name)).await,
            Self::Restore { name, version, .. } => {
                operator.restore(&operators_path(name), *version).await
            }
        }
    }
}

/// `None` if the folder that the name is in is not there.
fn in_a_folder(names: &Names, name: &str) -> Option<()> {
    match name.rsplit_once('/') {
        None => Some(()),
        Some((folder, _)) => names.contains_key(&format!("{folder}/")).then_some(()),
    }
}

pub(super) fn is_folder(name: &str) -> bool {
    name.ends_with('/')
}

fn path(name: &str) -> MailboxPath {
    MailboxPath::parse(name.as_bytes()).unwrap()
}

/// Operators see buckets as folders.
pub(super) fn operators_path(name: &str) -> MailboxPath {
    path(&format!("{}/{name}", bucket_name()))
}

async fn upload(mailbox: &dyn Mailbox, name: &str, bytes: &[u8]) -> qm_core::Result<()> {
    let options = WriteOptions {
        create: true,
        truncate: true,
        ..WriteOptions::default()
    };
    let mut upload = mailbox.write(&path(name), options).await?;
    let half = bytes.len() / 2;
    for (offset, part) in [(half, &bytes[half..]), (0, &bytes[..half])] {
        let chunk = Chunk {
            offset: offset as u64,
            bytes: Bytes::copy_from_slice(part),
        };
        upload.write(vec![chunk]).await?;
    }
    upload.commit().await
}

/// What a bucket shows.
pub(super) async fn files(bucket: &dyn Bucket) -> Names {
    let mut found = Names::new();
    let mut open = vec![Prefix::default()];
    while let Some(folder) = open.pop() {
        let mut listing = bucket.list(&folder).await.unwrap();
        while let Some(entries) = listing.next().await.unwrap() {
            for entry in entries {
                let key = folder.join(&entry.name).unwrap();
                match entry.kind {
                    EntryKind::Folder => {
                        found.insert(format!("{key}/"), Vec::new());
                        open.push(key.as_prefix());
                    }
                    EntryKind::File => {
                        found.insert(key.to_string(), bytes_of(bucket, &key).await);
                    }
                }
            }
        }
    }
    found
}

async fn bytes_of(bucket: &dyn Bucket, key: &ObjectKey) -> Vec<u8> {
    let content = bucket.open(key).await.unwrap();
    content.read(0, 1 << 20).await.unwrap().to_vec()
}

/// For messages: the first byte of each file, and its length.
pub(super) fn sizes(names: &Names) -> Vec<(&str, Option<char>, usize)> {
    names
        .iter()
        .map(|(name, bytes)| {
            let first = bytes.first().copied().map(char::from);
            (name.as_str(), first, bytes.len())
        })
        .collect()
}
