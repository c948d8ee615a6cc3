//! One session: requests in, replies out, over a channel of an SSH connection or a stream of its
//! own.
//!
//! One task executes a session's requests in the order of receipt. What it has not taken yet
//! waits in russh's bounded queue for the channel; when that is full, the connection is not read,
//! and TCP holds the client back. While a reply waits for the client's window, received requests
//! are taken off that queue all the same (up to a bound): the message that opens the window may
//! be behind them.

mod channel;
mod handles;
mod inlet;
mod outlet;
mod serve;
mod unit;

pub(crate) use channel::Channel;
pub(crate) use handles::{Handles, Listed, Open, Reading, Writing};
pub(crate) use inlet::Input;
pub(crate) use outlet::Outlet;
pub(crate) use serve::{Outcome, serve};
pub(crate) use unit::ReadRequest;

use qm_core::id::AccountName;
use qm_core::ports::clock::Clock;
use qm_core::ports::mailbox::Mailbox;
use std::fmt;
use std::sync::Arc;

use crate::life::Life;
use crate::wire::{Greeting, Replies};
use crate::workers::Worker;

/// What the operations of one session work on.
pub(crate) struct Session {
    /// What can be done.
    pub(crate) mailbox: Arc<dyn Mailbox>,
    /// Whose it is.
    pub(crate) who: Who,
    /// What is open.
    pub(crate) handles: Handles,
    /// What is answered and not sent.
    pub(crate) replies: Replies,
    /// For the times of listings.
    pub(crate) clock: Arc<dyn Clock>,
}

/// Whose a session is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Who {
    /// A partner's.
    Account(AccountName),
    /// Of an operator of this machine, by Unix user.
    Operator(String),
}

impl Session {
    /// `worker` is held until the last upload is committed or abandoned.
    pub(crate) fn new(
        mailbox: Arc<dyn Mailbox>,
        who: Who,
        life: Arc<Life>,
        worker: Worker,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            mailbox,
            who,
            handles: Handles::new(life, worker),
            replies: Replies::default(),
            clock,
        }
    }
}

impl Who {
    /// The user name that was logged in with.
    pub(crate) fn user(&self) -> &str {
        match self {
            Self::Account(account) => account.as_str(),
            Self::Operator(user) => user,
        }
    }

    /// What the session is greeted with.
    pub(crate) fn greeting(&self) -> Greeting {
        match self {
            Self::Account(_) => Greeting::Account,
            Self::Operator(_) => Greeting::Operator,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => write!(f, "{account}"),
            Self::Operator(user) => write!(f, "operator {user}"),
        }
    }
}
