//! A clock that is set and an audit that can fail.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use qm_core::account::{Account, MailboxRoot, SshPublicKey, Verb};
use qm_core::audit::{AuditRecord, Decision};
use qm_core::id::{AccountName, BucketName, PartnerName};
use qm_core::name::Prefix;
use qm_core::ports::BoxFuture;
use qm_core::ports::clock::Clock;
use qm_core::ports::ledger::Audit;
use qm_core::{Error, Kind, Result};

pub(crate) const NORTH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAgFpyTroXOefjWz2YW8TWXlqEACCd3CV8kcGlrm+wW ops@north";
pub(crate) const SOUTH_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJmTfvl0yPB32YvKrQTU1D45mmXOaYzkpARAx3w8MH+l ops@south";

pub(crate) struct SetClock(Mutex<Timestamp>);

impl SetClock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new("2026-11-20T12:00:00Z".parse().unwrap()))
    }

    pub(crate) fn advance(&self, seconds: i64) {
        *self.0.lock() += SignedDuration::from_secs(seconds);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

#[derive(Default)]
pub(crate) struct Recorded {
    records: Mutex<Vec<AuditRecord>>,
    is_failing: Mutex<bool>,
}

impl Recorded {
    pub(crate) fn fail(&self) {
        *self.is_failing.lock() = true;
    }

    /// Everything so far as `actor source activity subject: decision`, and forgets it.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.records.lock())
            .into_iter()
            .map(|record| {
                let decision = match record.decision {
                    Decision::Allowed => "allowed".to_owned(),
                    Decision::Denied(rule) => format!("denied: {rule}"),
                    Decision::Failed(reason) => format!("failed: {reason}"),
                };
                let source = record
                    .source
                    .map_or_else(|| "nowhere".to_owned(), |source| source.to_string());
                let method = record.subject.split(' ').next().unwrap_or_default();
                format!(
                    "{} {source} {} {method} {decision}",
                    record.actor,
                    record.activity.as_str()
                )
            })
            .collect()
    }
}

#[async_trait]
impl Audit for Recorded {
    fn append(&self, record: AuditRecord) -> BoxFuture<Result<()>> {
        let result = if *self.is_failing.lock() {
            Err(Error::new(Kind::Unavailable, "the disk is full"))
        } else {
            self.records.lock().push(record);
            Ok(())
        };
        Box::pin(std::future::ready(result))
    }

    async fn audit(&self, _limit: u32) -> Result<Vec<(i64, AuditRecord)>> {
        Err(Error::new(Kind::Unsupported, "not needed here"))
    }
}

pub(crate) fn key(line: &str) -> SshPublicKey {
    SshPublicKey::parse(line).unwrap()
}

pub(crate) fn account(name: &str, keys: &[&str], networks: &[&str]) -> Account {
    Account {
        name: AccountName::parse(name).unwrap(),
        partner: PartnerName::parse(name).unwrap(),
        ssh_keys: keys.iter().map(|line| key(line)).collect(),
        networks: networks.iter().map(|n| n.parse().unwrap()).collect(),
        mailbox: MailboxRoot {
            bucket: BucketName::parse("landing").unwrap(),
            prefix: Prefix::parse(name).unwrap(),
        },
        home: Prefix::default(),
        may: Verb::DEFAULT.into(),
        types: None,
        temp_suffixes: vec![],
        declare: vec![],
    }
}
