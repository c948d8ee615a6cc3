//! The parts that can still be written: the first that was not sent, and the next.

use bytes::Bytes;

use super::super::part_buffer::PartBuffer;
use super::super::part_plan::FILE_BYTES_MAX;
use super::StagedUpload;
use qm_core::ports::bucket::Chunk;
use qm_core::{Error, Kind, Result, Retry};

/// The part that fills, and one for writes that overtook others: a client's requests are less
/// apart than a part is long.
const OPEN_MAX: usize = 2;

pub(super) struct OpenPart {
    pub(super) start: u64,
    pub(super) size_bytes: u64,
    pub(super) buffer: PartBuffer,
}

impl OpenPart {
    pub(super) fn end(&self) -> u64 {
        self.start + self.size_bytes
    }
}

/// Chunks of one open part, not written yet.
#[derive(Default)]
struct Batch {
    part: usize,
    chunks: Vec<Chunk>,
}

impl StagedUpload {
    pub(super) async fn write_chunks(&mut self, chunks: Vec<Chunk>) -> Result<()> {
        let mut batch = Batch::default();
        for Chunk {
            mut offset,
            mut bytes,
        } in chunks
        {
            check_size(offset.saturating_add(bytes.len() as u64))?;
            if offset < self.sent_bytes && !bytes.is_empty() {
                return Err(already_sent());
            }
            while !bytes.is_empty() {
                let mut part = self.open_part(offset);
                if part != Some(batch.part) {
                    self.write_batch(&mut batch).await?;
                    part = Some(self.make_open(offset).await?);
                }
                batch.part = part.unwrap_or_default();
                let end = self.open[batch.part].end();
                let fits = usize::try_from(end - offset).unwrap_or(usize::MAX);
                let now = bytes.split_to(fits.min(bytes.len()));
                let length = now.len() as u64;
                batch.chunks.push(Chunk { offset, bytes: now });
                offset += length;
            }
        }
        self.write_batch(&mut batch).await
    }

    async fn write_batch(&mut self, batch: &mut Batch) -> Result<()> {
        let mut chunks = std::mem::take(&mut batch.chunks);
        if chunks.is_empty() {
            return Ok(());
        }
        let part = &self.open[batch.part];
        let ranges: Vec<_> = chunks
            .iter_mut()
            .map(|chunk| {
                let start = chunk.offset;
                chunk.offset -= part.start;
                (start, start + chunk.bytes.len() as u64)
            })
            .collect();
        part.buffer.write(chunks).await?;
        for (start, end) in ranges {
            if !self.coverage.add(start, end) {
                return Err(Error::new(
                    Kind::Limit,
                    "the file was sent in too many separate pieces",
                ));
            }
            self.size_bytes = self.size_bytes.max(end);
        }
        Ok(())
    }

    /// Which open part an offset is in.
    fn open_part(&self, offset: u64) -> Option<usize> {
        self.open
            .iter()
            .position(|part| (part.start..part.end()).contains(&offset))
    }

    /// The same, after opening what is missing and sending what is full.
    async fn make_open(&mut self, offset: u64) -> Result<usize> {
        loop {
            self.send_followed().await?;
            if let Some(part) = self.open_part(offset) {
                return Ok(part);
            }
            if self.first_is_full() {
                self.send_first().await?;
            }
            if self.open.len() == OPEN_MAX {
                return Err(Error::new(
                    Kind::Unsupported,
                    format!(
                        "this place takes files from beginning to end: byte {} must come first",
                        self.coverage.contiguous()
                    ),
                ));
            }
            self.open_next().await?;
        }
    }

    async fn open_next(&mut self) -> Result<()> {
        let number = self.sent_parts + u16::try_from(self.open.len()).unwrap_or(u16::MAX) + 1;
        let start = self.open.last().map_or(self.sent_bytes, OpenPart::end);
        let size_bytes = self.plan.size_bytes(number);
        let expected_bytes = match self.size_hint {
            Some(hint) if hint > start => hint - start,
            Some(_) | None => size_bytes,
        };
        let buffer = PartBuffer::open(&self.parts.arena, size_bytes, expected_bytes).await?;
        self.open.push(OpenPart {
            start,
            size_bytes,
            buffer,
        });
        Ok(())
    }

    fn first_is_full(&self) -> bool {
        self.open
            .first()
            .is_some_and(|part| self.coverage.contiguous() >= part.end())
    }

    /// Sends full parts that others follow.
    pub(super) async fn send_followed(&mut self) -> Result<()> {
        while self.open.len() > 1 && self.first_is_full() {
            self.send_first().await?;
        }
        Ok(())
    }

    /// Sends full parts.
    pub(super) async fn send_full(&mut self) -> Result<()> {
        while self.first_is_full() {
            self.send_first().await?;
        }
        Ok(())
    }

    async fn send_first(&mut self) -> Result<()> {
        let ready = self.remote.ready(&self.parts.sink).await;
        self.note_failure(ready)?;
        let ready = self.digester.ready().await.map(|_| ());
        self.note_failure(ready)?;
        let part = &self.open[0];
        let body = part.buffer.body(part.size_bytes).await;
        let recalled = self
            .recall
            .after(&self.parts.arena, part.start, &body)
            .await?;
        // From here on nothing waits: a write that is cut off leaves the part sent or open.
        let part = self.open.remove(0);
        self.sent_parts += 1;
        self.sent_bytes = part.end();
        self.digester.start(body.clone());
        self.remote.send(&self.parts.sink, self.sent_parts, body);
        self.recall = recalled;
        Ok(())
    }

    /// Cuts or extends to a size that is not less than what was sent.
    pub(super) fn cut(&mut self, size_bytes: u64) {
        self.coverage.cut(size_bytes);
        self.open.retain(|part| part.start < size_bytes);
        self.size_bytes = size_bytes;
    }

    pub(super) async fn read_back(&self, offset: u64, length: u32) -> Result<Bytes> {
        let end = self.size_bytes.min(offset.saturating_add(length.into()));
        let mut read = Vec::new();
        let mut at = offset;
        while at < end {
            let piece = if at < self.sent_bytes {
                self.recall.read(at, end.min(self.sent_bytes)).await?
            } else {
                self.read_open(at, end).await?
            };
            at += piece.len() as u64;
            read.extend_from_slice(&piece);
        }
        Ok(read.into())
    }

    async fn read_open(&self, at: u64, end: u64) -> Result<Bytes> {
        match self.open_part(at) {
            Some(part) => {
                let part = &self.open[part];
                let length = usize::try_from(end.min(part.end()) - at).unwrap_or(usize::MAX);
                part.buffer.read(at - part.start, length).await
            }
            // A hole behind everything that was written; its length is one read's.
            None => Ok(vec![0; usize::try_from(end - at).unwrap_or_default()].into()),
        }
    }
}

pub(super) fn check_size(size_bytes: u64) -> Result<()> {
    if size_bytes <= FILE_BYTES_MAX {
        return Ok(());
    }
    Err(Error::new(Kind::Limit, "this place takes no file longer than 5 TiB").retry(Retry::Never))
}

pub(super) fn already_sent() -> Error {
    Error::new(
        Kind::Unsupported,
        "this place takes files from beginning to end: what was stored already cannot be changed",
    )
}
