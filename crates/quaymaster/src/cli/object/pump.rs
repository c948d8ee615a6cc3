//! Files and pipes of this machine, each on a thread of its own: one that never gives or takes a
//! byte must not keep the program from ending.

use bytes::Bytes;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};

/// Read at once: four of the largest requests, so that none is cut.
const READ_BYTES: usize = 4 * 261_120;
/// Reads ahead of what is sent, and pieces that wait to be written.
const WAITING: usize = 4;

/// How many bytes have passed.
#[derive(Clone, Debug, Default)]
pub(super) struct Counter(Arc<AtomicU64>);

impl Counter {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// All that is in `from`.
pub(super) fn source(
    mut from: impl Read + Send + 'static,
    counter: Counter,
) -> mpsc::Receiver<io::Result<Bytes>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        loop {
            let read = read_full(&mut from);
            let is_last = match &read {
                Ok(bytes) => bytes.len() < READ_BYTES,
                Err(_) => true,
            };
            counter.add(read.as_ref().map_or(0, Bytes::len));
            // Whoever does not want it any more needs no more.
            if sender.blocking_send(read).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

/// Less only at the end.
fn read_full(from: &mut impl Read) -> io::Result<Bytes> {
    let mut bytes = Vec::with_capacity(READ_BYTES);
    from.take(READ_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

/// Where pieces are written in order.
pub(super) struct Sink {
    /// Takes them.
    pub(super) sender: mpsc::Sender<Bytes>,
    written: oneshot::Receiver<io::Result<()>>,
}

/// Everything is written to `to`.
pub(super) fn sink(mut to: impl Write + Send + 'static, counter: Counter) -> Sink {
    let (sender, mut pieces) = mpsc::channel::<Bytes>(WAITING);
    let (report, written) = oneshot::channel();
    std::thread::spawn(move || {
        let mut write_all = || {
            while let Some(piece) = pieces.blocking_recv() {
                to.write_all(&piece)?;
                counter.add(piece.len());
            }
            to.flush()
        };
        // Whoever left does not want to know.
        let _ = report.send(write_all());
    });
    Sink { sender, written }
}

impl Sink {
    /// Whether everything that was sent is written.
    pub(super) async fn finish(self) -> io::Result<()> {
        drop(self.sender);
        let written = self.written.await;
        written.unwrap_or_else(|_| Err(io::Error::other("the writer failed")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_read_is_written() {
        for size in [0, 1, READ_BYTES, 3 * READ_BYTES + 7] {
            let content: Vec<u8> = (0..size).map(|i| i.to_le_bytes()[0]).collect();
            let (read, written) = (Counter::default(), Counter::default());
            let target = tempfile::NamedTempFile::new().unwrap();
            let mut source = source(io::Cursor::new(content.clone()), read.clone());
            let sink = sink(target.reopen().unwrap(), written.clone());
            while let Some(piece) = source.recv().await {
                sink.sender.send(piece.unwrap()).await.unwrap();
            }
            sink.finish().await.unwrap();
            assert!(std::fs::read(target.path()).unwrap() == content, "{size}");
            assert_eq!((read.get(), written.get()), (size as u64, size as u64));
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_told() {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let sink = sink(full, Counter::default());
        sink.sender.send(Bytes::from_static(b"x")).await.unwrap();
        let error = sink.finish().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }

    #[tokio::test]
    async fn a_folder_cannot_be_read() {
        let folder = std::fs::File::open("/").unwrap();
        let mut source = source(folder, Counter::default());
        assert!(source.recv().await.unwrap().is_err());
        assert!(source.recv().await.is_none());
    }
}
