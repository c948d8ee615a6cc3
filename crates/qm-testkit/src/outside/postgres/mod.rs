//! A `PostgreSQL` server of the tests' own, and lines to it that break where they are told.

mod cluster;
mod proxy;

pub use cluster::{Cluster, over, shared};
pub use proxy::{Proxy, RECOVERY_MAX, Side};
