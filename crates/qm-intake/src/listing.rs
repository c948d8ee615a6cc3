//! A folder as the account sees it: what the bucket lists, with the account's own unfinished
//! uploads, and with attributes that the ledger keeps for buckets that cannot.

use async_trait::async_trait;
use std::collections::BTreeMap;

use crate::Shared;
use qm_core::Result;
use qm_core::name::ObjectPath;
use qm_core::ports::bucket::{Attributes, Bucket, Entry, EntryKind, Listing};

pub(crate) struct MailboxListing {
    inner: Box<dyn Listing>,
    /// Listed first.
    unfinished: Option<Vec<Entry>>,
    attributes: BTreeMap<String, (String, Attributes)>,
}

impl MailboxListing {
    pub(crate) fn new(
        inner: Box<dyn Listing>,
        unfinished: Vec<Entry>,
        attributes: BTreeMap<String, (String, Attributes)>,
    ) -> Self {
        Self {
            inner,
            unfinished: (!unfinished.is_empty()).then_some(unfinished),
            attributes,
        }
    }
}

#[async_trait]
impl Listing for MailboxListing {
    async fn next(&mut self) -> Result<Option<Vec<Entry>>> {
        if let Some(unfinished) = self.unfinished.take() {
            return Ok(Some(unfinished));
        }
        let Some(entries) = self.inner.next().await? else {
            return Ok(None);
        };
        let dress = |entry: Entry| match self.attributes.get(&entry.name) {
            Some((_, attributes)) if entry.kind == EntryKind::File => dressed(entry, *attributes),
            Some(_) | None => entry,
        };
        Ok(Some(entries.into_iter().map(dress).collect()))
    }
}

/// The entry with these attributes.
pub(crate) fn dressed(entry: Entry, attributes: Attributes) -> Entry {
    Entry {
        modified: attributes.modified.unwrap_or(entry.modified),
        mode: attributes.mode.unwrap_or(entry.mode),
        ..entry
    }
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
