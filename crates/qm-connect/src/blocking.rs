//! System calls that may take their time run on the blocking pool, never on a worker thread.

use qm_core::{Error, Kind, Result};

/// Runs `work` on the blocking pool. When the caller is dropped, work that has begun goes on to
/// its end.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|failure| {
            Err(Error::new(Kind::Bug, "the server made a mistake of its own").source(failure))
        })
}
