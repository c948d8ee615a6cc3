//! The connectors against a real file system and a real SFTP server, the mail notifier against a real conversation.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers fail the test as the test itself does"
)]

mod directory;
mod directory_nodes;
mod directory_refusals;
mod email;
mod email_tls;
mod removing;
mod sftp;
mod share;
mod smtp_peer;
