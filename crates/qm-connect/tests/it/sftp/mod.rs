//! The connector `sftp` against OpenSSH's server, and against servers that fail on purpose.

mod cuts;
mod delivering;
mod digests;
mod front;
mod handshake;
mod hostile;
mod hosts;
mod keys;
mod line;
mod naming;
mod probing;
mod removing;
mod routes;
mod silence;
mod sshd;
mod world;
