//! Waiting for a state. The only place that sleeps.

use anyhow::{Context as _, Result, bail};
use std::time::{Duration, Instant};

/// Long enough for a loaded machine of two cores; a test that meets it has failed.
pub const LIMIT: Duration = Duration::from_mins(1);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until there is something, and gives it back; says `what` was waited for otherwise.
pub fn until<T>(what: &str, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    until_within(LIMIT, what, look)
}

/// Like [`until`], with a deadline of its own.
pub fn until_within<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().with_context(|| format!("waiting until {what}"))? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("waited {limit:?} in vain until {what}");
        }
        std::thread::sleep(PAUSE);
    }
}

/// Looks until it is so.
pub fn until_true(what: &str, mut look: impl FnMut() -> Result<bool>) -> Result<()> {
    until(what, || Ok(look()?.then_some(())))
}
