//! What russh asks: who may log in, what may be opened. Everything that is not SFTP is refused.

use qm_core::Kind;
use qm_core::account::SshPublicKey;
use qm_core::ports::access::{Admission, Principal};
use qm_core::ports::mailbox::Mailbox;
use russh::keys::{Algorithm, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{ChannelId, ChannelOpenFailure, Pty};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::oneshot;

use super::connection::Front;
use super::login::{Login, is_our_fault};
use super::panic_watch::PanicWatch;
use crate::life::Life;
use crate::limits::{CHANNELS_EVER_MAX, KEY_OFFERS_MAX};
use crate::session::{Channel, Outcome};
use crate::workers::Worker;

/// The only subsystem there is.
const SUBSYSTEM: &str = "sftp";

type Start = oneshot::Sender<(Arc<dyn Mailbox>, qm_core::id::AccountName)>;

/// One connection, as russh calls it.
pub(super) struct Handler {
    front: Arc<Front>,
    source: IpAddr,
    admission: Arc<dyn Admission>,
    login: Arc<Login>,
    life: Arc<Life>,
    worker: Worker,
    key_offers: u32,
    channels_ever: usize,
    /// Channels that did not ask for the subsystem yet.
    waiting: HashMap<ChannelId, Start>,
    mailbox: Option<Arc<dyn Mailbox>>,
    panic_watch: PanicWatch,
}

impl Handler {
    pub(super) fn new(
        front: Arc<Front>,
        source: IpAddr,
        admission: Arc<dyn Admission>,
        login: Arc<Login>,
        life: Arc<Life>,
        worker: Worker,
        panic_watch: PanicWatch,
    ) -> Self {
        Self {
            front,
            source,
            admission,
            login,
            life,
            worker,
            key_offers: 0,
            channels_ever: 0,
            waiting: HashMap::new(),
            mailbox: None,
            panic_watch,
        }
    }

    /// The proven key's account, if it may come in.
    async fn authenticate(&self, user: &str, key: &SshPublicKey) -> Option<Principal> {
        let front = &self.front;
        let principal = match front
            .authenticator
            .authenticate(user, self.source, key)
            .await
        {
            Ok(principal) => principal,
            Err(error) => {
                self.login.refused(error.kind());
                if is_our_fault(error.kind()) {
                    tracing::warn!(source = %self.source, ?user, ?error, "login not possible");
                } else {
                    tracing::debug!(source = %self.source, ?user, ?error, "login refused");
                }
                return None;
            }
        };
        if self.admission.authenticated(&principal.account) {
            return Some(principal);
        }
        self.login.refused(Kind::Limit);
        tracing::warn!(
            source = %self.source,
            account = %principal.account,
            "login refused: the account has too many connections"
        );
        front
            .authenticator
            .disconnected(&principal, self.source)
            .await;
        None
    }

    /// The mailbox of who is logged in; one for all channels.
    async fn mailbox(&mut self, principal: &Principal) -> Option<Arc<dyn Mailbox>> {
        if self.mailbox.is_none() {
            match self.front.mailboxes.open(principal, self.source).await {
                Ok(mailbox) => self.mailbox = Some(mailbox),
                Err(error) => tracing::warn!(
                    source = %self.source,
                    account = %principal.account,
                    ?error,
                    "the mailbox cannot be opened"
                ),
            }
        }
        self.mailbox.clone()
    }

    fn start_channel(&mut self, channel: russh::Channel<Msg>) -> bool {
        if self.channels_ever >= CHANNELS_EVER_MAX {
            return false;
        }
        let Some(place) = self.life.channel() else {
            return false;
        };
        self.channels_ever += 1;
        let (start, started) = oneshot::channel();
        self.waiting.insert(channel.id(), start);
        let served = Channel {
            start: started,
            life: Arc::clone(&self.life),
            clock: Arc::clone(&self.front.clock),
            worker: self.worker.clone(),
        };
        let worker = self.worker.clone();
        let source = self.source;
        let life = Arc::clone(&self.life);
        let panic_watch = self.panic_watch.clone();
        tokio::spawn(async move {
            let outcome = served.run(channel).await;
            if let Outcome::Broken(what) = outcome {
                // Only its own connection pays: an office shares one address.
                tracing::warn!(%source, what, "a client broke the SFTP protocol");
                life.stop();
            } else {
                tracing::debug!(%source, ?outcome, "channel ended");
            }
            drop((place, panic_watch, worker));
        });
        true
    }
}

/// `None` for keys that are refused whoever owns them: DSA, RSA of absurd or insecure sizes.
fn acceptable_key(key: &PublicKey) -> Option<SshPublicKey> {
    let line = key.to_openssh().ok()?;
    SshPublicKey::parse(&line).ok()
}

/// RSA with SHA-1 is forgeable.
fn is_acceptable_algorithm(algorithm: &Algorithm) -> bool {
    *algorithm != Algorithm::Rsa { hash: None }
}

impl russh::server::Handler for Handler {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        self.login.tried();
        self.key_offers += 1;
        if self.key_offers > KEY_OFFERS_MAX {
            return Err(russh::Error::Disconnect);
        }
        let Some(key) = acceptable_key(offer.public_key) else {
            return Ok(Auth::reject());
        };
        let is_known = self
            .front
            .authenticator
            .is_known(user, self.source, &key)
            .await;
        Ok(if is_known && is_acceptable_algorithm(offer.algorithm) {
            Auth::Accept
        } else {
            Auth::reject()
        })
    }

    /// The only place where somebody becomes somebody: russh has verified the signature (INV-2).
    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        if !is_acceptable_algorithm(key.algorithm) {
            return Ok(Auth::reject());
        }
        let Some(key) = acceptable_key(key.public_key) else {
            return Ok(Auth::reject());
        };
        self.login.proven();
        let Some(principal) = self.authenticate(user, &key).await else {
            return Ok(Auth::reject());
        };
        tracing::info!(source = %self.source, account = %principal.account, "connected");
        self.login.succeed(principal);
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: russh::Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.start_channel(channel) {
            reply.accept().await;
        } else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
        }
        Ok(())
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.waiting.remove(&channel);
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(principal) = self.login.principal() else {
            return session.channel_failure(channel);
        };
        if name != SUBSYSTEM || !self.waiting.contains_key(&channel) {
            tracing::debug!(account = %principal.account, ?name, "subsystem refused");
            return session.channel_failure(channel);
        }
        let Some(mailbox) = self.mailbox(&principal).await else {
            return session.channel_failure(channel);
        };
        session.channel_success(channel)?;
        if let Some(start) = self.waiting.remove(&channel) {
            // A channel that ended meanwhile needs no start.
            let _ = start.send((mailbox, principal.account));
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single_connection: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        tracing::debug!(source = %self.source, command = %command.escape_ascii(), "exec refused");
        session.channel_failure(channel)
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}
