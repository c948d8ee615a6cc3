//! The final name: in one step where the server offers it, else in the server's way.

use parking_lot::Mutex;
use qm_core::delivery::Outcome;
use qm_core::ports::bucket::Entry;
use qm_core::{Error, Kind, Result, Retry};
use qm_sftp_wire::Status;
use qm_sftp_wire::client::{Client, call, refusal};
use qm_sftp_wire::extension;

use super::faults::{fault, is_answer};
use super::names::Names;

/// How a file gets its final name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// `posix-rename@openssh.com`: what had the name is replaced in one step.
    Replace,
    /// RENAME: to a name that is free, or on a server that replaces by itself.
    Plain,
    /// What had the name was removed first: for a moment there is none.
    RemoveFirst,
}

impl Way {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Replace => "posix-rename",
            Self::Plain => "rename, for the server has no posix-rename",
            Self::RemoveFirst => "removal and rename, for the server cannot replace a file",
        }
    }

    /// What becomes of a file that has the name.
    pub(super) fn words_of_replacing(self) -> &'static str {
        match self {
            Self::Replace => "a newer file takes the name of an older one in one step",
            Self::Plain => {
                "a newer file takes the name of an older one, by a rename of the server that replaces"
            }
            Self::RemoveFirst => {
                "an older file is removed before a newer one takes its name: for a moment there is none"
            }
        }
    }
}

/// The way that worked with this server.
#[derive(Default)]
pub(super) struct KnownWay(Mutex<Option<Way>>);

impl KnownWay {
    fn first(&self, client: &Client) -> Way {
        match *self.0.lock() {
            Some(Way::Plain | Way::RemoveFirst) => Way::Plain,
            Some(Way::Replace) | None if client.offers(extension::POSIX_RENAME) => Way::Replace,
            Some(Way::Replace) | None => Way::Plain,
        }
    }
}

/// Names the temp file. `Ok` means that the server said so, with what it shows under the name then.
pub(super) async fn publish(
    client: &mut Client,
    names: &Names,
    known: &KnownWay,
) -> Result<(Way, Result<Entry>), Outcome> {
    let mut way = known.first(client);
    loop {
        let (renamed, looked) = match way {
            Way::Replace => rename(client, names, call::replace(&names.temp, &names.target)).await,
            Way::Plain => rename(client, names, call::rename(&names.temp, &names.target)).await,
            Way::RemoveFirst => remove_and_rename(client, names).await,
        };
        let Err(error) = renamed else {
            *known.0.lock() = Some(way);
            return Ok((way, looked));
        };
        let is_taken = looked.is_ok();
        way = match (way, refusal(&error)) {
            (_, None) => return Err(Outcome::Unclear(fault("renaming", &names.target, error))),
            (Way::Replace, Some(Status::Unsupported)) => Way::Plain,
            (Way::Plain, Some(_)) if is_taken => Way::RemoveFirst,
            (Way::RemoveFirst, Some(_)) if !is_taken => {
                let lost = fault("renaming", &names.target, error).with(
                    "removed",
                    "what had the name was removed; the next attempt names the file",
                );
                return Err(Outcome::Failed(lost));
            }
            (Way::Replace | Way::Plain | Way::RemoveFirst, Some(_)) => {
                return Err(Outcome::Failed(fault("renaming", &names.target, error)));
            }
        };
    }
}

/// What is under the final name is what was sent, or was taken away already. An error says that it is
/// something else, though the server confirmed the name: the partner may have taken the file and put
/// another there, so nobody knows whether it arrived.
pub(super) async fn look_again(
    client: &mut Client,
    names: &Names,
    looked: Result<Entry>,
    size_bytes: u64,
) -> Result<&'static str> {
    const AWAY: &str = "it was taken away at once";
    let looked = match looked {
        Ok(entry) if entry.size_bytes == size_bytes => return Ok("it shows under its name"),
        Err(error) if !is_answer(&error) => Err(error),
        // A server that answers out of order may have looked too early.
        Ok(_) | Err(_) => client.call(call::stat(&names.target)).await,
    };
    match looked {
        Ok(entry) if entry.size_bytes == size_bytes => Ok("it shows under its name"),
        Ok(entry) => Err(Error::new(
            Kind::Conflict,
            "the destination shows another number of bytes under the final name",
        )
        .during("looking at what was delivered")
        .retry(Retry::Later)
        .with("size_bytes", size_bytes)
        .with("held_bytes", entry.size_bytes)),
        Err(error) if refusal(&error) == Some(Status::NoSuchFile) => Ok(AWAY),
        // It was whole before, and the server said that it has its name.
        Err(_) => Ok("the server did not show it again"),
    }
}

async fn rename(
    client: &mut Client,
    names: &Names,
    rename: call::Call<()>,
) -> (Result<()>, Result<Entry>) {
    let renamed = client.queue(rename);
    let looked = client.queue(call::stat(&names.target));
    let renamed = client.answer(renamed).await;
    (renamed, client.answer(looked).await)
}

/// Both are sent together: the name is free for as short a time as can be.
async fn remove_and_rename(client: &mut Client, names: &Names) -> (Result<()>, Result<Entry>) {
    let removed = client.queue(call::remove(&names.target));
    let (renamed, looked) = rename(client, names, call::rename(&names.temp, &names.target)).await;
    match client.answer(removed).await {
        // Why it could not be removed says more than that the name is taken.
        Err(error) if renamed.is_err() && is_answer(&error) => (Err(error), looked),
        _ => (renamed, looked),
    }
}
