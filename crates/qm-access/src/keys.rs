//! Logins with SSH keys.

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use qm_core::account::{Account, SshPublicKey};
use qm_core::audit::{Activity, AuditRecord, Decision};
use qm_core::ports::access::{Authenticator, Principal};
use qm_core::ports::clock::Clock;
use qm_core::ports::ledger::Audit;
use qm_core::{Error, Kind, Result};
use std::net::IpAddr;
use std::sync::Arc;

use crate::Directory;
use crate::denials::{Denials, Summary, Verdict, Which};
use crate::throttle::Source;

/// Characters of a user name that a record keeps: the longest account name.
const USER_CHARS_MAX: usize = 64;

/// Authenticates SSH keys against the [`Directory`] and records every answer.
pub struct KeyAuthenticator {
    directory: Arc<Directory>,
    audit: Arc<dyn Audit>,
    clock: Arc<dyn Clock>,
    denials: Mutex<Denials>,
}

/// Why a login is refused. Goes to the record; the peer hears the same sentence for all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Denial {
    UnknownUser,
    WrongKey,
    WrongNetwork,
}

impl Denial {
    fn rule(self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown user",
            Self::WrongKey => "not a key of this account",
            Self::WrongNetwork => "not from a network of this account",
        }
    }
}

impl KeyAuthenticator {
    /// Over the live accounts; records go to `audit`.
    pub fn new(directory: Arc<Directory>, audit: Arc<dyn Audit>, clock: Arc<dyn Clock>) -> Self {
        Self {
            directory,
            audit,
            clock,
            denials: Mutex::new(Denials::default()),
        }
    }

    /// Records what was only counted so far. To be called before the node stops, after the last
    /// session has ended.
    pub async fn flush(&self) {
        self.record_summaries(Which::All).await;
    }

    fn decide(
        &self,
        user: &str,
        source: IpAddr,
        key: &SshPublicKey,
    ) -> Result<Arc<Account>, Denial> {
        match self.directory.holder(user, key) {
            Some(account) if account.admits(source) => Ok(account),
            Some(_) => Err(Denial::WrongNetwork),
            None if self.directory.has_user(user) => Err(Denial::WrongKey),
            None => Err(Denial::UnknownUser),
        }
    }

    /// A refusal has no effect to protect, so one that cannot be recorded is logged and refused
    /// all the same.
    async fn record_denial(&self, user: &str, source: IpAddr, key: &SshPublicKey, why: Denial) {
        self.record_summaries(Which::Ended).await;
        let verdict = self
            .denials
            .lock()
            .refused(Source::of(source), self.clock.now());
        let Some(record) = self.denial(verdict, user, source, key, why) else {
            return;
        };
        if let Err(error) = self.audit.append(record).await {
            tracing::error!(%source, ?user, error = %error.chain(), "a refused login could not be recorded");
        }
    }

    fn denial(
        &self,
        verdict: Verdict,
        user: &str,
        source: IpAddr,
        key: &SshPublicKey,
        why: Denial,
    ) -> Option<AuditRecord> {
        let rule = match verdict {
            Verdict::Record => why.rule().to_owned(),
            Verdict::RecordLast => format!(
                "{}; further refusals from this address are counted, not recorded one by one",
                why.rule()
            ),
            Verdict::Count => return None,
        };
        Some(AuditRecord {
            at: self.clock.now(),
            actor: printable(user),
            source: Some(source),
            activity: Activity::AuthFailure,
            subject: method(key),
            decision: Decision::Denied(rule),
        })
    }

    async fn record_summaries(&self, which: Which) {
        for record in self.summaries(which) {
            if let Err(error) = self.audit.append(record).await {
                tracing::error!(error = %error.chain(), "refused logins could not be recorded");
            }
        }
    }

    fn summaries(&self, which: Which) -> Vec<AuditRecord> {
        let now = self.clock.now();
        let summaries = self.denials.lock().take_summaries(now, which);
        summaries
            .into_iter()
            .map(|summary| summary_record(&summary, now))
            .collect()
    }
}

#[async_trait]
impl Authenticator for KeyAuthenticator {
    async fn is_known(&self, user: &str, source: IpAddr, key: &SshPublicKey) -> bool {
        let Err(why) = self.decide(user, source, key) else {
            return true;
        };
        // Most clients only sign with a key that was accepted when offered, so this is where most
        // refused logins end and must be recorded. The append is enqueued by the call; waiting for
        // the disk would tell the peer by its time what the answer must not tell.
        for record in self.summaries(Which::Ended) {
            drop(self.audit.append(record));
        }
        let verdict = self.denials.lock().offer_refused(
            Source::of(source),
            &printable(user),
            self.clock.now(),
        );
        if let Some(record) = self.denial(verdict, user, source, key, why) {
            drop(self.audit.append(record));
        }
        false
    }

    async fn authenticate(
        &self,
        user: &str,
        source: IpAddr,
        proven: &SshPublicKey,
    ) -> Result<Principal> {
        let account = match self.decide(user, source, proven) {
            Ok(account) => account,
            Err(why) => {
                self.record_denial(user, source, proven, why).await;
                return Err(
                    Error::new(Kind::Unauthenticated, "this login is not accepted")
                        .during("log in"),
                );
            }
        };
        self.record_summaries(Which::Ended).await;
        let record = AuditRecord {
            at: self.clock.now(),
            actor: account.name.to_string(),
            source: Some(source),
            activity: Activity::Connected,
            subject: method(proven),
            decision: Decision::Allowed,
        };
        // INV-9: no session without its record.
        self.audit.append(record).await.map_err(|error| {
            Error::new(
                Kind::Unavailable,
                "the server cannot take logins now; please try again later",
            )
            .during("record a login")
            .source(error)
        })?;
        Ok(Principal {
            account: account.name.clone(),
            key: proven.clone(),
        })
    }

    fn is_current(&self, principal: &Principal) -> bool {
        self.directory
            .holder(principal.account.as_str(), &principal.key)
            .is_some()
    }

    async fn disconnected(&self, principal: &Principal, source: IpAddr) {
        let record = AuditRecord {
            at: self.clock.now(),
            actor: principal.account.to_string(),
            source: Some(source),
            activity: Activity::Disconnected,
            subject: method(&principal.key),
            decision: Decision::Allowed,
        };
        if let Err(error) = self.audit.append(record).await {
            tracing::error!(account = %principal.account, error = %error.chain(), "the end of a session could not be recorded");
        }
        self.record_summaries(Which::Ended).await;
    }
}

fn summary_record(summary: &Summary, now: Timestamp) -> AuditRecord {
    let Summary {
        source,
        count,
        since,
    } = summary;
    AuditRecord {
        at: now,
        actor: "several".to_owned(),
        source: source.map(Source::address),
        activity: Activity::AuthFailure,
        subject: "publickey".to_owned(),
        decision: Decision::Denied(format!("{count} further refused logins since {since}")),
    }
}

fn method(key: &SshPublicKey) -> String {
    format!("publickey {}", key.fingerprint())
}

/// A peer's user name as a record may hold it: escaped, and cut where no account name goes on.
fn printable(user: &str) -> String {
    let mut text: String = user
        .chars()
        .take(USER_CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if user.chars().nth(USER_CHARS_MAX).is_some() {
        text.push('…');
    }
    text
}
