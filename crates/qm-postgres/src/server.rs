//! What a connection string says.

use qm_core::ports::access::Secret;
use qm_core::{Error, Kind, Result};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio_postgres::{Client, Config, Socket};

use crate::tls::{self, Session, Tls};

/// The line of a session: whoever polls it carries it.
pub type Line = tokio_postgres::Connection<Socket, Session>;

/// Lines that are dead are noticed after about this time, where the system can tell.
const LINE_SILENT_MAX: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A server, as whom and how.
#[derive(Clone)]
pub struct Server {
    config: Config,
    tls: Tls,
}

impl Server {
    /// `postgres://user:password@host/database` or `host=… user=…`. TLS with a certificate that the
    /// machine trusts, unless it says `sslmode=disable` or names nothing but this machine. `whose`
    /// says in an error whose connection string it is: "the ledger".
    pub fn new(connection: &Secret, whose: &str) -> Result<Self> {
        // Whoever asks for more than `require` gets it anyway: what is encrypted is verified.
        let text = connection
            .reveal()
            .replace("sslmode=verify-full", "sslmode=require")
            .replace("sslmode=verify-ca", "sslmode=require");
        // The parser's own words may hold a piece of the secret.
        let mut config: Config = text.parse().map_err(|_| {
            Error::new(
                Kind::Invalid,
                format!("the connection string of {whose} is not one of PostgreSQL"),
            )
            .help("write postgres://USER:PASSWORD@HOST:5432/DATABASE")
        })?;
        let mode = tls::mode(&config);
        config
            .ssl_mode(mode)
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(LINE_SILENT_MAX / 3)
            .keepalives_interval(LINE_SILENT_MAX / 3)
            .keepalives_retries(2)
            .tcp_user_timeout(LINE_SILENT_MAX);
        Ok(Self {
            config,
            tls: Tls::new(mode)?,
        })
    }

    /// What the server knows its sessions by.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.config.application_name(name);
        self
    }

    /// A session, and its line for the caller to carry.
    pub async fn open(&self) -> Result<(Client, Line), tokio_postgres::Error> {
        self.config.connect(self.tls.clone()).await
    }

    /// A session, and the task that carries its line: aborted, the line is cut.
    pub async fn connect(&self) -> Result<(Client, AbortHandle), tokio_postgres::Error> {
        let (client, line) = self.open().await?;
        // How the line ends is told to whoever waits for an answer.
        let driver = tokio::spawn(async move { drop(line.await) }).abort_handle();
        Ok((client, driver))
    }
}
