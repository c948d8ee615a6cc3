//! Where objects are. A directory bucket is a tree on disk: the tree is the truth, our own
//! `.quaymaster` folder beside it (same file system) holds what is being received and what was
//! superseded but is still needed. Every path is resolved below the bucket's root by the kernel,
//! without following a link; nothing here knows a protocol or a database.

#[cfg(any(feature = "gcs", feature = "azure"))]
mod cloud;
mod confined;
mod coverage;
mod deposits;
mod directory;
mod disk;
mod envelope_page;
mod errors;
mod folder_sync;
mod folders;
mod form;
mod listing;
mod operations;
mod s3;
mod sealing;
mod seen_names;
mod staged;
mod unnamed;
mod watch;

#[cfg(any(feature = "gcs", feature = "azure"))]
pub use cloud::CloudBucket;
pub use confined::{ConfinedDisk, Durability};
pub use directory::DirectoryBucket;
pub use disk::{Disk, DiskEntries, DiskEntry, DiskFile, DiskStat, FileKind};
pub use s3::{Arena, S3Bucket, S3Contents, S3Limits, S3Options};
pub use sealing::SealedBucket;
pub use watch::{ListingWatch, SqsWatch, Timing, WatchPorts};
