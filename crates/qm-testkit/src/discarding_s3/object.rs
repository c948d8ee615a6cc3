//! What is known of an object, and of one that comes in parts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::reply::Reply;
use super::request::Request;

/// S3 takes no more, and no longer ones: nor a whole object in one request.
pub(super) const PARTS_MAX: u32 = 10_000;
pub(super) const PART_BYTES_MAX: u64 = 5 << 30;
/// Only the last part is shorter.
const PART_BYTES_MIN: u64 = 5 << 20;

/// How an object came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Taken {
    /// How long it is.
    pub size_bytes: u64,
    /// In how many parts it came; none if it came in one request.
    pub parts: usize,
    /// How many of them were copied from other objects here.
    pub copied_parts: usize,
}

pub(super) struct Object {
    pub(super) etag: String,
    pub(super) metadata: Vec<(String, String)>,
    pub(super) taken: Taken,
}

pub(super) struct Upload {
    /// Bucket and key.
    place: (String, String),
    metadata: Vec<(String, String)>,
    /// By number.
    pub(super) parts: BTreeMap<u32, Part>,
}

pub(super) struct Part {
    pub(super) etag: String,
    pub(super) size_bytes: u64,
    pub(super) is_copied: bool,
}

impl Object {
    /// Without its bytes.
    pub(super) fn reply(&self) -> Reply {
        let mut reply = Reply::tagged(&self.etag);
        for (name, value) in &self.metadata {
            let _ = write!(reply.headers, "{name}: {value}\r\n");
        }
        reply
    }
}

impl Upload {
    pub(super) fn begun(request: &Request) -> Self {
        Self {
            place: request.place(),
            metadata: request.metadata(),
            parts: BTreeMap::new(),
        }
    }

    /// No part but the last is too short.
    pub(super) fn is_cut_well(&self) -> bool {
        let mut all_but_last = self.parts.values().rev().skip(1);
        all_but_last.all(|part| part.size_bytes >= PART_BYTES_MIN)
    }

    /// The object that its parts make, and where.
    pub(super) fn completed(self, etag: String) -> ((String, String), Object) {
        let parts = self.parts.values();
        let taken = Taken {
            size_bytes: parts.clone().map(|part| part.size_bytes).sum(),
            parts: parts.len(),
            copied_parts: parts.filter(|part| part.is_copied).count(),
        };
        let object = Object {
            etag,
            metadata: self.metadata,
            taken,
        };
        (self.place, object)
    }
}
