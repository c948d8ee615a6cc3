//! What the end-to-end tests and the recipes' checks share: a [`World`] is one temporary folder
//! with a configuration, keys, the real binary running in it, and the unmodified clients that
//! partners use. Nothing is faked and nothing is global: every world has its own ports, folders
//! and processes, and takes them with it when it is dropped.
//!
//! The harness knows the binary only from outside: its command line, its wire, its files. A test
//! waits for a state with a deadline ([`wait`]), never for a time.

pub mod clients;
mod clock;
mod configuration;
mod content;
pub mod document;
mod http_proxy;
mod keys;
mod mail_server;
mod moto;
mod mounts;
mod node;
mod process;
mod rows;
mod s3_server;
pub mod wait;
mod world;

pub use clock::{Due, due_in, now};
pub use configuration::Configuration;
pub use content::{Random, csv, digest, digest_of, workbook};
pub use http_proxy::{Hold, HttpProxy};
pub use keys::{Algorithm, KeyPair};
pub use mail_server::{Mail, MailServer, free_port};
pub use moto::Moto;
pub use mounts::{ReadOnly, SmallDisk};
pub use node::{Node, binary};
pub use process::{Background, Ran, run};
pub use rows::{Row, Rows};
pub use s3_server::S3Server;
pub use world::World;
