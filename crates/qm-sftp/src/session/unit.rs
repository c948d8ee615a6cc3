//! What is executed at once: one request, or a run of WRITEs or READs on one handle.

use qm_core::ports::bucket::Chunk;
use std::collections::VecDeque;

use crate::limits::{DATA_BYTES_MAX, READ_BATCH_BYTES, WRITE_BATCH_BYTES};
use crate::wire::{Decoded, HandleId, Operation};

/// A request and the bytes it holds.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) decoded: Decoded,
    pub(super) size_bytes: usize,
}

/// A READ within a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ReadRequest {
    pub(crate) id: u32,
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

/// What is executed at once.
#[derive(Debug)]
pub(super) enum Unit {
    Init,
    Malformed {
        id: u32,
    },
    Single {
        id: u32,
        operation: Operation,
    },
    Reads {
        handle: HandleId,
        requests: Vec<ReadRequest>,
    },
    Writes {
        handle: HandleId,
        ids: Vec<u32>,
        chunks: Vec<Chunk>,
    },
}

impl Unit {
    /// True if it does not wait for a disk to sync: its reply may leave with later ones.
    pub(super) fn is_quick(&self) -> bool {
        match self {
            Self::Init | Self::Malformed { .. } | Self::Reads { .. } => true,
            Self::Writes { .. } => false,
            Self::Single { operation, .. } => matches!(
                operation,
                Operation::Stat { .. }
                    | Operation::Lstat { .. }
                    | Operation::Fstat { .. }
                    | Operation::Realpath { .. }
                    | Operation::Opendir { .. }
                    | Operation::Readdir { .. }
            ),
        }
    }

    /// Takes the next unit off the queue, and its bytes off `queued_bytes`.
    pub(super) fn take(queue: &mut VecDeque<Queued>, queued_bytes: &mut usize) -> Option<Self> {
        let first = pop(queue, queued_bytes)?;
        Some(match first {
            Decoded::Init(_) => Self::Init,
            Decoded::Malformed { id } => Self::Malformed { id },
            Decoded::Request { id, operation } => Self::Single { id, operation },
            Decoded::Read {
                id,
                handle,
                offset,
                length,
            } => {
                let mut requests = vec![ReadRequest { id, offset, length }];
                let mut total = wanted(length);
                while let Some(next) = peek_read(queue, handle)
                    && total + wanted(next.length) <= READ_BATCH_BYTES
                {
                    pop(queue, queued_bytes);
                    total += wanted(next.length);
                    requests.push(next);
                }
                Self::Reads { handle, requests }
            }
            Decoded::Write {
                id,
                handle,
                offset,
                data,
            } => {
                let mut ids = vec![id];
                let mut chunks = Vec::with_capacity(data.len());
                let mut total = push_chunks(&mut chunks, offset, data);
                while total < WRITE_BATCH_BYTES
                    && is_write(queue, handle)
                    && let Some(Decoded::Write {
                        id, offset, data, ..
                    }) = pop(queue, queued_bytes)
                {
                    ids.push(id);
                    total += push_chunks(&mut chunks, offset, data);
                }
                Self::Writes {
                    handle,
                    ids,
                    chunks,
                }
            }
        })
    }
}

fn pop(queue: &mut VecDeque<Queued>, queued_bytes: &mut usize) -> Option<Decoded> {
    let queued = queue.pop_front()?;
    *queued_bytes -= queued.size_bytes;
    Some(queued.decoded)
}

fn wanted(length: u32) -> usize {
    length.min(DATA_BYTES_MAX) as usize
}

/// The next request, if it is a READ on `expect`.
fn peek_read(queue: &VecDeque<Queued>, expect: HandleId) -> Option<ReadRequest> {
    let Decoded::Read {
        id,
        handle,
        offset,
        length,
    } = queue.front()?.decoded
    else {
        return None;
    };
    (handle == expect).then_some(ReadRequest { id, offset, length })
}

fn is_write(queue: &VecDeque<Queued>, expect: HandleId) -> bool {
    queue.front().is_some_and(
        |next| matches!(next.decoded, Decoded::Write { handle, .. } if handle == expect),
    )
}

/// Pieces become chunks where they are; returns their length.
fn push_chunks(chunks: &mut Vec<Chunk>, offset: u64, data: Vec<bytes::Bytes>) -> usize {
    let mut total = 0;
    for bytes in data {
        let offset = offset + total as u64;
        total += bytes.len();
        chunks.push(Chunk { offset, bytes });
    }
    total
}
