//! The SSH session: whom we believe, as whom we log in, and what may be negotiated.

use parking_lot::Mutex;
use qm_core::ports::access::Secret;
use qm_core::{Error, Kind, Result, Retry};
use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse, Prompt};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

use super::faults::Mended as _;
use super::host_key_check::HostKeyCheck;
use super::host_keys::Pins;
use super::private_key::UserKey;

const CLIENT_ID: &str = "SSH-2.0-Quaymaster";
/// Replies to requests are all that we receive.
const WINDOW_BYTES: u32 = 1024 * 1024;
const CHANNEL_PACKET_BYTES: u32 = 32 * 1024;
/// More than our requests under way, so that a reply never holds the connection up.
const CHANNEL_QUEUE_PACKETS: usize = 256;
/// Finds a dead line while a server reckons a digest or a pace is kept.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// Questions of a server that wants its password interactively: two rounds are common.
const ROUNDS_MAX: usize = 5;
/// Questions of one round: a password and what comes with it, not what makes us repeat it.
const QUESTIONS_MAX: usize = 8;

/// Strict key exchange stays on; finite-field groups are for old servers, nothing is for SHA-1.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_GEX_SHA256,
    kex::DH_G16_SHA512,
    kex::DH_G14_SHA256,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

const KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha256),
    },
];

const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

const MACS: &[mac::Name] = &[
    mac::HMAC_SHA512_ETM,
    mac::HMAC_SHA256_ETM,
    mac::HMAC_SHA512,
    mac::HMAC_SHA256,
];

/// As whom, and whom we believe.
pub(super) struct Login {
    pub(super) user: String,
    pub(super) key: Option<UserKey>,
    pub(super) password: Option<Secret>,
    pub(super) pins: Arc<Pins>,
}

/// A key exchange that was completed with a server whom we believe.
pub(super) struct Greeted {
    pub(super) handle: Handle<HostKeyCheck>,
    /// `ssh-ed25519 SHA256:…`.
    pub(super) host_key: String,
}

impl Login {
    /// Exchanges keys with the server, which must show one that is pinned.
    pub(super) async fn greet(&self, stream: TcpStream, limit: Duration) -> Result<Greeted> {
        let seen = Arc::new(Mutex::new(None));
        let check = HostKeyCheck::new(Arc::clone(&self.pins), Arc::clone(&seen));
        let greeting = client::connect_stream(Arc::new(self.ssh_config()), stream, check);
        let greeted = tokio::time::timeout(limit, greeting).await.map_err(|_| {
            Error::new(Kind::Timeout, "the server does not begin an SSH session")
                .during("exchanging keys")
        })?;
        let host_key = seen.lock().take();
        match (greeted, host_key) {
            (Ok(handle), Some(host_key)) => Ok(Greeted { handle, host_key }),
            (Err(russh::Error::UnknownKey), Some(host_key)) => Err(unknown_key(&host_key)),
            (Err(cause), _) => Err(Error::new(
                Kind::Unavailable,
                "no SSH session could be begun with the server",
            )
            .during("exchanging keys")
            .source(cause)),
            (Ok(_), None) => Err(Error::new(Kind::Bug, "a server was believed unseen")),
        }
    }

    /// Logs in, and says how.
    pub(super) async fn prove(
        &self,
        session: &mut Handle<HostKeyCheck>,
        limit: Duration,
    ) -> Result<&'static str> {
        tokio::time::timeout(limit, self.try_each(session))
            .await
            .unwrap_or_else(|_| Err(Error::new(Kind::Timeout, "the login takes too long")))
            .map_err(|error| {
                error
                    .during("logging in")
                    .with("user", self.user.escape_debug())
            })
    }

    async fn try_each(&self, session: &mut Handle<HostKeyCheck>) -> Result<&'static str> {
        let mut tried = Vec::new();
        let mut open = None;
        if let Some(key) = &self.key {
            match key.authenticate(session, &self.user).await.map_err(lost)? {
                AuthResult::Success => return Ok("by key"),
                AuthResult::Failure {
                    remaining_methods, ..
                } => open = Some(remaining_methods),
            }
            tried.push("the key");
        }
        let accepts = |open: &Option<MethodSet>, method| {
            open.as_ref()
                .is_none_or(|methods| methods.contains(&method))
        };
        if let Some(password) = &self.password {
            tried.push("the password");
            if accepts(&open, MethodKind::Password) {
                let answer = session
                    .authenticate_password(&self.user, password.reveal())
                    .await
                    .map_err(lost)?;
                match answer {
                    AuthResult::Success => return Ok("by password"),
                    AuthResult::Failure {
                        remaining_methods, ..
                    } => open = Some(remaining_methods),
                }
            }
            if accepts(&open, MethodKind::KeyboardInteractive)
                && self.answer_questions(session, password).await?
            {
                return Ok("by password, asked for interactively");
            }
        }
        if session.is_closed() {
            return Err(lost(russh::Error::Disconnect));
        }
        let tried = match &tried[..] {
            [] => "nothing: neither a key nor a password is given".to_owned(),
            some => some.join(" and "),
        };
        let methods: Vec<&str> = open.iter().flat_map(|m| m.iter()).map(Into::into).collect();
        Err(Error::new(
            Kind::Unauthenticated,
            format!("the server refuses the login with {tried}"),
        )
        .with("server_accepts", methods.join(",").escape_debug())
        .mended_by("have the partner enter the public key, or correct the secret, and redrive"))
    }

    /// A password that the server asks for as a question; true if it was taken.
    async fn answer_questions(
        &self,
        session: &mut Handle<HostKeyCheck>,
        password: &Secret,
    ) -> Result<bool> {
        let mut answer = session
            .authenticate_keyboard_interactive_start(&self.user, None::<String>)
            .await
            .map_err(lost)?;
        for _ in 0..ROUNDS_MAX {
            let prompts = match answer {
                KeyboardInteractiveAuthResponse::Success => return Ok(true),
                KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
                KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts,
            };
            check_questions(&prompts)?;
            // A password is typed without echo; whatever else is asked, we do not know.
            let answers = prompts.iter().map(|prompt| {
                if prompt.echo {
                    String::new()
                } else {
                    password.reveal().to_owned()
                }
            });
            answer = session
                .authenticate_keyboard_interactive_respond(answers.collect())
                .await
                .map_err(lost)?;
        }
        Ok(false)
    }

    fn ssh_config(&self) -> client::Config {
        client::Config {
            client_id: SshId::Standard(Cow::Borrowed(CLIENT_ID)),
            window_size: WINDOW_BYTES,
            maximum_packet_size: CHANNEL_PACKET_BYTES,
            channel_buffer_size: CHANNEL_QUEUE_PACKETS,
            preferred: Preferred {
                kex: Cow::Borrowed(KEX),
                key: Cow::Owned(self.pins.preferred(KEYS)),
                host_key_certificates: Cow::Borrowed(&[]),
                cipher: Cow::Borrowed(CIPHERS),
                mac: Cow::Borrowed(MACS),
                compression: Cow::Borrowed(&[compression::NONE]),
            },
            keepalive_interval: Some(KEEPALIVE_INTERVAL),
            ..client::Config::default()
        }
    }
}

/// A server gets the password once a round: two secrets are not one.
fn check_questions(prompts: &[Prompt]) -> Result<()> {
    let secrets = prompts.iter().filter(|prompt| !prompt.echo).count();
    if prompts.len() <= QUESTIONS_MAX && secrets <= 1 {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unauthenticated,
        "the server asks for more than a password",
    )
    .with("questions", prompts.len())
    .with("secrets", secrets)
    .mended_by("have the partner allow the login by key or by password alone, and redrive"))
}

fn unknown_key(seen: &str) -> Error {
    Error::new(
        Kind::Refused,
        format!("the server shows a host key that is not pinned: {seen}"),
    )
    .during("exchanging keys")
    .mended_by(
        "ask the partner whether this is their key; only then add it to `host_keys`, and take the \
         old one out when it is not shown any more",
    )
}

fn lost(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Kind::Unavailable, "the server broke off during the login")
        .retry(Retry::Later)
        .source(cause)
}
