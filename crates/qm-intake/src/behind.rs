//! What nobody waits for: polled where it begins and then where it is woken. A record that goes with
//! the next commit is woken once, by whoever commits; a task for it would be handed to another
//! thread, which costs each upload more than what the record itself does.

use parking_lot::Mutex;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use tokio::task::coop::unconstrained;

use qm_core::Result;
use qm_core::ports::BoxFuture;

type Ended = Box<dyn FnOnce(Result<()>) + Send>;

struct Behind(Mutex<State>);

enum State {
    Resting(BoxFuture<Result<()>>, Ended),
    Polled { is_woken: bool },
    Over,
}

/// Runs it to its end. `ended` is called on the thread that made it end, and must not block.
pub(crate) fn run(future: BoxFuture<Result<()>>, ended: impl FnOnce(Result<()>) + Send + 'static) {
    // Whoever wakes it has no budget to keep.
    let future = Box::pin(unconstrained(future));
    let behind = Behind(Mutex::new(State::Resting(future, Box::new(ended))));
    Arc::new(behind).wake();
}

impl Wake for Behind {
    fn wake(self: Arc<Self>) {
        let Some((mut future, ended)) = self.take() else {
            return;
        };
        let waker = Waker::from(Arc::clone(&self));
        loop {
            if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                *self.0.lock() = State::Over;
                return ended(result);
            }
            let mut state = self.0.lock();
            if !matches!(*state, State::Polled { is_woken: true }) {
                *state = State::Resting(future, ended);
                return;
            }
            *state = State::Polled { is_woken: false };
        }
    }
}

impl Behind {
    /// What is to be polled, unless somebody polls it: he polls it once more.
    fn take(&self) -> Option<(BoxFuture<Result<()>>, Ended)> {
        let mut state = self.0.lock();
        match std::mem::replace(&mut *state, State::Polled { is_woken: false }) {
            State::Resting(future, ended) => Some((future, ended)),
            State::Polled { .. } => {
                *state = State::Polled { is_woken: true };
                None
            }
            State::Over => {
                *state = State::Over;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use tokio::sync::oneshot;

    #[test]
    fn it_ends_where_it_is_woken() {
        let (answer, answered) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let ending = Box::pin(async move { answered.await.unwrap_or(Ok(())) });
        run(ending, move |result| {
            tell.send((result.is_ok(), std::thread::current().id()))
                .unwrap();
        });
        assert!(told.try_recv().is_err());
        let answering = std::thread::spawn(move || answer.send(Ok(())).is_ok());
        let thread = answering.thread().id();
        assert!(answering.join().unwrap());
        assert_eq!(told.recv().unwrap(), (true, thread));
    }

    #[test]
    fn what_wakes_itself_is_polled_again() {
        let (tell, told) = mpsc::channel();
        let mut polls = 0;
        let ending = std::future::poll_fn(move |context| {
            polls += 1;
            context.waker().wake_by_ref();
            if polls < 3 {
                Poll::Pending
            } else {
                Poll::Ready(Ok(()))
            }
        });
        run(Box::pin(ending), move |result| {
            tell.send(result.is_ok()).unwrap();
        });
        assert_eq!(told.try_recv(), Ok(true));
    }
}
