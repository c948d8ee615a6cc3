//! The life of a connection, watched from outside of russh: login deadline, idleness, revocation,
//! the end.

use parking_lot::Mutex;
use qm_core::ports::access::{Admission, Authenticator, Gate, Offence, Principal};
use qm_core::ports::clock::Clock;
use qm_core::ports::mailbox::Mailboxes;
use russh::Disconnect;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::fault::{Progress, is_incompatible, offence};
use super::handler::Handler;
use super::socket::{Shears, Socket};
use crate::life::{Life, PanicWatch};
use crate::limits::{CURRENT_CHECK_INTERVAL, FAREWELL};
use crate::workers::{Worker, Workers};

/// What all connections of a server share.
pub(crate) struct Front {
    pub(crate) ssh: Arc<russh::server::Config>,
    pub(crate) login_deadline: Duration,
    pub(crate) idle: Duration,
    pub(crate) mailboxes: Arc<dyn Mailboxes>,
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Who is logged in; written by the handler, read by the watch.
#[derive(Default)]
pub(super) struct Login {
    principal: Mutex<Option<Principal>>,
    has_tried: AtomicBool,
    succeeded: Notify,
}

impl Login {
    /// The peer offered something.
    pub(super) fn tried(&self) {
        self.has_tried.store(true, Ordering::Relaxed);
    }

    /// The peer is proven to be `principal`.
    pub(super) fn proven(&self, principal: Principal) {
        *self.principal.lock() = Some(principal);
        self.succeeded.notify_one();
    }

    /// Who is logged in.
    pub(super) fn principal(&self) -> Option<Principal> {
        self.principal.lock().clone()
    }

    fn progress(&self) -> Progress {
        if self.principal.lock().is_some() {
            Progress::LoggedIn
        } else if self.has_tried.load(Ordering::Relaxed) {
            Progress::Tried
        } else {
            Progress::Silent
        }
    }
}

/// Why a connection ends.
enum End {
    /// By itself.
    Own(Result<(), russh::Error>),
    /// Not logged in in time.
    LoginDeadline,
    /// Nothing was asked for too long.
    Idle,
    /// The account or its key was removed.
    Revoked,
    /// The server stops, or a part of the session panicked.
    Stopped,
}

/// Serves one connection to its end; returns when every upload of it is committed or abandoned.
/// `worker` is held until then.
pub(crate) async fn serve(
    front: Arc<Front>,
    socket: TcpStream,
    source: IpAddr,
    admission: Box<dyn Admission>,
    life: Arc<Life>,
    worker: Worker,
) {
    // Small replies must not wait for each other; a socket that is gone fails later anyway.
    let _ = socket.set_nodelay(true);
    let (socket, shears) = Socket::new(socket);
    let _panic_watch = PanicWatch::new(Arc::clone(&front.gate), source, Arc::clone(&life));
    let login = Arc::new(Login::default());
    let channels = Workers::new();
    let handler = Handler::new(
        Arc::clone(&front),
        source,
        Arc::from(admission),
        Arc::clone(&login),
        Arc::clone(&life),
        channels.worker(),
    );
    let end = run(&front, socket, &shears, handler, &login, &life).await;
    shears.cut();
    life.stop();
    channels.finished().await;
    conclude(&front, source, &login, &end).await;
    drop(worker);
}

async fn run(
    front: &Front,
    socket: Socket<TcpStream>,
    shears: &Shears,
    handler: Handler,
    login: &Login,
    life: &Life,
) -> End {
    let deadline = tokio::time::sleep_until(life.started() + front.login_deadline);
    tokio::pin!(deadline);
    let starting = russh::server::run_stream(Arc::clone(&front.ssh), socket, handler);
    let mut session = tokio::select! {
        started = starting => match started {
            Ok(session) => session,
            Err(error) => return End::Own(Err(error)),
        },
        () = &mut deadline => return End::LoginDeadline,
        () = life.stopped() => return End::Stopped,
    };
    let handle = session.handle();
    let mut is_logged_in = false;
    let mut ticks = tokio::time::interval(CURRENT_CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let end = loop {
        tokio::select! {
            biased;
            result = &mut session => return End::Own(result),
            () = life.stopped() => break End::Stopped,
            () = login.succeeded.notified() => {
                is_logged_in = true;
                life.touch();
            }
            () = &mut deadline, if !is_logged_in => break End::LoginDeadline,
            _ = ticks.tick(), if is_logged_in => {
                let is_current = login
                    .principal()
                    .is_some_and(|principal| front.authenticator.is_current(&principal));
                if !is_current {
                    break End::Revoked;
                }
                if life.idle() >= front.idle {
                    break End::Idle;
                }
            }
        }
    };
    life.stop();
    // Before login russh sends nothing that is queued, so nothing is said.
    if is_logged_in && let Some(farewell) = end.farewell() {
        let say = async {
            let said = handle
                .disconnect(
                    Disconnect::ByApplication,
                    farewell.to_owned(),
                    String::new(),
                )
                .await;
            if said.is_ok() {
                // However it ends now, it ends because we wanted it to.
                let _ = (&mut session).await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, say).await;
    }
    shears.cut();
    end
}

impl End {
    /// What the peer's user reads.
    fn farewell(&self) -> Option<&'static str> {
        match self {
            Self::Own(_) | Self::LoginDeadline => None,
            Self::Idle => Some("disconnected because nothing was done for a long time"),
            Self::Revoked => Some("this account or key was removed"),
            Self::Stopped => Some("the server ended this session; please connect again"),
        }
    }
}

async fn conclude(front: &Front, source: IpAddr, login: &Login, end: &End) {
    let progress = login.progress();
    let offence = match end {
        End::Own(result) => {
            if is_incompatible(result) {
                tracing::info!(%source, ?result, "a client speaks no algorithm of ours");
            }
            offence(result, progress)
        }
        End::LoginDeadline => Some(Offence::LoginTimeout),
        End::Idle | End::Revoked | End::Stopped => None,
    };
    if let Some(offence) = offence {
        front.gate.penalise(source, offence);
    }
    let reason = match end {
        End::Own(Ok(())) => "left".to_owned(),
        End::Own(Err(error)) => format!("{error:?}"),
        End::LoginDeadline => "login deadline".to_owned(),
        End::Idle => "idle".to_owned(),
        End::Revoked => "revoked".to_owned(),
        End::Stopped => "stopped".to_owned(),
    };
    if let Some(principal) = login.principal() {
        tracing::info!(%source, account = %principal.account, %reason, "disconnected");
        front.authenticator.disconnected(&principal, source).await;
    } else {
        tracing::debug!(%source, ?offence, %reason, "connection without login ended");
    }
}
