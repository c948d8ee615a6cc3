//! Turns of what takes much memory: a workbook is held and unpacked to be checked. Few at a time, and
//! of each account only one is in line, so that whoever sends many holds up nobody else.

use parking_lot::Mutex;
use qm_core::id::AccountName;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

const AT_A_TIME: usize = 2;

pub(crate) struct Turns {
    /// `None` is whoever has no account. There are no more than accounts.
    lines: Mutex<HashMap<Option<AccountName>, Arc<tokio::sync::Mutex<()>>>>,
    all: Arc<Semaphore>,
}

/// Ends with this value.
pub(crate) struct Turn {
    _of_all: Option<OwnedSemaphorePermit>,
    _of_account: OwnedMutexGuard<()>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            lines: Mutex::default(),
            all: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }
}

impl Turns {
    /// Waits for a turn, for as long as it takes: nothing that others wait for may be held.
    pub(crate) async fn take(&self, account: Option<AccountName>) -> Turn {
        let line = Arc::clone(self.lines.lock().entry(account).or_default());
        let of_account = line.lock_owned().await;
        Turn {
            // It is never closed.
            _of_all: Arc::clone(&self.all).acquire_owned().await.ok(),
            _of_account: of_account,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Poll, Waker};

    /// Whether there is a turn now; nobody is waited for.
    fn now(turn: std::pin::Pin<&mut impl Future<Output = Turn>>) -> Option<Turn> {
        match turn.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn whoever_waits_many_times_holds_up_nobody_else() {
        let turns = Turns::default();
        let of = |name: &str| turns.take(Some(AccountName::parse(name).unwrap()));
        let first = of("many").await;
        let mut second = Box::pin(of("many"));
        assert!(now(second.as_mut()).is_none(), "one of an account");
        let other = of("other").await;
        let mut third = Box::pin(of("third"));
        assert!(now(third.as_mut()).is_none(), "two of all");
        drop(first);
        drop(now(third.as_mut()).unwrap());
        drop(now(second.as_mut()).unwrap());
        drop(other);
    }
}
