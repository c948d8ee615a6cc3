//! What becomes of an upload whose session is lost.

use crate::refusal::Act;
use crate::upload::AccountUpload;
use qm_core::Result;
use qm_core::arrival::Partial;
use qm_core::audit::{Activity, Decision};
use qm_core::ports::bucket::Parked;

/// Broken-off uploads of one account that are kept; more is a fault or an attack, and each may
/// raise an alert.
const PARTIALS_MAX: usize = 100;

impl AccountUpload {
    /// Keeps what has come without a hole for the account to resume.
    pub(crate) async fn park(&mut self) -> Result<()> {
        let account = self.holder.name();
        let has_room =
            self.holder.may_resume() && self.shared.open.broken_off(account) < PARTIALS_MAX;
        if !has_room || self.staged.size_bytes() == 0 {
            self.discard().await;
            return Ok(());
        }
        let parked = if let Some(parked) = self.staged.keep_contiguous().await? {
            parked
        } else {
            // An object store keeps no less than a part; somebody is told all the same.
            self.discard().await;
            Parked::nothing()
        };
        let at = self.shared.now();
        let partial = Partial {
            version: self.staged.version(),
            account: account.clone(),
            path: self.path.clone(),
            parked,
            lost_at: at,
        };
        let act = Act {
            activity: Activity::PartialClose,
            ..self.act.clone()
        };
        let record = act.record(
            at,
            Decision::Failed(format!(
                "broke off after {} bytes",
                partial.parked.size_bytes
            )),
        );
        let replaced = self.shared.parts.ledger.park(partial, record).await?;
        self.shared.open.broke_off(account, &self.path);
        match replaced {
            Some(replaced) if replaced.version != self.staged.version() => {
                match replaced.parked.bytes() {
                    Some(token) => self.bucket.discard(token).await,
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}
