//! Bytes in order over any stream: what a session without SSH speaks over, and our own client.

use bytes::{Buf, Bytes, BytesMut};
use std::io;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf,
};

use crate::limits::{SMALL_BYTES, STREAM_READ_BYTES};

/// Both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The two ends of a stream.
pub fn split(stream: impl Stream + 'static) -> (Reader, Writer) {
    let (input, output) = tokio::io::split(Box::new(stream) as Box<dyn Stream>);
    let reader = Reader {
        input,
        buffer: BytesMut::new(),
    };
    (reader, Writer(output))
}

/// What comes in.
pub struct Reader {
    input: ReadHalf<Box<dyn Stream>>,
    buffer: BytesMut,
}

impl Reader {
    /// The next bytes; `None` at the end. May be dropped at any time without losing one.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        if self.buffer.capacity() < SMALL_BYTES {
            self.buffer.reserve(STREAM_READ_BYTES);
        }
        let count = self.input.read_buf(&mut self.buffer).await?;
        Ok((count > 0).then(|| self.buffer.split().freeze()))
    }
}

/// What goes out.
pub struct Writer(WriteHalf<Box<dyn Stream>>);

impl Writer {
    /// Sends everything.
    pub async fn send(&mut self, mut bytes: impl Buf) -> io::Result<()> {
        self.0.write_all_buf(&mut bytes).await?;
        self.0.flush().await
    }

    /// Sends as much as is taken at once.
    pub async fn send_some(&mut self, bytes: &mut impl Buf) -> io::Result<()> {
        match self.0.write_buf(bytes).await? {
            0 if bytes.has_remaining() => Err(io::ErrorKind::WriteZero.into()),
            _ => Ok(()),
        }
    }

    /// Lets go of everything that was sent.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.0.flush().await
    }

    /// Sends nothing more.
    pub async fn close(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}
