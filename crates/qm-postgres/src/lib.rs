//! How a `PostgreSQL` server is reached, for the ledger that nodes share and for tables that files are
//! loaded into: what a connection string asks for, TLS, and what an error means for the next try.

mod cure;
mod server;
mod tls;

pub use cure::{Cure, cure};
pub use server::{Line, Server};
pub use tls::Session;
