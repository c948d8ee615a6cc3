//! The connectors against a real file system, the mail notifier against a real conversation.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers fail the test as the test itself does"
)]

mod directory;
mod directory_refusals;
mod email;
mod email_tls;
mod share;
mod smtp_peer;
