//! The SFTP front: an SSH server for one subsystem.
//!
//! SSH itself (key exchange, ciphers, packets) is russh's; the accept loop, the SFTP layer and
//! every limit are ours. A connection passes `server` (accepting, admission), `transport` (one
//! connection: login, deadlines, channels), `session` (one channel: queue, batches, replies) and
//! `ops` (one file an operation); `wire` is the codec (what both ends share of it is in `qm-sftp-wire`)
//! and knows nothing but bytes. What a client
//! asks is done by a [`Mailbox`](qm_core::ports::mailbox::Mailbox): this crate decides nothing
//! about names, rights or files.
//!
//! The order of requests on a channel is the order of their execution. Nothing here buffers
//! without a bound: see `limits`.

pub mod client;
mod host_key;
mod life;
mod limits;
mod operator;
mod ops;
mod server;
mod session;
mod shares;
mod transport;
mod wire;
mod workers;

pub use host_key::HostKey;
pub use operator::OperatorSession;
pub use server::{Listening, Server, SftpConfig};
