//! Connections, so many at a time, used again while they are fit.

use parking_lot::Mutex;
use qm_postgres::Server;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::Connection;
use super::fault::{Sql, unavailable};

/// Connections to one database.
pub(super) struct Pool {
    server: Server,
    statement_timeout: Duration,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    is_closed: AtomicBool,
}

impl Pool {
    /// At most `size` at a time; none is made before it is needed.
    pub(super) fn new(server: Server, statement_timeout: Duration, size: usize) -> Self {
        Self {
            server,
            statement_timeout,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(size)),
            is_closed: AtomicBool::new(false),
        }
    }

    /// One that is fit, when there is one.
    pub(super) async fn take(self: &Arc<Self>) -> Sql<Taken> {
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return Err(unavailable().into());
        };
        let idle = std::iter::from_fn(|| self.idle.lock().pop()).find(Connection::is_fit);
        let connection = match idle {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(Taken {
            connection: Some(connection),
            pool: Arc::clone(self),
            _permit: permit,
        })
    }

    /// One beside the pool.
    pub(super) async fn connect(&self) -> Sql<Connection> {
        Connection::open(&self.server, self.statement_timeout).await
    }

    /// Nobody waits for an answer any more.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.idle.lock().clear();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    /// How the database is reached, for whoever speaks another way with it.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }
}

/// A connection that goes back when it is dropped, if it is fit.
pub(super) struct Taken {
    connection: Option<Connection>,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Deref for Taken {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("only drop takes it")
    }
}

impl DerefMut for Taken {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("only drop takes it")
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let connection = self.connection.take();
        if self.pool.is_closed() {
            return;
        }
        let fit = connection.filter(Connection::is_fit);
        self.pool.idle.lock().extend(fit);
    }
}
