//! A session with the server: reached, believed, logged in, and greeted in SFTP.

use qm_core::{Error, Kind, Result};
use qm_sftp_wire::client::Client;
use russh::Disconnect;
use russh::client::Handle;
use std::net::Shutdown;
use std::time::Duration;
use tokio::net::TcpStream;

use super::host_key_check::HostKeyCheck;
use super::login::Login;
use super::reach::Reach;

/// Time for a good-bye; nothing depends on it.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long is waited for the server.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection, the proxy's part included.
    pub connect: Duration,
    /// For the key exchange, and again for the login and the beginning of SFTP.
    pub login: Duration,
    /// For the next sign of progress.
    pub request: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            login: Duration::from_secs(30),
            request: Duration::from_mins(1),
        }
    }
}

/// All that is needed to open sessions.
pub(super) struct Dialer {
    pub(super) reach: Reach,
    pub(super) login: Login,
    pub(super) patience: Patience,
}

/// An open session.
pub(super) struct Session {
    pub(super) client: Client,
    handle: Handle<HostKeyCheck>,
    _line: Line,
}

/// The connection below SSH. When a session is given up, whoever waits on it ends at once, also in the
/// middle of a packet that the server does not take.
pub(super) struct Line(std::net::TcpStream);

impl Drop for Line {
    fn drop(&mut self) {
        // It is gone already, or it is now.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Line {
    pub(super) fn of(stream: TcpStream) -> Result<(TcpStream, Self)> {
        let doubled = || {
            let stream = stream.into_std()?;
            let line = Self(stream.try_clone()?);
            Ok((TcpStream::from_std(stream)?, line))
        };
        doubled().map_err(|cause: std::io::Error| {
            Error::new(Kind::Unavailable, "the connection was lost").source(cause)
        })
    }
}

impl Dialer {
    pub(super) async fn open(&self) -> Result<Session> {
        let (stream, _) = self.reach.connect(self.patience.connect).await?;
        let (stream, line) = Line::of(stream)?;
        let mut greeted = self.login.greet(stream, self.patience.login).await?;
        self.login
            .prove(&mut greeted.handle, self.patience.login)
            .await?;
        self.begin_sftp(greeted.handle, line).await
    }

    pub(super) async fn begin_sftp(
        &self,
        handle: Handle<HostKeyCheck>,
        line: Line,
    ) -> Result<Session> {
        let beginning = async {
            let channel = handle.channel_open_session().await?;
            channel.request_subsystem(true, "sftp").await?;
            Ok(channel.into_stream())
        };
        let begun = tokio::time::timeout(self.patience.login, beginning).await;
        let refused = |sentence| Error::new(Kind::Unavailable, sentence).during("beginning SFTP");
        let stream = begun
            .map_err(|_| Error::new(Kind::Timeout, "the server does not begin SFTP"))?
            .map_err(|cause: russh::Error| {
                refused("the server does not offer SFTP to this login").source(cause)
            })?;
        let client = Client::open_with_patience(stream, self.patience.request)
            .await
            .map_err(|cause| refused("the server's SFTP does not answer").source(cause))?;
        Ok(Session {
            client,
            handle,
            _line: line,
        })
    }
}

impl Session {
    /// True if the connection is known to be gone.
    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Ends it politely.
    pub(super) async fn farewell(self) {
        let good_bye = self.handle.disconnect(Disconnect::ByApplication, "", "");
        let _ = tokio::time::timeout(FAREWELL, good_bye).await;
    }
}
