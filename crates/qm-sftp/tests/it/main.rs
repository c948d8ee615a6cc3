//! The front driven over real sockets: by a client that sends what it likes, and by `OpenSSH`'s.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail by panicking as tests do"
)]

mod client;
mod fake;
mod house;
mod lifecycle;
mod limits;
mod login;
mod machine;
mod neighbours;
mod openssh;
mod operations;
mod operators;
mod own_client;
mod refusals;
mod transfers;
mod unproven;
mod unread;
mod uploads;
