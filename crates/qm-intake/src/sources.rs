//! What is done to objects when their deliveries have ended: the node does it, not a partner, and
//! only to the version that was delivered.

use async_trait::async_trait;

use crate::Intake;
use crate::names::Wanted;
use crate::refusal::Act;
use qm_core::audit::Activity;
use qm_core::id::VersionId;
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::Change;
use qm_core::ports::bucket::FolderChange;
use qm_core::ports::mailbox::Existing;
use qm_core::ports::source::Sources;
use qm_core::{Kind, Result};

/// More files of one name in an archive are a template without a date in it.
const NAMES_MAX: u32 = 1_000;

/// Who did it, in the audit.
const ACTOR: &str = "node";

#[async_trait]
impl Sources for Intake {
    async fn remove(&self, path: &ObjectPath, version: VersionId, why: &str) -> Result<bool> {
        let act = act(Activity::Delete, format!("{path} ({why})"));
        self.change(path, version, Change::Remove, act).await
    }

    async fn move_to(
        &self,
        path: &ObjectPath,
        version: VersionId,
        to: &ObjectKey,
        why: &str,
    ) -> Result<Option<ObjectKey>> {
        let bucket = self.shared.bucket(&path.bucket)?;
        let current = self.shared.find(&*bucket, path).await?.version;
        if current.is_none_or(|current| current.id != version) {
            return Ok(None);
        }
        if path.key == *to {
            return Ok(Some(to.clone()));
        }
        if !bucket.has_folder(&to.folder()).await? {
            let folders = FolderChange::MakeAll(to.folder());
            self.shared.change_folder(&*bucket, folders).await?;
        }
        let mut number = 1;
        loop {
            let to = numbered(to, number)?;
            // Asked before, so that a name that is taken is no failure in the audit.
            let is_free = bucket.stat(&to.as_prefix()).await?.is_none();
            if is_free || number == NAMES_MAX {
                let act = act(Activity::Rename, format!("{path} to {to} ({why})"));
                let change = Change::Rename { to: to.clone() };
                match self.change(path, version, change, act).await {
                    Err(error) if error.kind() == Kind::AlreadyExists && number < NAMES_MAX => {}
                    moved => return Ok(moved?.then_some(to)),
                }
            }
            number += 1;
        }
    }
}

/// The name itself is the first.
fn numbered(key: &ObjectKey, number: u32) -> Result<ObjectKey> {
    if number == 1 {
        return Ok(key.clone());
    }
    let name = key.file_name();
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => name.split_at(stem.len()),
        _ => (name, ""),
    };
    key.with_file_name(&format!("{stem}~{number}{extension}"))
}

impl Intake {
    async fn change(
        &self,
        path: &ObjectPath,
        version: VersionId,
        change: Change,
        act: Act,
    ) -> Result<bool> {
        let wanted = Wanted {
            path: path.clone(),
            change,
            version: None,
            opened: None,
            existing: Existing::Refuse,
            arrival: None,
            departs: false,
            content_of: None,
            rows_of: None,
            account: None,
            act: act.clone(),
        };
        let changed = self.shared.change_name_of(wanted, Some(version)).await;
        self.shared.recorded(&act, changed).await
    }
}

fn act(activity: Activity, subject: String) -> Act {
    Act {
        actor: ACTOR.to_owned(),
        source: None,
        activity,
        subject,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beside_a_name() {
        for (key, expect) in [
            ("done/a.csv", "done/a~2.csv"),
            ("a", "a~2"),
            ("a.tar.gz", "a.tar~2.gz"),
            (".hidden", ".hidden~2"),
        ] {
            let key = ObjectKey::parse(key).unwrap();
            assert_eq!(numbered(&key, 1).unwrap(), key);
            assert_eq!(numbered(&key, 2).unwrap().as_str(), expect);
        }
        let long = ObjectKey::parse(&"x".repeat(255)).unwrap();
        assert!(numbered(&long, 2).is_err());
    }
}
