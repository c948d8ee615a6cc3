//! Destination `sftp`: a partner's SFTP server.
//!
//! The bytes go to a temp file beside the target, are verified by size (and by digest where the server
//! reckons one), and take the final name in one step where the server offers it. A temp file that an
//! earlier attempt of the same delivery left is continued. Nobody but the server knows what became of a
//! rename whose answer was lost: that is [`Outcome::Unclear`], and the effect at least once.
//!
//! No server is believed whose host key is not pinned; nothing the server sends makes us hold more than
//! a bound, and no step waits for it without end.

mod evidence;
mod faults;
mod host_key_check;
mod host_keys;
mod login;
mod names;
mod pool;
mod private_key;
mod probe;
mod publish;
mod reach;
mod remove;
mod session;
mod trial;
mod upload;

use async_trait::async_trait;
use qm_core::config::Sftp;
use qm_core::delivery::{Delivery, Outcome};
use qm_core::ports::access::Secret;
use qm_core::ports::bucket::Content;
use qm_core::ports::connector::{Connector, Fence, Finding, Shipment};
use qm_core::template::Template;
use qm_core::{Kind, Result, Retry};
use qm_sftp_wire::Status;
use qm_sftp_wire::client::{Client, call, refusal};
use std::sync::Arc;

pub use session::Patience;

use host_keys::Pins;
use login::Login;
use names::Names;
use pool::Pool;
use private_key::UserKey;
use publish::KnownWay;
use reach::Reach;
use session::{Dialer, Session};
use upload::{Begun, Parcel};

/// Delivers to an SFTP server.
pub struct SftpConnector {
    dialer: Dialer,
    folder: Template,
    create_folders: bool,
    pool: Arc<Pool>,
    known_way: KnownWay,
}

impl SftpConnector {
    /// For one destination, its secrets found; a secret that was replaced makes a new connector. At most
    /// `concurrency` sessions rest between deliveries. Nothing is reached yet. An error says that the
    /// private key or a host key cannot be read.
    pub fn new(config: Sftp<Secret>, concurrency: u32) -> Result<Self> {
        let key = config
            .private_key
            .as_ref()
            .map(|key| UserKey::parse(key, config.passphrase.as_ref()))
            .transpose()?;
        Ok(Self {
            dialer: Dialer {
                login: Login {
                    user: config.user,
                    key,
                    password: config.password,
                    pins: Arc::new(Pins::parse(&config.host_keys)?),
                },
                reach: Reach {
                    host: config.host,
                    port: config.port,
                    proxy: config.proxy,
                    source: config.source_address,
                },
                patience: Patience::default(),
            },
            folder: config.folder,
            create_folders: config.create_folders,
            pool: Pool::new(concurrency),
            known_way: KnownWay::default(),
        })
    }

    /// With other deadlines.
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.dialer.patience = patience;
        self
    }

    async fn attempt(
        &self,
        names: &Names,
        shipment: &Shipment<'_>,
        content: &dyn Content,
        fence: &dyn Fence,
    ) -> Outcome {
        let parcel = Parcel {
            version: &shipment.delivery.version,
            content,
            pace: shipment.pace,
            patience: self.dialer.patience.request,
        };
        let (mut session, begun) = match self.begin(names).await {
            Ok(begun) => begun,
            Err(error) => return Outcome::Failed(error),
        };
        let client = &mut session.client;
        let outcome = match self.carry_out(client, names, begun, &parcel, fence).await {
            Ok(note) => Outcome::Delivered(note),
            Err(outcome) => outcome,
        };
        self.rest(session);
        outcome
    }

    /// A session in which the temp file is open: one that rested if it still lives, else a new one.
    async fn begin(&self, names: &Names) -> Result<(Session, Begun)> {
        loop {
            let (mut session, is_new) = match self.pool.take() {
                Some(session) => (session, false),
                None => (self.dialer.open().await?, true),
            };
            let begun = upload::begin(&mut session.client, names, self.create_folders).await;
            match begun {
                Ok(begun) => return Ok((session, begun)),
                // What rested may be gone without a word.
                Err(error) if !is_new && !session.client.is_quiet() => drop(error),
                Err(error) if !is_new && session.is_closed() => drop(error),
                Err(error) => {
                    self.rest(session);
                    return Err(error);
                }
            }
        }
    }

    async fn carry_out(
        &self,
        client: &mut Client,
        names: &Names,
        begun: Begun,
        parcel: &Parcel<'_>,
        fence: &dyn Fence,
    ) -> Result<String, Outcome> {
        let verified = upload::fill(client, names, begun, parcel)
            .await
            .map_err(Outcome::Failed)?;
        if let Err(error) = fence.check().await {
            // Whatever goes under the name later, this does not.
            if error.retry_verdict() == Retry::Never {
                let _ = client.call(call::remove(&names.temp)).await;
            }
            return Err(Outcome::Failed(error));
        }
        let (way, looked) = publish::publish(client, names, &self.known_way).await?;
        let size_bytes = parcel.version.size_bytes;
        let shown = publish::look_again(client, names, looked, size_bytes)
            .await
            .map_err(Outcome::Unclear)?;
        let resumed = match verified.resumed_at_bytes {
            0 => String::new(),
            bytes => format!(", continued at {bytes}"),
        };
        Ok(format!(
            "{size_bytes} bytes with SHA-256 {}{resumed}; verified by {}; named by {}; {shown}",
            parcel.version.sha256,
            verified.by,
            way.words(),
        ))
    }

    async fn take_away(
        &self,
        shipment: &Shipment<'_>,
        copies: &[Delivery],
        fence: &dyn Fence,
    ) -> Result<String> {
        let names = Names::of(&self.folder, shipment)?;
        let mut session = self.dialer.open().await?;
        let removed = remove::remove(&mut session.client, &names, copies, fence).await;
        self.rest(session);
        removed
    }

    /// Keeps a session for the next delivery unless something is under way in it.
    fn rest(&self, session: Session) {
        if session.client.is_quiet() && !session.is_closed() {
            self.pool.give(session);
        }
    }
}

#[async_trait]
impl Connector for SftpConnector {
    async fn deliver(
        &self,
        shipment: &Shipment<'_>,
        content: &dyn Content,
        fence: &dyn Fence,
    ) -> Outcome {
        match Names::of(&self.folder, shipment) {
            Ok(names) => self.attempt(&names, shipment, content, fence).await,
            Err(error) => Outcome::Failed(error),
        }
    }

    async fn remove(
        &self,
        shipment: &Shipment<'_>,
        copies: &[Delivery],
        fence: &dyn Fence,
    ) -> Outcome {
        match self.take_away(shipment, copies, fence).await {
            Ok(note) => Outcome::Delivered(note),
            Err(error) => Outcome::Failed(error),
        }
    }

    /// Size, the time that every attempt sets, and the bytes as far as `evidence.rs` goes; the temp name
    /// must be gone. An older file of the same size is not taken for this one.
    async fn is_delivered(&self, shipment: &Shipment<'_>) -> Result<bool> {
        let names = Names::of(&self.folder, shipment)?;
        let version = &shipment.delivery.version;
        let mut session = self.dialer.open().await?;
        let client = &mut session.client;
        let target = client.queue(call::stat(&names.target));
        let temp = client.queue(call::stat(&names.temp));
        let target = client.answer(target).await;
        let temp = client.answer(temp).await;
        let failed = |error| faults::fault("looking for what was delivered", &names.target, error);
        let is_there = match (target, temp) {
            (Ok(entry), Err(error)) if refusal(&error) == Some(Status::NoSuchFile) => {
                entry.size_bytes == version.size_bytes
                    && entry.modified.as_second() == i64::from(upload::modified_seconds(version))
            }
            (Ok(_), Ok(_)) => false,
            (Err(error), _) if error.kind() == Kind::NotFound => false,
            (Err(error), _) | (_, Err(error)) => return Err(failed(error)),
        };
        let is_same = is_there
            && evidence::is_same(client, &names.target, version)
                .await
                .map_err(failed)?;
        self.rest(session);
        Ok(is_same)
    }

    /// The partner may have taken the file away.
    fn proves_absence(&self) -> bool {
        false
    }

    async fn test(&self) -> Vec<Finding> {
        probe::probe(self).await
    }
}
