//! The outside: the code that delivers to a kind of destination (connectors) and the code that
//! tells people (notifiers). Everything here returns an outcome; the engine records it. Nothing
//! here knows the ledger, the configuration's routes or another layer-2 crate.
//!
//! A connector keeps two promises: nothing shows at the destination under its final name before
//! it is whole and verified, and asking again after a crash ([`Connector::is_delivered`]) or
//! delivering the same delivery twice does no harm.
//!
//! [`Connector::is_delivered`]: qm_core::ports::connector::Connector::is_delivered

mod bucket;
mod directory;
mod email;
mod names;
mod sftp;

pub use bucket::{BucketConnector, OpensBucket};
pub use directory::DirectoryConnector;
pub use email::EmailNotifier;
pub use sftp::{Patience, SftpConnector};
