//! READ, in runs: neighbours are fetched at once and answered with slices of what was fetched.

use bytes::Bytes;
use qm_core::{Error, Kind, Result};

use super::failed;
use crate::limits::DATA_BYTES_MAX;
use crate::session::{Open, ReadRequest, Session};
use crate::wire::HandleId;
use qm_sftp_wire::Status;

pub(crate) async fn read(session: &mut Session, handle: HandleId, requests: &[ReadRequest]) {
    let mut fetched = Fetched::default();
    for (index, request) in requests.iter().enumerate() {
        if fetched.slice(request).is_none() && !fetched.is_behind_end(request) {
            let length = run_length(&requests[index..]);
            match fetch(session, handle, request.offset, length).await {
                Ok(bytes) => fetched.put(request.offset, bytes),
                Err(error) => {
                    failed(session, request.id, "read", &error);
                    continue;
                }
            }
        }
        match fetched.slice(request) {
            Some(data) => session.replies.data(request.id, data),
            None => session
                .replies
                .status(request.id, Status::Eof, "end of file"),
        }
    }
}

/// What was fetched last.
#[derive(Default)]
struct Fetched {
    offset: u64,
    bytes: Bytes,
    end: Option<u64>,
}

impl Fetched {
    fn put(&mut self, offset: u64, bytes: Bytes) {
        if bytes.is_empty() {
            self.end = Some(offset);
        }
        self.offset = offset;
        self.bytes = bytes;
    }

    /// The answer to `request`, if at least its beginning was fetched. Clients ask again for
    /// what a short answer lacks.
    fn slice(&self, request: &ReadRequest) -> Option<Bytes> {
        let from = usize::try_from(request.offset.checked_sub(self.offset)?).ok()?;
        if from >= self.bytes.len() {
            return None;
        }
        let to = self.bytes.len().min(from + wanted(request) as usize);
        Some(self.bytes.slice(from..to)).filter(|slice| !slice.is_empty())
    }

    fn is_behind_end(&self, request: &ReadRequest) -> bool {
        self.end.is_some_and(|end| request.offset >= end)
    }
}

fn wanted(request: &ReadRequest) -> u32 {
    request.length.min(DATA_BYTES_MAX)
}

/// How much the first request and those that continue it want together.
fn run_length(requests: &[ReadRequest]) -> u32 {
    let Some(first) = requests.first() else {
        return 0;
    };
    let mut length = 0;
    for request in requests {
        if first.offset.checked_add(u64::from(length)) != Some(request.offset) {
            break;
        }
        length += wanted(request);
    }
    length
}

async fn fetch(session: &mut Session, handle: HandleId, offset: u64, length: u32) -> Result<Bytes> {
    match session.handles.get(handle)? {
        Open::Reading(reading) => reading.content.read(offset, length).await,
        Open::Writing(writing) if writing.reads => writing.upload.read(offset, length).await,
        Open::Writing(_) => Err(Error::new(
            Kind::Refused,
            "that file was not opened for reading",
        )),
        Open::Listed(_) => Err(Error::new(Kind::Invalid, "that name is a folder")),
    }
}
