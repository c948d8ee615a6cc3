//! What is done to objects when their deliveries have ended: the node does it, not a partner, and
//! only to the version that was delivered.

use async_trait::async_trait;

use crate::Intake;
use crate::names::Wanted;
use crate::refusal::Act;
use qm_core::Result;
use qm_core::audit::Activity;
use qm_core::id::VersionId;
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::Change;
use qm_core::ports::bucket::FolderChange;
use qm_core::ports::mailbox::Existing;
use qm_core::ports::source::Sources;

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
    ) -> Result<bool> {
        let bucket = self.shared.bucket(&path.bucket)?;
        let current = self.shared.current(&*bucket, path).await?;
        if current.is_none_or(|current| current.id != version) {
            return Ok(false);
        }
        if path.key == *to {
            return Ok(true);
        }
        let folders = FolderChange::MakeAll(to.folder());
        bucket.change_folder(folders).await?;
        let act = act(Activity::Rename, format!("{path} to {to} ({why})"));
        let change = Change::Rename { to: to.clone() };
        self.change(path, version, change, act).await
    }
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
            existing: Existing::Replace,
            arrival: None,
            departs: false,
            content_of: None,
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
