//! Every bound on what the other end can make us hold, with its reason (INV-10).

/// Data in one READ or WRITE, as `limits@openssh.com` tells it; `OpenSSH`'s figure.
pub const DATA_BYTES_MAX: u32 = 261_120;
/// The length field of an SFTP packet: 256 KiB of data, which clients that do not ask for limits
/// may send, and its header.
pub const PACKET_BYTES_MAX: usize = 256 * 1024 + 1024;
/// The most that is read off a stream at once: a packet of the largest kind.
pub const STREAM_READ_BYTES: usize = 256 * 1024;
/// Smaller pieces of received or sent data are copied together rather than kept apart.
pub const SMALL_BYTES: usize = 4096;

/// READs and WRITEs of our client that wait for replies.
pub const CLIENT_REQUESTS: usize = 64;
/// Their data: 80 MB/s at 50 ms. Our server takes so much without being read.
pub const CLIENT_BYTES: usize = 4 * 1024 * 1024;
/// What a server takes in one WRITE that does not say: the draft's figure.
pub const DATA_BYTES_COMMON: u32 = 32 * 1024;
/// A server that says that it takes less is not made to be sent a byte at a time.
pub const DATA_BYTES_LEAST: u32 = 1024;
/// Requests of our client that are collected before they are sent.
pub const COLLECTED_BYTES: usize = 32 * 1024;
/// Replies that came before the one that is waited for: those to other requests under way are a few
/// bytes each.
pub const EARLY_BYTES: usize = 1024 * 1024;
/// A handle, by the draft.
pub const HANDLE_BYTES_MAX: usize = 256;
/// Extensions that a server may offer; those that offer most have thirty.
pub const EXTENSIONS_MAX: usize = 256;
