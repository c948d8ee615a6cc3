//! A socket that can be cut from outside, and that cuts itself when a peer sends too much before
//! it has logged in. russh runs a connection in a task that it does not let
//! us end; without its socket that task ends by itself.

use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::UNPROVEN_BYTES_MAX;

/// Holds all of a small file's request; every connection has it, so not more than a page.
const AHEAD_BYTES: usize = 4 << 10;

/// A socket that fails once its [`Shears`] were used.
pub(crate) struct Socket<S> {
    inner: S,
    state: Arc<Mutex<State>>,
    ahead: Ahead,
}

/// russh asks for the length of a packet and then for the packet: what is read with the one is kept
/// for the other.
struct Ahead {
    bytes: Box<[u8; AHEAD_BYTES]>,
    begin: usize,
    end: usize,
}

/// Cuts one socket, at the latest when dropped: nobody could any more.
pub(crate) struct Shears(Arc<Mutex<State>>);

/// What the peer of a socket may send; until it is lifted, that is little.
pub(crate) struct Allowance(Arc<Mutex<State>>);

struct State {
    is_cut: bool,
    budget: Budget,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// What the peer may still send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Budget {
    Unlimited,
    Left(usize),
    Overspent,
}

impl<S> Socket<S> {
    pub(crate) fn new(inner: S) -> (Self, Shears) {
        let state = Arc::new(Mutex::new(State {
            is_cut: false,
            budget: Budget::Left(UNPROVEN_BYTES_MAX),
            reader: None,
            writer: None,
        }));
        let shears = Shears(Arc::clone(&state));
        let ahead = Ahead {
            bytes: Box::new([0; AHEAD_BYTES]),
            begin: 0,
            end: 0,
        };
        (
            Self {
                inner,
                state,
                ahead,
            },
            shears,
        )
    }

    /// The peer sent so much. Fails, and cuts, when it may not.
    fn spend(&self, received_bytes: usize) -> io::Result<()> {
        let mut state = self.state.lock();
        let left_bytes = match state.budget {
            Budget::Unlimited => return Ok(()),
            Budget::Left(left_bytes) => left_bytes,
            Budget::Overspent => 0,
        };
        if let Some(left_bytes) = left_bytes.checked_sub(received_bytes) {
            state.budget = Budget::Left(left_bytes);
            return Ok(());
        }
        state.budget = Budget::Overspent;
        drop(state);
        cut(&self.state);
        Err(io::ErrorKind::ConnectionAborted.into())
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

impl Ahead {
    fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    fn poll_fill<S: AsyncRead>(
        &mut self,
        inner: Pin<&mut S>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut space = ReadBuf::new(&mut self.bytes[..]);
        ready!(inner.poll_read(context, &mut space))?;
        let received_bytes = space.filled().len();
        (self.begin, self.end) = (0, received_bytes);
        Poll::Ready(Ok(received_bytes))
    }

    fn take(&mut self, buffer: &mut ReadBuf<'_>) {
        let kept = &self.bytes[self.begin..self.end];
        let taken = kept.len().min(buffer.remaining());
        buffer.put_slice(&kept[..taken]);
        self.begin += taken;
    }
}

impl Shears {
    /// Everything that waits for the socket, or will, fails.
    pub(crate) fn cut(&self) {
        cut(&self.0);
    }

    /// For the one who learns that the peer is logged in.
    pub(crate) fn allowance(&self) -> Allowance {
        Allowance(Arc::clone(&self.0))
    }

    /// True if the peer sent more than it may.
    pub(crate) fn is_overspent(&self) -> bool {
        self.0.lock().budget == Budget::Overspent
    }
}

impl Allowance {
    /// The peer may send what it likes from now on, unless it has sent too much already.
    pub(crate) fn lift(&self) {
        let mut state = self.0.lock();
        state.budget = match state.budget {
            Budget::Unlimited | Budget::Left(_) => Budget::Unlimited,
            Budget::Overspent => Budget::Overspent,
        };
    }
}

fn cut(state: &Mutex<State>) {
    let (reader, writer) = {
        let mut state = state.lock();
        state.is_cut = true;
        (state.reader.take(), state.writer.take())
    };
    for waker in [reader, writer].into_iter().flatten() {
        waker.wake();
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
        if self.ahead.is_empty() {
            let before = buffer.filled().len();
            if buffer.remaining() >= AHEAD_BYTES {
                ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
                return Poll::Ready(self.spend(buffer.filled().len() - before));
            }
            let Self { inner, ahead, .. } = &mut *self;
            let received_bytes = ready!(ahead.poll_fill(Pin::new(inner), context))?;
            self.spend(received_bytes)?;
        }
        self.ahead.take(buffer);
        Poll::Ready(Ok(()))
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
    /// Reads until the end or a failure; how much came, and whether it failed.
    async fn read_all(mut socket: Socket<&[u8]>) -> (usize, bool) {
        let mut total = 0;
        let mut piece = vec![0; 1000];
        loop {
            match socket.read(&mut piece).await {
                Ok(0) => return (total, false),
                Ok(read) => total += read,
                Err(_) => return (total, true),
            }
        }
    }

    #[tokio::test]
    async fn before_login_only_so_much_is_read() {
        for (sent, expect_cut) in [
            (0, false),
            (UNPROVEN_BYTES_MAX, false),
            (UNPROVEN_BYTES_MAX + 1, true),
            (10 * UNPROVEN_BYTES_MAX, true),
        ] {
            let bytes = vec![7; sent];
            let (socket, shears) = Socket::new(&bytes[..]);
            let (read, is_cut) = read_all(socket).await;
            assert_eq!(is_cut, expect_cut, "{sent}");
            assert_eq!(shears.is_overspent(), expect_cut, "{sent}");
            assert!(read <= UNPROVEN_BYTES_MAX, "{sent}: {read}");
            shears.allowance().lift();
            assert_eq!(shears.is_overspent(), expect_cut, "nothing makes it undone");
        }
    }

    #[tokio::test]
    async fn after_login_everything_is_read() {
        let bytes = vec![7; 10 * UNPROVEN_BYTES_MAX];
        let (socket, shears) = Socket::new(&bytes[..]);
        shears.allowance().lift();
        assert_eq!(read_all(socket).await, (bytes.len(), false));
        assert!(!shears.is_overspent());
    }
}
