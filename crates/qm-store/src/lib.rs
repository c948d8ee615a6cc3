//! Where objects are. A directory bucket is a tree on disk: the tree is the truth, our own
//! `.quaymaster` folder beside it (same file system) holds what is being received and what was
//! superseded but is still needed. Every path is resolved below the bucket's root by the kernel,
//! without following a link; nothing here knows a protocol or a database.

mod confined;
mod coverage;
mod directory;
mod disk;
mod errors;
mod folder_sync;
mod listing;
mod operations;
mod staged;

pub use confined::{ConfinedDisk, Durability};
pub use directory::DirectoryBucket;
pub use disk::{Disk, DiskEntries, DiskEntry, DiskFile, DiskStat, FileKind};
