//! What becomes of an upload whose session is lost.

use crate::refusal::Act;
use crate::upload::AccountUpload;
use qm_core::Result;
use qm_core::arrival::Partial;
use qm_core::audit::{Activity, Decision};
use qm_core::ports::bucket::Place;

/// Broken-off uploads of one account that are kept; more is a fault or an attack, and each may
/// raise an alert.
const PARTIALS_MAX: usize = 100;

impl AccountUpload {
    /// Keeps what has come without a hole for the account to resume.
    pub(crate) async fn park(&mut self) -> Result<()> {
        let size_bytes = self.staged.keep_contiguous().await?;
        if size_bytes == 0 || self.shared.open.broken_off(&self.account) >= PARTIALS_MAX {
            self.discard().await;
            return Ok(());
        }
        let at = self.shared.now();
        let partial = Partial {
            version: self.staged.version(),
            account: self.account.clone(),
            path: self.path.clone(),
            size_bytes,
            lost_at: at,
        };
        let act = Act {
            activity: Activity::PartialClose,
            ..self.act.clone()
        };
        let record = act.record(
            at,
            Decision::Failed(format!("broke off after {} bytes", partial.size_bytes)),
        );
        let replaced = self.shared.parts.ledger.park(partial, record).await?;
        self.shared.open.broke_off(&self.account, &self.path);
        match replaced {
            Some(version) if version != self.staged.version() => {
                self.bucket.discard(version, Place::Staging).await
            }
            _ => Ok(()),
        }
    }
}
