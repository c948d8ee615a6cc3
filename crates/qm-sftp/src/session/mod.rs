//! One channel: requests in, replies out.
//!
//! One task executes a channel's requests in the order of receipt. What it has not taken yet
//! waits in russh's bounded queue for the channel; when that is full, the connection is not read,
//! and TCP holds the client back. While a reply waits for the client's window, received requests
//! are taken off that queue all the same (up to a bound): the message that opens the window may
//! be behind them.

mod channel;
mod handles;
mod inlet;
mod outlet;
mod unit;

pub(crate) use channel::{Channel, Outcome};
pub(crate) use handles::{Handles, Listed, Open, Reading, Writing};
pub(crate) use unit::ReadRequest;

use qm_core::id::AccountName;
use qm_core::ports::clock::Clock;
use qm_core::ports::mailbox::Mailbox;
use std::sync::Arc;

use crate::wire::Replies;

/// What the operations of one channel work on.
pub(crate) struct Session {
    /// What the account can do.
    pub(crate) mailbox: Arc<dyn Mailbox>,
    /// Whose it is.
    pub(crate) account: AccountName,
    /// What is open.
    pub(crate) handles: Handles,
    /// What is answered and not sent.
    pub(crate) replies: Replies,
    /// For the times of listings.
    pub(crate) clock: Arc<dyn Clock>,
}
