//! Readers: connections that cannot write, used on threads that may block. A look that
//! must see one state is one statement.

use parking_lot::Mutex;
use qm_core::{Error, Kind, Result};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;

use super::connection::open_reader;
use super::fault::Sql;

/// A few connections, opened when first needed.
pub(super) struct Readers {
    file: Arc<PathBuf>,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// At most `count` at a time; more callers wait.
    pub(super) fn new(file: PathBuf, count: usize) -> Self {
        Self {
            file: Arc::new(file),
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(count.max(1))),
        }
    }

    /// Looks at what is durable now.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        look: impl FnOnce(&Connection) -> Sql<T> + Send + 'static,
    ) -> Result<T> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|e| broken(operation, e))?;
        let idle = Arc::clone(&self.idle);
        let file = Arc::clone(&self.file);
        let look = move || {
            let resting = idle.lock().pop();
            let connection = match resting {
                Some(connection) => connection,
                None => open_reader(&file)?,
            };
            let found = look(&connection);
            let is_broken = found
                .as_ref()
                .is_err_and(super::fault::Fault::is_of_connection);
            if !is_broken {
                idle.lock().push(connection);
            }
            drop(permit);
            found.map_err(|fault| fault.into_error(operation))
        };
        qm_threads::run(look).await
    }
}

fn broken(
    operation: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    Error::new(Kind::Bug, "the server made a mistake")
        .during(operation)
        .source(source)
}
