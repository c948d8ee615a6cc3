//! Notifier `email`: mail over SMTP.
//!
//! Each recipient gets the message in a conversation of its own, so that one address the server
//! refuses keeps nobody else from being told. The Message-ID is the same at every attempt: a
//! message sent twice shows once in most mail programs.

mod accepted;
mod message;

use async_trait::async_trait;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use qm_core::alert::Notification;
use qm_core::config::{Email, SmtpSecurity};
use qm_core::ports::access::Secrets;
use qm_core::ports::clock::Clock;
use qm_core::ports::connector::NotifierPort;
use qm_core::{Error, Kind, Result, Retry};
use std::sync::Arc;
use std::time::Duration;

use accepted::Accepted;

/// Long enough for a relay that delays its greeting against spam, short enough that a dead one
/// does not hold up the messages of others.
const CONVERSATION_LIMIT: Duration = Duration::from_secs(30);

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// Sends mail to the addresses of one configured notifier.
pub struct EmailNotifier {
    config: Email,
    from: Mailbox,
    to: Vec<Mailbox>,
    node_salt: String,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    accepted: Accepted,
}

impl EmailNotifier {
    /// Fails on addresses that are none. `node_salt` tells the Message-IDs of this ledger from
    /// those of any other; it must stay the same over restarts.
    pub fn new(
        config: &Email,
        node_salt: &str,
        secrets: Arc<dyn Secrets>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let to = config
            .to
            .iter()
            .map(|address| message::parse_address(address))
            .collect::<Result<Vec<_>>>()?;
        if to.is_empty() {
            return Err(Error::new(Kind::Invalid, "the notifier has no recipient")
                .help("name at least one address in `to`"));
        }
        Ok(Self {
            from: message::parse_address(&config.from)?,
            to,
            config: config.clone(),
            node_salt: message::salt(node_salt),
            secrets,
            clock,
            accepted: Accepted::default(),
        })
    }

    /// Secrets and certificates are read at use: both may change while the node runs.
    async fn transport(&self) -> Result<Transport> {
        let password = match &self.config.login {
            Some(login) => Some(self.secrets.get(&login.password).await?),
            None => None,
        };
        let config = self.config.clone();
        qm_threads::run(move || {
            let mut builder = Transport::builder_dangerous(config.host.as_str())
                .port(config.port)
                .timeout(Some(CONVERSATION_LIMIT))
                .tls(tls(&config)?);
            if let (Some(login), Some(password)) = (&config.login, password) {
                builder = builder.credentials(Credentials::new(
                    login.user.clone(),
                    password.reveal().to_owned(),
                ));
            }
            Ok(builder.build())
        })
        .await
    }

    /// One conversation. `Err` with true if the server did not even answer: the next recipient
    /// would not fare better.
    async fn tell(
        &self,
        transport: &Transport,
        recipient: &Mailbox,
        bytes: &[u8],
    ) -> Result<(), (Error, bool)> {
        let envelope = message::envelope(&self.from, recipient).map_err(|e| (e, false))?;
        let sent = transport.send_raw(&envelope, bytes);
        match tokio::time::timeout(CONVERSATION_LIMIT, sent).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(cause)) => {
                let is_silent = cause.status().is_none();
                Err((self.fault(cause, recipient), is_silent))
            }
            Err(_) => Err((
                Error::new(Kind::Timeout, "the mail server took too long")
                    .during("sending mail")
                    .with("server", self.server()),
                true,
            )),
        }
    }

    /// Only a permanent refusal (5xx) is final; a server that is down, full or misconfigured may
    /// be mended.
    fn fault(&self, cause: lettre::transport::smtp::Error, recipient: &Mailbox) -> Error {
        let (kind, message, retry) = if cause.is_permanent() {
            (Kind::Refused, "the mail server refused", Retry::Never)
        } else if cause.is_timeout() {
            (Kind::Timeout, "the mail server took too long", Retry::Later)
        } else {
            (
                Kind::Unavailable,
                "the mail could not be handed to the mail server",
                Retry::Later,
            )
        };
        Error::new(kind, message)
            .during("sending mail")
            .with("server", self.server())
            .with("recipient", &recipient.email)
            .retry(retry)
            .source(cause)
    }

    fn server(&self) -> String {
        format!("{}:{}", self.config.host, self.config.port)
    }
}

#[async_trait]
impl NotifierPort for EmailNotifier {
    async fn send(&self, notification: &Notification) -> Result<()> {
        let message = message::compose(
            notification,
            &self.from,
            &self.to,
            &self.node_salt,
            self.clock.now(),
        )?;
        let bytes = message.formatted();
        let transport = self.transport().await?;
        let mut failures: Vec<Error> = Vec::new();
        for (index, recipient) in self.to.iter().enumerate() {
            if self.accepted.contains(notification.id, index) {
                continue;
            }
            match self.tell(&transport, recipient, &bytes).await {
                Ok(()) => self.accepted.insert(notification.id, index),
                Err((error, is_silent)) => {
                    failures.push(error);
                    if is_silent {
                        break;
                    }
                }
            }
        }
        // What may still succeed decides whether there is a next attempt.
        let is_final = |error: &Error| error.retry_verdict() == Retry::Never;
        let position = failures.iter().position(|e| !is_final(e)).unwrap_or(0);
        if failures.is_empty() {
            self.accepted.forget(notification.id);
            return Ok(());
        }
        Err(failures.swap_remove(position))
    }
}

fn tls(config: &Email) -> Result<Tls> {
    let fail = |cause: lettre::transport::smtp::Error| {
        Error::new(Kind::Unavailable, "TLS to the mail server cannot be set up")
            .during("setting up TLS")
            .with("server", format!("{}:{}", config.host, config.port))
            .source(cause)
    };
    let parameters = || {
        let mut builder = TlsParameters::builder(config.host.clone());
        if let Some(file) = &config.ca_file {
            let pem = std::fs::read(file).map_err(|cause| {
                Error::io("reading the certificate authorities", cause)
                    .with("ca_file", file.display())
                    .retry(Retry::Later)
            })?;
            builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(fail)?);
        }
        builder.build().map_err(fail)
    };
    match config.security {
        SmtpSecurity::Plain => Ok(Tls::None),
        SmtpSecurity::StartTls => parameters().map(Tls::Required),
        SmtpSecurity::Tls => parameters().map(Tls::Wrapper),
    }
}
