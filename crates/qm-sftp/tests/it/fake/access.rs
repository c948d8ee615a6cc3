//! Who may come in, as the tests want it.

use async_trait::async_trait;
use parking_lot::Mutex;
use qm_core::account::SshPublicKey;
use qm_core::id::AccountName;
use qm_core::ports::access::{Admission, Authenticator, Gate, Offence, Principal};
use qm_core::{Error, Kind, Result};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Authenticator and gate.
#[derive(Default)]
pub(crate) struct Access {
    /// Who may log in with what.
    pub(crate) keys: Mutex<Vec<(String, SshPublicKey)>>,
    pub(crate) offences: Mutex<Vec<Offence>>,
    pub(crate) is_revoked: AtomicBool,
    pub(crate) is_shut: AtomicBool,
    pub(crate) has_too_many: AtomicBool,
    pub(crate) panics_on_offer: AtomicBool,
    /// Every login with a proven key fails so.
    pub(crate) fails_with: Mutex<Option<Kind>>,
    pub(crate) offers: AtomicUsize,
    pub(crate) authenticated: AtomicUsize,
    pub(crate) disconnected: AtomicUsize,
    pub(crate) admitted: Arc<AtomicUsize>,
    /// Rung after every change that a test may wait for.
    pub(crate) bell: Arc<Notify>,
}

impl Access {
    fn knows(&self, user: &str, key: &SshPublicKey) -> bool {
        self.keys
            .lock()
            .iter()
            .any(|(name, known)| name == user && known == key)
    }
}

#[async_trait]
impl Authenticator for Access {
    async fn is_known(&self, user: &str, _: IpAddr, key: &SshPublicKey) -> bool {
        self.offers.fetch_add(1, Ordering::SeqCst);
        let panics = self.panics_on_offer.load(Ordering::SeqCst);
        assert!(!panics, "as the test wants it");
        self.knows(user, key)
    }

    async fn authenticate(&self, user: &str, _: IpAddr, key: &SshPublicKey) -> Result<Principal> {
        if !self.knows(user, key) {
            return Err(Error::new(Kind::Unauthenticated, "unknown key"));
        }
        if let Some(kind) = *self.fails_with.lock() {
            return Err(Error::new(kind, "as the test wants it"));
        }
        self.authenticated.fetch_add(1, Ordering::SeqCst);
        Ok(Principal {
            account: AccountName::parse(user)?,
            key: key.clone(),
        })
    }

    fn is_current(&self, _: &Principal) -> bool {
        !self.is_revoked.load(Ordering::SeqCst)
    }

    async fn disconnected(&self, _: &Principal, _: IpAddr) {
        self.disconnected.fetch_add(1, Ordering::SeqCst);
        self.bell.notify_waiters();
    }
}

/// A place that is given back when dropped.
struct Place {
    admitted: Arc<AtomicUsize>,
    bell: Arc<Notify>,
    has_too_many: bool,
}

impl Admission for Place {
    fn authenticated(&self, _: &AccountName) -> bool {
        !self.has_too_many
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admitted.fetch_sub(1, Ordering::SeqCst);
        self.bell.notify_waiters();
    }
}

impl Gate for Access {
    fn admit(&self, _: IpAddr) -> Option<Box<dyn Admission>> {
        if self.is_shut.load(Ordering::SeqCst) {
            return None;
        }
        self.admitted.fetch_add(1, Ordering::SeqCst);
        Some(Box::new(Place {
            admitted: Arc::clone(&self.admitted),
            bell: Arc::clone(&self.bell),
            has_too_many: self.has_too_many.load(Ordering::SeqCst),
        }))
    }

    fn penalise(&self, _: IpAddr, offence: Offence) {
        self.offences.lock().push(offence);
        self.bell.notify_waiters();
    }
}
