//! Threads that may block. A step on a local disk takes microseconds; waking another thread for it,
//! and being woken by it, takes longer. So a step runs where its caller is, and it is the runtime
//! that moves its other work to another thread meanwhile. What consists of many such steps runs
//! in one piece: [`carry`] and [`in_place`]. While pieces are over sooner than another thread is
//! awake, one at a time runs without the runtime being told.

mod turn;

use qm_core::{Error, Kind, Result};
use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::coop::unconstrained;
use turn::{Measured, Turn};

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
    if !can_block_here() {
        return on_its_own(future).await;
    }
    let mut future = Box::pin(unconstrained(future));
    match untold(future.as_mut()).await {
        Some(Poll::Ready(done)) => done,
        // It has begun, and so it ends.
        Some(Poll::Pending) => on_its_own(to_its_end(future)).await,
        None => to_its_end(future).await,
    }
}

/// Runs a future, on this thread if there is one for it. It must not wait for anything but disks:
/// the task does nothing else meanwhile.
pub async fn in_place<F: Future>(future: F) -> F::Output {
    if MAY_BLOCK.get() || !can_block_here() {
        return future.await;
    }
    let mut future = pin!(unconstrained(future));
    if let Some(Poll::Ready(done)) = untold(future.as_mut()).await {
        return done;
    }
    if let Some(_permit) = thread_here() {
        return block_on(future);
    }
    future.await
}

/// Polls it once without telling the runtime, if it is its turn.
async fn untold<F: Future>(mut future: Pin<&mut F>) -> Option<Poll<F::Output>> {
    let turn = Turn::take()?;
    let _measured = Measured::begin();
    let polled = poll_fn(|context| {
        let polled = allowed(|| future.as_mut().poll(context));
        Poll::Ready(polled)
    });
    let polled = polled.await;
    drop(turn);
    Some(polled)
}

async fn to_its_end<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let _permit = THREADS.acquire().await.map_err(broken)?;
    block_on(future)
}

async fn on_its_own<T: Send + 'static>(
    future: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(future)
        .await
        .unwrap_or_else(|lost| Err(broken(lost)))
}

/// True if the caller runs on a thread that may block.
pub fn may_block() -> bool {
    MAY_BLOCK.get()
}

fn block_on<F: Future>(future: F) -> F::Output {
    let _measured = Measured::begin();
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

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sockets_are_looked_at_while_one_blocks_untold() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        for _ in 0..50 {
            let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
            far.set_nonblocking(true).unwrap();
            let mut far = tokio::net::UnixStream::from_std(far).unwrap();
            let echo = tokio::spawn(async move {
                let byte = far.read_u8().await?;
                far.write_u8(byte).await
            });
            // Neither beginning alone: the piece runs on a worker, as a session does.
            let piece = tokio::spawn(carry(async move {
                use std::io::{Read as _, Write as _};
                let (mut near, mut heard) = (near, [0]);
                near.write_all(&[7])
                    .and_then(|()| near.read_exact(&mut heard))
                    .map_err(broken)?;
                Ok(heard[0])
            }));
            assert_eq!(piece.await.unwrap().unwrap(), 7);
            echo.await.unwrap().unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_has_begun_ends_although_its_caller_is_gone() {
        let (begin, begun) = tokio::sync::oneshot::channel();
        let (tell, told) = tokio::sync::oneshot::channel();
        let (done, is_done) = tokio::sync::oneshot::channel();
        let carried = tokio::spawn(carry(async move {
            begin.send(()).map_err(|()| broken("nobody waits"))?;
            let heard = told.await.map_err(broken)?;
            done.send(heard).map_err(|_| broken("nobody waits"))
        }));
        begun.await.unwrap();
        carried.abort();
        tell.send(5).unwrap();
        assert_eq!(is_done.await.unwrap(), 5);
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
