//! Threads that may block. A step on a local disk takes microseconds; waking another thread for it,
//! and being woken by it, takes longer. So a step runs where its caller is, and it is the runtime
//! that moves its other work to another thread meanwhile. What consists of many such steps runs
//! in one piece: [`carry`] and [`in_place`].

use qm_core::{Error, Kind, Result};
use std::cell::Cell;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The runtime has 512 threads that may block. Whoever holds one may wait for work that needs
/// another, so these never get all.
static THREADS: Semaphore = Semaphore::const_new(384);

thread_local! {
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
}

/// Runs work that may block; once begun it goes on to its end, also when the caller is dropped.
pub async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    if MAY_BLOCK.get() {
        return work();
    }
    if let Some(_permit) = thread_here() {
        return tokio::task::block_in_place(|| allowed(work));
    }
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|lost| Err(broken(lost)))
}

/// Runs a future to its end, also when the caller is dropped. What it calls of [`run`] takes no other
/// thread.
pub async fn carry<T: Send + 'static>(
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    if MAY_BLOCK.get() {
        return future.await;
    }
    if can_block_here() {
        let _permit = THREADS.acquire().await.map_err(broken)?;
        return block_on(future);
    }
    tokio::spawn(future)
        .await
        .unwrap_or_else(|lost| Err(broken(lost)))
}

/// Runs a future, on this thread if there is one for it. It must not wait for anything but disks:
/// the task does nothing else meanwhile.
pub async fn in_place<F: Future>(future: F) -> F::Output {
    if !MAY_BLOCK.get()
        && let Some(_permit) = thread_here()
    {
        return block_on(future);
    }
    future.await
}

/// True if the caller runs on a thread that may block.
pub fn may_block() -> bool {
    MAY_BLOCK.get()
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = Handle::current();
    tokio::task::block_in_place(|| allowed(|| runtime.block_on(future)))
}

/// A permit to make this thread one that may block.
fn thread_here() -> Option<SemaphorePermit<'static>> {
    can_block_here().then(|| THREADS.try_acquire().ok())?
}

/// On the only thread of a runtime everything else would stand still, its timers too.
fn can_block_here() -> bool {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => true,
        RuntimeFlavor::CurrentThread | _ => false,
    }
}

/// Says that this thread may block while `work` runs.
fn allowed<T>(work: impl FnOnce() -> T) -> T {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            MAY_BLOCK.set(self.0);
        }
    }
    let _reset = Reset(MAY_BLOCK.replace(true));
    work()
}

fn broken(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::Bug, "the server met an internal error").source(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_may_block_as_long_as_its_work_lasts() {
        assert!(!may_block());
        assert!(allowed(|| allowed(may_block) && may_block()));
        assert!(!may_block());
        let panicked = std::panic::catch_unwind(|| allowed(|| panic!("on purpose")));
        assert!(panicked.is_err() && !may_block());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn steps_within_one_piece_take_no_other_thread() {
        let here = std::thread::current().id();
        let (inside, step) = in_place(async {
            let step = run(|| Ok(std::thread::current().id())).await.unwrap();
            (std::thread::current().id(), step)
        })
        .await;
        assert!(inside == here && step == here && !may_block());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn while_one_blocks_the_other_tasks_of_its_thread_go_on() {
        let (told, hear) = std::sync::mpsc::channel();
        let other = tokio::spawn(async move { told.send(()) });
        let heard = carry(async move { run(move || Ok(hear.recv())).await }).await;
        heard.unwrap().unwrap();
        other.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_is_not_blocked() {
        assert!(!in_place(async { may_block() }).await);
        let (told, hear) = tokio::sync::oneshot::channel();
        let carried = carry(async move { hear.await.map_err(broken) });
        let (carried, sent) = tokio::join!(carried, async move { told.send(7) });
        assert_eq!((carried.unwrap(), sent), (7, Ok(())));
        assert_eq!(run(|| Ok(3)).await.unwrap(), 3);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn more_than_there_are_threads_for_wait_their_turn() {
        let pieces = (0..2_000).map(|number| {
            tokio::spawn(carry(async move {
                tokio::task::yield_now().await;
                Ok(number)
            }))
        });
        let pieces: Vec<_> = pieces.collect();
        let mut sum = 0;
        for piece in pieces {
            sum += piece.await.unwrap().unwrap();
        }
        assert_eq!(sum, 1_999_000);
    }
}
