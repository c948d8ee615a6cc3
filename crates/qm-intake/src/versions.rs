//! Versions that a name had before: what is kept of them, and bringing one back.

use crate::mailbox::AccountMailbox;
use crate::names::{Wanted, gone};
use crate::refusal::Act;
use qm_core::arrival::Cause;
use qm_core::audit::Activity;
use qm_core::id::VersionId;
use qm_core::name::MailboxPath;
use qm_core::operation::{Change, Version};
use qm_core::ports::mailbox::{Existing, VersionEntry, VersionState};
use qm_core::{Error, Kind, Result};

impl AccountMailbox {
    /// The current version, if it is one of ours, and those kept, newest first.
    pub(crate) async fn versions_of(&self, path: &MailboxPath) -> Result<Vec<VersionEntry>> {
        let account = self.account()?;
        let object = Self::object(&account, path)?;
        let bucket = self.bucket(&account)?;
        let current = self.shared.find(&*bucket, &object).await?.version;
        let kept = self.shared.parts.ledger.kept(&object).await?;
        let current = current.map(|version| entry(&version, VersionState::Current));
        let kept = kept.iter().map(|kept| {
            let since = kept.kept_at;
            entry(&kept.version, VersionState::Kept { since })
        });
        let versions: Vec<_> = current.into_iter().chain(kept).collect();
        if versions.is_empty() {
            return Err(gone());
        }
        Ok(versions)
    }

    /// Makes a kept version current again; what is current now is kept in its place.
    pub(crate) async fn restore_version(
        &self,
        path: &MailboxPath,
        version: VersionId,
    ) -> Result<()> {
        let act = self.act(Activity::Restore, path);
        self.shared
            .recorded(&act, self.restore_kept(path, version, &act).await)
            .await
    }

    async fn restore_kept(&self, path: &MailboxPath, version: VersionId, act: &Act) -> Result<()> {
        let account = self.account()?;
        let object = Self::object(&account, path)?;
        let kept = self.shared.parts.ledger.kept(&object).await?;
        let found = kept.into_iter().find(|kept| kept.version.id == version);
        let kept = found.ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                format!("version {version} of this file is not kept"),
            )
            .help("`quaymaster object versions` lists those that are")
        })?;
        let wanted = Wanted {
            path: object,
            change: Change::Restore,
            version: Some(kept.version),
            opened: None,
            existing: Existing::Replace,
            arrival: Some(Cause::Restore),
            departs: false,
            content_of: None,
            rows_of: None,
            account: None,
            act: act.clone(),
        };
        self.shared.change_name(wanted).await
    }
}

fn entry(version: &Version, state: VersionState) -> VersionEntry {
    VersionEntry {
        id: version.id,
        size_bytes: version.size_bytes,
        sha256: version.sha256,
        received_at: version.received_at,
        state,
    }
}
