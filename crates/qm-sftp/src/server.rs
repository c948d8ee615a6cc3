//! The listener: admission, the accept loop, the end.

use qm_core::ports::access::{Authenticator, Gate};
use qm_core::ports::clock::Clock;
use qm_core::ports::mailbox::Mailboxes;
use qm_core::{Error, Kind, Result};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::HostKey;
use crate::life::Life;
use crate::limits::{ACCEPT_PAUSE, LOGIN_DEADLINE, SHUTDOWN_DEADLINE};
use crate::transport::{self, Front};
use crate::workers::{Worker, Workers};

/// How the front listens.
#[derive(Clone, Debug)]
pub struct SftpConfig {
    /// Where; port 0 takes a free one.
    pub address: SocketAddr,
    /// Most connections at a time, logged in or not; more are closed at once.
    pub connections_max: u32,
    /// From accept to login.
    pub login_deadline: Duration,
    /// A session that asks for nothing ends after this time.
    pub idle: Duration,
    /// What the server proves itself with; the client's preference chooses.
    pub host_keys: Vec<HostKey>,
}

/// The SFTP front and what is behind it.
pub struct Server {
    /// How it listens.
    pub config: SftpConfig,
    /// What accounts see.
    pub mailboxes: Arc<dyn Mailboxes>,
    /// Who may log in.
    pub authenticator: Arc<dyn Authenticator>,
    /// Who may connect.
    pub gate: Arc<dyn Gate>,
    /// For the times in listings.
    pub clock: Arc<dyn Clock>,
}

/// A front that has its address.
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
    connections: Arc<Semaphore>,
    front: Arc<Front>,
}

impl SftpConfig {
    /// The default of [`SftpConfig::login_deadline`].
    pub const LOGIN_DEADLINE: Duration = LOGIN_DEADLINE;
}

impl Server {
    /// Takes the address. Connections wait in the kernel until [`Listening::run`].
    pub async fn bind(self) -> Result<Listening> {
        let config = self.config;
        if config.host_keys.is_empty() {
            return Err(Error::new(Kind::Invalid, "the SFTP server has no host key"));
        }
        let failed = |source: io::Error| {
            Error::new(
                Kind::Unavailable,
                format!("cannot listen on {}", config.address),
            )
            .help("another program may use that address; `listen.sftp.address` names ours")
            .during("bind the SFTP listener")
            .source(source)
        };
        let listener = TcpListener::bind(config.address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Listening {
            listener,
            address,
            connections: Arc::new(Semaphore::new(config.connections_max as usize)),
            front: Arc::new(Front {
                ssh: Arc::new(transport::ssh_config(config.host_keys)),
                login_deadline: config.login_deadline,
                idle: config.idle,
                mailboxes: self.mailboxes,
                authenticator: self.authenticator,
                gate: self.gate,
                clock: self.clock,
            }),
        })
    }
}

impl Listening {
    /// Where it listens.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` completes; then no connection is accepted, every session is told
    /// and ended, and every open upload abandoned before this returns, within 20 s.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let sessions = Workers::new();
        let (stop, stopping) = watch::channel(false);
        let worker = sessions.worker();
        tokio::select! {
            () = self.accept(&worker, &stopping) => {}
            () = shutdown => {}
        }
        drop(worker);
        drop(self.listener);
        stop.send_replace(true);
        if tokio::time::timeout(SHUTDOWN_DEADLINE, sessions.finished())
            .await
            .is_err()
        {
            tracing::error!("sessions did not end in time; their uploads are recovered at start");
        }
    }

    async fn accept(&self, worker: &Worker, stopping: &watch::Receiver<bool>) {
        let mut crowd = Crowd::default();
        loop {
            let (socket, address) = next_connection(|| self.listener.accept()).await;
            self.admit(socket, address, worker, stopping, &mut crowd);
        }
    }

    /// Nothing is spent on a connection before it is admitted.
    fn admit(
        &self,
        socket: TcpStream,
        address: SocketAddr,
        worker: &Worker,
        stopping: &watch::Receiver<bool>,
        crowd: &mut Crowd,
    ) {
        let source = address.ip().to_canonical();
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            if crowd.refused() {
                tracing::warn!(%source, "connections are refused: there are too many");
            }
            return;
        };
        let Some(admission) = self.front.gate.admit(source) else {
            tracing::debug!(%source, "connection refused by the gate");
            return;
        };
        if let Some(refused) = crowd.accepted() {
            tracing::info!(refused, "connections are accepted again");
        }
        let front = Arc::clone(&self.front);
        let worker = worker.clone();
        let mut stopping = stopping.clone();
        let life = Arc::new(Life::new());
        tokio::spawn(async move {
            let stop_with_server = async {
                // An error means that the server is gone, which is the same.
                let _ = stopping.wait_for(|stop| *stop).await;
                life.stop();
                std::future::pending::<()>().await;
            };
            let life = Arc::clone(&life);
            tokio::select! {
                () = transport::serve(front, socket, source, admission, life, worker) => {}
                () = stop_with_server => {}
            }
            drop(permit);
        });
    }
}

/// Connections refused since the last one was accepted: a flood must not fill the log as well.
#[derive(Debug, Default)]
struct Crowd {
    refused: u64,
}

impl Crowd {
    /// One more; true if it is the first and to be told.
    fn refused(&mut self) -> bool {
        self.refused += 1;
        self.refused == 1
    }

    /// How many were refused before this one was accepted, if any.
    fn accepted(&mut self) -> Option<u64> {
        let refused = std::mem::take(&mut self.refused);
        (refused > 0).then_some(refused)
    }
}

/// The next connection, however often accepting fails before: a listener that gives up for want
/// of descriptors stays down when there are some again.
async fn next_connection<T, F>(accept: impl Fn() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    let mut is_short = false;
    loop {
        match accept().await {
            Ok(connection) => return connection,
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                // Said once, not ten times a second.
                if !is_short {
                    tracing::error!(?error, "cannot accept connections");
                }
                is_short = true;
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The connection that was to be accepted was gone already.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn a_crowd_is_told_once_until_somebody_gets_in() {
        let mut crowd = Crowd::default();
        assert_eq!(crowd.accepted(), None);
        let told: Vec<bool> = (0..3).map(|_| crowd.refused()).collect();
        assert_eq!(told, [true, false, false]);
        assert_eq!(crowd.accepted(), Some(3));
        assert_eq!(crowd.accepted(), None);
        assert!(crowd.refused());
    }

    #[tokio::test]
    async fn accepting_survives_every_error() {
        const EMFILE: i32 = 24;
        const ENOMEM: i32 = 12;
        let outcomes = RefCell::new(vec![
            Ok("a connection"),
            Err(io::Error::from_raw_os_error(ENOMEM)),
            Err(io::ErrorKind::ConnectionAborted.into()),
            Err(io::Error::from_raw_os_error(EMFILE)),
        ]);
        let accepted = next_connection(async || outcomes.borrow_mut().pop().unwrap()).await;
        assert_eq!(accepted, "a connection");
        assert!(outcomes.borrow().is_empty());
    }
}
