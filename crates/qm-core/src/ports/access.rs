//! Who is asking: authentication, admission of connections, secrets.

use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::Result;
use crate::account::SshPublicKey;
use crate::config::{SecretName, SecretStore};
use crate::id::AccountName;

/// Authenticates logins.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// Whether a login with this key could succeed, before its possession is proven. Gives no
    /// rights. Takes the same time whatever the answer.
    async fn is_known(&self, user: &str, source: IpAddr, key: &SshPublicKey) -> bool;

    /// The account of a key whose possession the transport has proven in this session (INV-2).
    /// Records success and failure.
    async fn authenticate(
        &self,
        user: &str,
        source: IpAddr,
        proven: &SshPublicKey,
    ) -> Result<Principal>;

    /// False as soon as the account or the key was removed: the session must end.
    fn is_current(&self, principal: &Principal) -> bool;

    /// Records that a session ended.
    async fn disconnected(&self, principal: &Principal, source: IpAddr);
}

/// A proven account. Only an [`Authenticator`] makes one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Principal {
    /// The account.
    pub account: AccountName,
    /// The proof.
    pub key: SshPublicKey,
}

/// Admits connections before anything is spent on them.
pub trait Gate: Send + Sync {
    /// A connection from `source`; refused when limits or penalties say so. Held until dropped.
    fn admit(&self, source: IpAddr) -> Option<Box<dyn Admission>>;

    /// The peer misbehaved.
    fn penalise(&self, source: IpAddr, offence: Offence);
}

/// An admitted connection; leaves when dropped.
pub trait Admission: Send + Sync {
    /// It is authenticated now and counts for its account; false if that account has too many.
    fn authenticated(&self, account: &AccountName) -> bool;
}

/// What a peer did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Offence {
    /// A login failed.
    AuthFailure,
    /// It did not log in within the login deadline.
    LoginTimeout,
    /// It left without trying to log in.
    NoAuth,
    /// It broke the protocol.
    Protocol,
    /// Its session panicked.
    Panic,
}

/// Resolves secrets at use: what was replaced in the store counts from the next use on.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The secret of that name; never logged.
    async fn get(&self, name: &SecretName) -> Result<Secret>;

    /// The secret of that name in the store of a lookup, if it carries these tags. `name` was made
    /// of a partner's file name: it must not lead anywhere else. `NotFound` if there is none,
    /// `Refused` if it lacks a tag; which of both is told to operators only.
    async fn look_up(
        &self,
        store: &SecretStore,
        name: &str,
        require_tags: &BTreeMap<String, String>,
    ) -> Result<Secret>;
}

/// A secret; prints as `***`.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the one who uses it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
