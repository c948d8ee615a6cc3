//! The front driven over real sockets: by a client that sends what it likes, and by `OpenSSH`'s.

mod client;
mod fake;
mod house;
mod lifecycle;
mod limits;
mod login;
mod openssh;
mod operations;
mod refusals;
mod uploads;
