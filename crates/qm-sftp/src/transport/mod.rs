//! One connection: from the first byte to the last, whatever the peer does.

mod algorithms;
mod connection;
mod fault;
mod handler;
mod login;
mod panic_watch;
mod socket;

pub(crate) use algorithms::ssh_config;
pub(crate) use connection::{Front, serve};
