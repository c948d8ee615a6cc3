//! What an account is refused is recorded before it is told (INV-9).

use std::net::IpAddr;

use crate::Shared;
use qm_core::audit::{Activity, AuditRecord, Decision};
use qm_core::id::AccountName;
use qm_core::{Error, Kind, Result};

/// Who acts, from where, on what: the common part of audit records.
#[derive(Clone)]
pub(crate) struct Act {
    pub(crate) account: AccountName,
    pub(crate) source: IpAddr,
    pub(crate) activity: Activity,
    pub(crate) subject: String,
}

impl Act {
    pub(crate) fn record(&self, at: jiff::Timestamp, decision: Decision) -> AuditRecord {
        AuditRecord {
            at,
            actor: self.account.to_string(),
            source: Some(self.source),
            activity: self.activity,
            subject: self.subject.clone(),
            decision,
        }
    }
}

impl Shared {
    /// Records the refusal or failure that `result` is, if any. Errors that only say what is
    /// there or not are part of normal life and not recorded.
    pub(crate) async fn recorded<T>(&self, act: &Act, result: Result<T>) -> Result<T> {
        let Err(error) = &result else { return result };
        let decision = match error.kind() {
            Kind::Refused | Kind::Unauthenticated => Decision::Denied(error.chain()),
            Kind::Bug | Kind::Limit | Kind::Timeout | Kind::Unavailable => {
                Decision::Failed(error.chain())
            }
            Kind::AlreadyExists
            | Kind::Conflict
            | Kind::Invalid
            | Kind::NotFound
            | Kind::Unsupported => {
                return result;
            }
        };
        self.append(act.record(self.now(), decision)).await?;
        result
    }

    /// Records that something is about to be done.
    pub(crate) async fn allowed(&self, act: &Act) -> Result<()> {
        self.append(act.record(self.now(), Decision::Allowed)).await
    }

    async fn append(&self, record: AuditRecord) -> Result<()> {
        self.parts.ledger.append(record).await.map_err(|error| {
            Error::new(
                Kind::Unavailable,
                "the server cannot record this now; please try again later",
            )
            .during("append to the audit")
            .source(error)
        })
    }
}
