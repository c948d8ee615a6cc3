//! OPENDIR and READDIR: a folder of any size in replies of bounded size.

use qm_core::audit::Activity;
use qm_core::ports::bucket::Entry;
use qm_core::{Error, Kind, Result};
use std::collections::VecDeque;

use super::Answer;
use crate::limits::{NAMES_BYTES, NAMES_MAX};
use crate::session::{Listed, Open, Session};
use crate::wire::HandleId;

/// What a name costs in a reply besides its two copies: lengths, attributes, the columns of `ls`.
const ENTRY_OVERHEAD_BYTES: usize = 4 + 4 + 24 + 64;

/// Fails if the folder is not there: clients use it as `cd`.
pub(super) async fn opendir(session: &mut Session, path: &[u8]) -> Result<Answer> {
    let place = session.handles.place()?;
    let path = session.mailbox.resolve(path, Activity::Open).await?;
    let listing = session.mailbox.list(&path).await?;
    // What is above the root shows as the root itself.
    let own = session.mailbox.stat(&path).await?;
    let waiting = [".", ".."]
        .map(|name| Entry {
            name: name.to_owned(),
            ..own.clone()
        })
        .into();
    let listed = Listed {
        path,
        listing,
        waiting,
        is_read: false,
    };
    let handle = session.handles.insert(Open::Listed(listed), place);
    Ok(Answer::Opened(handle))
}

pub(super) async fn readdir(session: &mut Session, handle: HandleId) -> Result<Answer> {
    let Open::Listed(listed) = session.handles.get(handle)? else {
        return Err(Error::new(Kind::Invalid, "that name is not a folder"));
    };
    while listed.waiting.len() < NAMES_MAX && !listed.is_read {
        match listed.listing.next().await? {
            Some(entries) => listed.waiting.extend(entries),
            None => listed.is_read = true,
        }
    }
    let entries = next_batch(&mut listed.waiting);
    if entries.is_empty() {
        return Ok(Answer::EndOfListing);
    }
    Ok(Answer::Listed(entries))
}

fn next_batch(waiting: &mut VecDeque<Entry>) -> Vec<Entry> {
    let mut batch = Vec::with_capacity(waiting.len().min(NAMES_MAX));
    let mut size_bytes = 0;
    while batch.len() < NAMES_MAX {
        let Some(entry) = waiting.pop_front() else {
            break;
        };
        size_bytes += 2 * entry.name.len() + ENTRY_OVERHEAD_BYTES;
        batch.push(entry);
        if size_bytes >= NAMES_BYTES {
            break;
        }
    }
    batch
}
