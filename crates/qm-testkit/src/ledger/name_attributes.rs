//! Attributes of files that their bucket cannot keep.

use async_trait::async_trait;
use qm_core::Result;
use qm_core::id::BucketName;
use qm_core::name::{ObjectPath, Prefix};
use qm_core::ports::bucket::Attributes;
use qm_core::ports::ledger::NameAttributes;
use std::collections::BTreeMap;

use super::MemoryLedger;

#[derive(Clone, Default)]
pub(super) struct State(BTreeMap<ObjectPath, (String, Attributes)>);

impl State {
    fn set(&mut self, path: &ObjectPath, identity: &str, attributes: Attributes) {
        let earlier = self.0.get(path).filter(|(of, _)| of == identity);
        let earlier = earlier.map_or_else(Attributes::default, |(_, attributes)| *attributes);
        let merged = Attributes {
            modified: attributes.modified.or(earlier.modified),
            mode: attributes.mode.or(earlier.mode),
        };
        self.0.insert(path.clone(), (identity.to_owned(), merged));
    }

    /// The file has another name now.
    pub(super) fn follow(&mut self, from: &ObjectPath, to: &ObjectPath) {
        if from == to {
            return;
        }
        match self.0.remove(from) {
            Some(found) => self.0.insert(to.clone(), found),
            None => self.0.remove(to),
        };
    }

    /// The file is gone.
    pub(super) fn forget(&mut self, path: &ObjectPath) {
        self.0.remove(path);
    }
}

#[async_trait]
impl NameAttributes for MemoryLedger {
    async fn set_name_attributes(
        &self,
        path: &ObjectPath,
        identity: &str,
        attributes: Attributes,
    ) -> Result<()> {
        self.write(|state| {
            state.name_attributes.set(path, identity, attributes);
            Ok(())
        })
    }

    async fn name_attributes(&self, path: &ObjectPath) -> Result<Option<(String, Attributes)>> {
        Ok(self.read(|state| state.name_attributes.0.get(path).cloned()))
    }

    async fn name_attributes_in(
        &self,
        bucket: &BucketName,
        folder: &Prefix,
        names: &[&str],
    ) -> Result<BTreeMap<String, (String, Attributes)>> {
        Ok(self.read(|state| {
            let all = state.name_attributes.0.iter();
            let there =
                all.filter(|(path, _)| path.bucket == *bucket && path.key.folder() == *folder);
            there
                .filter(|(path, _)| names.contains(&path.key.file_name()))
                .map(|(path, found)| (path.key.file_name().to_owned(), found.clone()))
                .collect()
        }))
    }
}
