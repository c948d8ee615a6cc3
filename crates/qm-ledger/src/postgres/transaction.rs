//! A transaction that counts once: what was lost on the way is done again, and when the answer to
//! a COMMIT was lost the stamp that it would have left is read before anybody is answered.

use futures_util::FutureExt as _;
use qm_core::{Error, Kind};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

use super::connection::Connection;
use super::fault::{Cure, Fault, Sql, unavailable};
use super::lease::Holder;
use super::pool::Pool;

/// How long work that is known not to count is tried again: a database that is restarted, or its
/// standby that takes over, is back by then, and callers do not wait much longer than that.
const TRY_FOR: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What a step of a transaction returns.
pub(super) type Step<'a, T> = Pin<Box<dyn Future<Output = Sql<T>> + Send + 'a>>;

/// The statements of a transaction; they may run several times, and count once.
pub(super) trait Body: Send {
    type Value: Send;

    fn run<'a>(&'a mut self, connection: &'a Connection) -> Step<'a, Self::Value>;
}

/// Statements as a function of what they are about.
pub(super) struct Work<D, T> {
    pub(super) data: D,
    pub(super) run: for<'a> fn(&'a Connection, &'a D) -> Step<'a, T>,
}

impl<D: Send + Sync, T: Send> Body for Work<D, T> {
    type Value = T;

    fn run<'a>(&'a mut self, connection: &'a Connection) -> Step<'a, T> {
        (self.run)(connection, &self.data)
    }
}

/// How long something is tried again, and how often.
pub(super) struct Patience {
    give_up_at: Instant,
    pause: Duration,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self {
            give_up_at: Instant::now() + TRY_FOR,
            pause: FIRST_PAUSE,
        }
    }

    /// Ends when it is time to try again what is known not to count; the fault, if it is not worth
    /// trying.
    pub(super) async fn after(&mut self, fault: Fault, pool: &Pool) -> Sql<()> {
        let is_hopeless = match fault.cure() {
            Cure::Reconnect | Cure::Again => Instant::now() >= self.give_up_at || pool.is_closed(),
            Cure::None => true,
        };
        if is_hopeless {
            return Err(fault);
        }
        self.pause().await;
        Ok(())
    }

    async fn pause(&mut self) {
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

/// Runs it to its end. Must not be dropped in between: to be called on a task of its own.
pub(super) async fn run<B: Body>(
    pool: &Arc<Pool>,
    holder: Option<&Holder>,
    body: &mut B,
) -> Sql<B::Value> {
    let mut patience = Patience::new();
    loop {
        let fault = match attempt(pool, holder, body).await {
            Outcome::Counts(value) => return Ok(value),
            Outcome::Not(fault) => fault,
            Outcome::Unknown {
                value,
                session,
                stamp,
                fault,
            } => {
                if ask(pool, &session, stamp).await? {
                    return Ok(value);
                }
                fault
            }
        };
        patience.after(fault, pool).await?;
    }
}

enum Outcome<T> {
    Counts(T),
    Not(Fault),
    Unknown {
        value: T,
        session: String,
        stamp: i64,
        fault: Fault,
    },
}

async fn attempt<B: Body>(
    pool: &Arc<Pool>,
    holder: Option<&Holder>,
    body: &mut B,
) -> Outcome<B::Value> {
    let mut connection = match pool.take().await {
        Ok(connection) => connection,
        Err(fault) => return Outcome::Not(fault),
    };
    connection.work_for(holder.cloned());
    let stamp = match connection.begin().await {
        Ok(stamp) => stamp,
        Err(fault) => return Outcome::Not(fault),
    };
    // A panic must not take the task, and with it everybody else's writes, away.
    let result = AssertUnwindSafe(body.run(&connection)).catch_unwind().await;
    let value = match result.unwrap_or_else(|_| Err(panicked().into())) {
        Ok(value) => value,
        Err(fault) => {
            if fault.cure() != Cure::Reconnect {
                // If this fails the connection is unfit, and cut.
                drop(connection.roll_back().await);
            }
            return Outcome::Not(fault);
        }
    };
    match connection.commit().await {
        Ok(()) => Outcome::Counts(value),
        // The server said that it does not count.
        Err(fault) if fault.cure() != Cure::Reconnect => Outcome::Not(fault),
        Err(fault) => Outcome::Unknown {
            value,
            session: connection.name().to_owned(),
            stamp,
            fault,
        },
    }
}

/// Whether the transaction with that stamp counts. Asked until there is an answer: both answers that
/// could be given without one are lies to somebody.
async fn ask(pool: &Arc<Pool>, session: &str, stamp: i64) -> Sql<bool> {
    let mut patience = Patience::new();
    loop {
        match look(pool, session).await {
            Ok(found) => return Ok(found == stamp),
            Err(_) if pool.is_closed() => {
                let error = unavailable().with("reason", "nobody knows whether it counts");
                return Err(error.into());
            }
            Err(_) => patience.pause().await,
        }
    }
}

/// The last stamp of a session that cannot leave another one after this.
async fn look(pool: &Pool, session: &str) -> Sql<i64> {
    // The server may not have noticed yet that the session's line is gone.
    const END: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE application_name = $1 AND pid <> pg_backend_pid()";
    // Waits for a transaction of the session that is still open, seen or not.
    const LAST: &str = "INSERT INTO commit_stamps (session, number, at) VALUES ($1, 0, now())
         ON CONFLICT (session) DO UPDATE SET at = excluded.at RETURNING number";
    // Not from the pool: everybody there may be waiting for an answer like this one.
    let connection = pool.connect().await?;
    connection.one::<i64>(END, &[&session]).await?;
    connection.one(LAST, &[&session]).await
}

fn panicked() -> Error {
    Error::new(Kind::Bug, "the server made a mistake").with("panicked", true)
}
