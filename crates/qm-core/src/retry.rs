//! When a failed attempt is tried again.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

use crate::Retry;

/// The pauses between attempts; one attempt more than pauses is made.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct RetryPolicy {
    pauses: Vec<Duration>,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Try again after this pause.
    After(Duration),
    /// No attempt is left.
    GiveUp,
}

impl RetryPolicy {
    /// 3 attempts: now, 1 and 2 minutes after the one before, as AWS invokes a function
    /// asynchronously.
    pub fn lambda() -> Self {
        Self::after_minutes(&[1, 2])
    }

    /// 4 attempts: now, then 10, 20 and 40 minutes after the one before.
    pub fn camel() -> Self {
        Self::after_minutes(&[10, 20, 40])
    }

    /// One attempt more than there are pauses.
    pub fn pauses(pauses: Vec<Duration>) -> Self {
        Self { pauses }
    }

    /// How often it is tried at most.
    pub fn attempts_max(&self) -> u32 {
        u32::try_from(self.pauses.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1)
    }

    /// What follows when attempt `attempt` (from 1) failed with this verdict.
    pub fn after_failure(&self, attempt: u32, verdict: Retry) -> Next {
        let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        match (self.pauses.get(index), verdict) {
            (None, _) | (_, Retry::Never) => Next::GiveUp,
            (Some(pause), Retry::Later) => Next::After(*pause),
            (Some(pause), Retry::After(asked)) => Next::After((*pause).max(asked)),
        }
    }

    fn after_minutes(minutes: &[u64]) -> Self {
        Self {
            pauses: minutes
                .iter()
                .map(|m| Duration::from_secs(m * 60))
                .collect(),
        }
    }
}

impl fmt::Display for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} attempts", self.attempts_max())?;
        for pause in &self.pauses {
            write!(f, ", +{}s", pause.as_secs())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets() {
        let minutes = |m: u64| Next::After(Duration::from_secs(m * 60));
        let lambda = RetryPolicy::lambda();
        assert_eq!(lambda.attempts_max(), 3);
        assert_eq!(lambda.after_failure(1, Retry::Later), minutes(1));
        assert_eq!(lambda.after_failure(2, Retry::Later), minutes(2));
        assert_eq!(lambda.after_failure(3, Retry::Later), Next::GiveUp);
        assert_eq!(lambda.after_failure(1, Retry::Never), Next::GiveUp);
        let long = Retry::After(Duration::from_mins(10));
        assert_eq!(lambda.after_failure(1, long), minutes(10));
        assert_eq!(RetryPolicy::camel().attempts_max(), 4);
        assert_eq!(
            RetryPolicy::camel().after_failure(3, Retry::Later),
            minutes(40)
        );
        assert_eq!(
            RetryPolicy::pauses(vec![]).after_failure(1, Retry::Later),
            Next::GiveUp
        );
    }
}
