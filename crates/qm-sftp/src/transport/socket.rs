//! A socket that can be cut from outside. russh runs a connection in a task that it does not let
//! us end; without its socket that task ends by itself.

use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket that fails once its [`Shears`] were used.
pub(crate) struct Socket<S> {
    inner: S,
    state: Arc<Mutex<State>>,
}

/// Cuts one socket, at the latest when dropped: nobody could any more.
pub(crate) struct Shears(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    is_cut: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl<S> Socket<S> {
    pub(crate) fn new(inner: S) -> (Self, Shears) {
        let state = Arc::new(Mutex::new(State::default()));
        let shears = Shears(Arc::clone(&state));
        (Self { inner, state }, shears)
    }

    /// Fails if cut; otherwise `side` is woken when that happens.
    fn check(
        &self,
        context: &Context<'_>,
        side: impl FnOnce(&mut State) -> &mut Option<Waker>,
    ) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.is_cut {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        match side(&mut state) {
            Some(waker) => waker.clone_from(context.waker()),
            empty @ None => *empty = Some(context.waker().clone()),
        }
        Ok(())
    }
}

impl Shears {
    /// Everything that waits for the socket, or will, fails.
    pub(crate) fn cut(&self) {
        let (reader, writer) = {
            let mut state = self.0.lock();
            state.is_cut = true;
            (state.reader.take(), state.writer.take())
        };
        for waker in [reader, writer].into_iter().flatten() {
            waker.wake();
        }
    }
}

impl Drop for Shears {
    fn drop(&mut self) {
        self.cut();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context, |state| &mut state.reader)?;
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context, |state| &mut state.writer)?;
        Pin::new(&mut self.inner).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context, |state| &mut state.writer)?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context, |state| &mut state.writer)?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_cut_wakes_who_waits_and_fails_who_comes() {
        let (near, _far) = tokio::io::duplex(16);
        let (mut socket, shears) = Socket::new(near);
        let waiting = tokio::spawn(async move {
            let mut byte = [0];
            let result = socket.read(&mut byte).await;
            (socket, result)
        });
        tokio::task::yield_now().await;
        shears.cut();
        let (mut socket, result) = waiting.await.unwrap();
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert!(socket.write_all(b"x").await.is_err());
    }
}
