//! Ports: the traits behind which the layer-2 crates do their work. `dyn` everywhere.

pub mod access;
pub mod bucket;
pub mod clock;
pub mod connector;
pub mod deposit;
pub mod encryption;
pub mod findings;
pub mod ledger;
pub mod look;
pub mod mailbox;
pub mod source;

use std::future::Future;
use std::pin::Pin;

/// A boxed future that borrows nothing.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;
