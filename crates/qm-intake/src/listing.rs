//! A folder as the account sees it: what the bucket lists, with the account's own unfinished
//! uploads, and with attributes that the ledger keeps for buckets that cannot.

use async_trait::async_trait;
use std::sync::Arc;

use crate::Shared;
use qm_core::Result;
use qm_core::id::BucketName;
use qm_core::name::{ObjectPath, Prefix};
use qm_core::ports::bucket::{Attributes, Bucket, Entry, EntryKind, Listing};
use qm_core::ports::ledger::Ledger;

pub(crate) struct MailboxListing {
    inner: Box<dyn Listing>,
    /// Listed first.
    unfinished: Option<Vec<Entry>>,
    dressing: Option<Dressing>,
    /// What the bucket listed, until it is given out: a ledger that fails hides nothing.
    held: Option<Vec<Entry>>,
}

/// Where attributes are that the bucket cannot keep. They are looked up for what is given out, not
/// for the whole folder.
pub(crate) struct Dressing {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) bucket: BucketName,
    pub(crate) folder: Prefix,
}

impl MailboxListing {
    pub(crate) fn new(
        inner: Box<dyn Listing>,
        unfinished: Vec<Entry>,
        dressing: Option<Dressing>,
    ) -> Self {
        Self {
            inner,
            unfinished: (!unfinished.is_empty()).then_some(unfinished),
            dressing,
            held: None,
        }
    }
}

impl Dressing {
    async fn dress(&self, entries: &mut [Entry]) -> Result<()> {
        let files = entries.iter().filter(|entry| entry.kind == EntryKind::File);
        let names: Vec<&str> = files.map(|file| file.name.as_str()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let found = self
            .ledger
            .name_attributes_in(&self.bucket, &self.folder, &names)
            .await?;
        for entry in entries {
            if entry.kind == EntryKind::File
                && let Some((_, attributes)) = found.get(&entry.name)
            {
                dress(entry, *attributes);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Listing for MailboxListing {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        if let Some(unfinished) = self.unfinished.take() {
            return Ok(Some(unfinished));
        }
        if self.held.is_none() {
            self.held = self.inner.next().await?;
        }
        if let (Some(dressing), Some(entries)) = (&self.dressing, &mut self.held) {
            dressing.dress(entries).await?;
        }
        Ok(self.held.take())
    }
}

/// Gives the entry these attributes.
pub(crate) fn dress(entry: &mut Entry, attributes: Attributes) {
    entry.modified = attributes.modified.unwrap_or(entry.modified);
    entry.mode = attributes.mode.unwrap_or(entry.mode);
}

impl Shared {
    /// Sets attributes of a file where they can be kept.
    pub(crate) async fn set_attributes(
        &self,
        bucket: &dyn Bucket,
        path: &ObjectPath,
        attributes: Attributes,
    ) -> Result<()> {
        if bucket.keeps_attributes() {
            return bucket
                .set_attributes(&path.key.as_prefix(), attributes)
                .await;
        }
        match bucket.identity(&path.key).await? {
            Some(identity) => {
                let ledger = &self.parts.ledger;
                ledger
                    .set_name_attributes(path, &identity, attributes)
                    .await
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::ports::ledger::NameAttributes as _;
    use qm_testkit::MemoryLedger;
    use qm_testkit::ledger::sample::{bucket, minute, path};

    struct Batches(Vec<Vec<Entry>>);

    #[async_trait]
    impl Listing for Batches {
        async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
            Ok(self.0.pop())
        }
    }

    fn entry(kind: EntryKind, name: &str, mode: u32) -> Entry {
        Entry {
            name: name.to_owned(),
            kind,
            size_bytes: 0,
            is_sealed: false,
            modified: minute(0),
            mode,
        }
    }

    #[tokio::test]
    async fn each_batch_has_its_attributes() {
        let ledger = Arc::new(MemoryLedger::new());
        let attributes = Attributes {
            modified: None,
            mode: Some(0o600),
        };
        for name in ["in/a", "in/c", "in/folder", "in/deep/b", "in/unfinished"] {
            let path = path(name);
            let set = ledger.set_name_attributes(&path, "one", attributes);
            set.await.unwrap();
        }
        let file = |name| entry(EntryKind::File, name, 0o644);
        let folder = entry(EntryKind::Folder, "folder", 0o755);
        let batches = vec![vec![file("c"), folder], vec![file("a"), file("b")]];
        let dressing = Dressing {
            ledger,
            bucket: bucket(),
            folder: Prefix::parse("in").unwrap(),
        };
        let unfinished = vec![file("unfinished")];
        let inner = Box::new(Batches(batches));
        let mut listing = MailboxListing::new(inner, unfinished, Some(dressing));
        let mut shown = Vec::new();
        while let Some(entries) = listing.next().await.unwrap() {
            shown.extend(entries.into_iter().map(|entry| (entry.name, entry.mode)));
        }
        let expect = [
            ("unfinished", 0o644),
            ("a", 0o600),
            ("b", 0o644),
            ("c", 0o600),
            ("folder", 0o755),
        ];
        assert_eq!(shown, expect.map(|(name, mode)| (name.to_owned(), mode)));
    }
}
