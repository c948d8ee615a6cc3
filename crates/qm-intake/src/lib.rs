//! The one way bytes come in. Intake turns what a front asks on behalf of an account into staged
//! bytes and name operations: policy when a file is opened, inspection before it is committed,
//! then one ledger transaction, the change on disk, and only then the answer. It knows no
//! protocol and no destination.

mod behind;
mod decide;
mod faults;
mod files;
mod folders;
mod found;
mod holder;
mod listing;
mod locks;
mod mailbox;
mod names;
mod open_uploads;
mod operator;
mod parking;
mod recover;
mod refusal;
mod screening;
mod sources;
mod turns;
mod upload;
mod versions;
mod write;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use std::net::IpAddr;

use holder::Holder;
use locks::Locks;
use mailbox::AccountMailbox;
use open_uploads::OpenUploads;
use operator::OperatorMailbox;
use qm_core::account::Account;
use qm_core::id::{AccountName, BucketName, NotifierName};
use qm_core::ports::access::Principal;
use qm_core::ports::bucket::Buckets;
use qm_core::ports::clock::{Clock, Identifiers};
use qm_core::ports::ledger::Ledger;
use qm_core::ports::mailbox::{Mailbox, Mailboxes};
use qm_core::{Error, Kind, Result};
use refusal::Refusals;
use turns::Turns;

pub use recover::{Recovered, TakenOver};

/// The rules in force, as they are at the moment of the call.
pub trait Rules: Send + Sync {
    /// The account of that name.
    fn account(&self, name: &AccountName) -> Option<Arc<Account>>;

    /// Who is told when an upload cannot be completed.
    fn told_of_faults(&self) -> Vec<NotifierName>;

    /// True if superseded and removed versions of the bucket are kept.
    fn keeps_versions(&self, bucket: &BucketName) -> bool;

    /// True if others put files into the bucket as well.
    fn is_watched(&self, bucket: &BucketName) -> bool;

    /// The buckets, for operators.
    fn buckets(&self) -> Vec<BucketName>;
}

/// The parts intake works with.
pub struct Parts {
    /// Where things are recorded.
    pub ledger: Arc<dyn Ledger>,
    /// True if other nodes change names too: then the locks here are not enough.
    pub is_shared: bool,
    /// Where bytes go.
    pub buckets: Arc<dyn Buckets>,
    /// The rules in force.
    pub rules: Arc<dyn Rules>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Fresh version ids.
    pub identifiers: Arc<dyn Identifiers>,
}

/// Intake; one a node, shared by all fronts.
#[derive(Clone)]
pub struct Intake {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) parts: Parts,
    pub(crate) locks: Locks,
    pub(crate) open: OpenUploads,
    pub(crate) refusals: Refusals,
    pub(crate) turns: Turns,
    /// How often folders were made, renamed or removed.
    pub(crate) folder_changes: AtomicU64,
}

impl Intake {
    /// Intake over these parts. Call [`Intake::recover`] before the first front opens.
    pub fn new(parts: Parts) -> Self {
        Self {
            shared: Arc::new(Shared {
                parts,
                locks: Locks::default(),
                open: OpenUploads::default(),
                refusals: Refusals::default(),
                turns: Turns::default(),
                folder_changes: AtomicU64::default(),
            }),
        }
    }

    /// Records what was refused too often to be recorded one by one; for the end, before the ledger
    /// is closed.
    pub async fn flush(&self) {
        self.shared.flush_refusals().await;
    }
}

#[async_trait]
impl Mailboxes for Intake {
    async fn open(&self, principal: &Principal, source: IpAddr) -> Result<Arc<dyn Mailbox>> {
        let mailbox = AccountMailbox {
            shared: Arc::clone(&self.shared),
            holder: Holder::Account(principal.account.clone()),
            actor: principal.account.to_string(),
            source: Some(source),
        };
        mailbox.account()?;
        Ok(Arc::new(mailbox))
    }

    async fn open_operator(&self, operator: &str) -> Result<Arc<dyn Mailbox>> {
        Ok(Arc::new(OperatorMailbox::new(
            Arc::clone(&self.shared),
            operator,
        )))
    }
}

impl Shared {
    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.parts.clock.now()
    }

    pub(crate) fn bucket(
        &self,
        name: &BucketName,
    ) -> Result<Arc<dyn qm_core::ports::bucket::Bucket>> {
        self.parts.buckets.get(name).ok_or_else(|| {
            Error::new(
                Kind::Unavailable,
                "your folder is not available now; please try again later",
            )
            .with("bucket", name)
        })
    }
}
