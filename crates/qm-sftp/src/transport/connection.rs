//! The life of a connection, watched from outside of russh: login deadline, idleness, revocation,
//! the end.

use qm_core::ports::access::{Admission, Authenticator, Gate, Offence};
use qm_core::ports::clock::Clock;
use qm_core::ports::mailbox::Mailboxes;
use russh::Disconnect;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

use super::fault::{Progress, is_incompatible, offence};
use super::handler::Handler;
use super::login::Login;
use super::panic_watch::PanicWatch;
use super::socket::{Shears, Socket};
use crate::life::Life;
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

/// Why a connection ends.
enum End {
    /// By itself.
    Own(Result<(), russh::Error>),
    /// Not logged in in time.
    LoginDeadline,
    /// Sent too much without logging in.
    TooMuch,
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
    let login = Arc::new(Login::new(shears.allowance()));
    let panic_watch = PanicWatch {
        gate: Arc::clone(&front.gate),
        source,
        login: Arc::clone(&login),
        life: Arc::clone(&life),
    };
    let _unwinding = panic_watch.clone();
    let channels = Workers::new();
    let handler = Handler::new(
        Arc::clone(&front),
        source,
        Arc::from(admission),
        Arc::clone(&login),
        Arc::clone(&life),
        channels.worker(),
        panic_watch,
    );
    let mut end = run(&front, socket, &shears, handler, &login, &life).await;
    if shears.is_overspent() {
        end = End::TooMuch;
    }
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
            () = login.succeeded() => {
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
            Self::Own(_) | Self::LoginDeadline | Self::TooMuch => None,
            Self::Idle => Some("disconnected because nothing was done for a long time"),
            Self::Revoked => Some("this account or key was removed"),
            Self::Stopped => Some("the server ended this session; please connect again"),
        }
    }

    /// What the peer is penalised for.
    fn offence(&self, progress: Progress) -> Option<Offence> {
        match self {
            Self::Own(result) => offence(result, progress),
            Self::LoginDeadline => match progress {
                Progress::Silent | Progress::Tried => Some(Offence::LoginTimeout),
                Progress::Hindered | Progress::LoggedIn => None,
            },
            Self::TooMuch => Some(Offence::Protocol),
            Self::Idle | Self::Revoked | Self::Stopped => None,
        }
    }
}

async fn conclude(front: &Front, source: IpAddr, login: &Login, end: &End) {
    if let End::Own(result) = end
        && is_incompatible(result)
    {
        tracing::info!(%source, ?result, "a client speaks no algorithm of ours");
    }
    let offence = end.offence(login.progress());
    if let Some(offence) = offence {
        front.gate.penalise(source, offence);
    }
    let reason = match end {
        End::Own(Ok(())) => "left".to_owned(),
        End::Own(Err(error)) => format!("{error:?}"),
        End::LoginDeadline => "login deadline".to_owned(),
        End::TooMuch => "too much before login".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offences() {
        use Progress as P;
        for (end, progress, expect) in [
            (End::LoginDeadline, P::Silent, Some(Offence::LoginTimeout)),
            (End::LoginDeadline, P::Tried, Some(Offence::LoginTimeout)),
            (End::LoginDeadline, P::Hindered, None),
            (End::TooMuch, P::Silent, Some(Offence::Protocol)),
            (End::TooMuch, P::Tried, Some(Offence::Protocol)),
            (End::Own(Ok(())), P::Tried, Some(Offence::AuthFailure)),
            (End::Own(Ok(())), P::LoggedIn, None),
            (End::Idle, P::LoggedIn, None),
            (End::Revoked, P::LoggedIn, None),
            (End::Stopped, P::LoggedIn, None),
            (End::Stopped, P::Silent, None),
        ] {
            let farewell = end.farewell();
            assert_eq!(end.offence(progress), expect, "{progress:?} {farewell:?}");
        }
    }
}
