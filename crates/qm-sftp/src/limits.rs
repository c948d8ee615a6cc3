//! Every bound on what a peer can make us spend, with its reason (INV-10).

pub(crate) use qm_sftp_wire::limits::{DATA_BYTES_MAX, PACKET_BYTES_MAX, SMALL_BYTES};
use std::time::Duration;

/// From accept to login. russh's own timeout starts again with every packet, this one does not.
pub(crate) const LOGIN_DEADLINE: Duration = Duration::from_secs(30);
/// Keys a client may offer: agents hold a handful, an enumeration holds thousands.
pub(crate) const KEY_OFFERS_MAX: u32 = 20;
/// What a peer may send before it is logged in: a handshake and twenty offers of large keys take
/// less than half. Every repeated key exchange costs us far more time than it costs the peer.
pub(crate) const UNPROVEN_BYTES_MAX: usize = 64 * 1024;
/// Rejected logins are answered no sooner, so that the time does not tell why.
pub(crate) const REJECTION_TIME: Duration = Duration::from_millis(300);
/// Nothing received for so long: ask whether the peer is there.
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// Unanswered questions before the peer counts as gone.
pub(crate) const KEEPALIVES_UNANSWERED_MAX: usize = 3;
/// A peer that takes nothing from its socket for so long is gone.
pub(crate) const UNRESPONSIVE: Duration = Duration::from_mins(5);
/// A removed account or key must end its sessions within 5 s (INV-12).
pub(crate) const CURRENT_CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Time for a peer to read why it is disconnected before its socket is closed.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);
/// Time for open uploads to be kept when the server stops; systemd kills after 90 s.
pub(crate) const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(20);
/// Pause after `accept` failed for want of descriptors or memory: sessions that end free some.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Channels open at a time on one connection; `OpenSSH`'s `MaxSessions`.
pub(crate) const CHANNELS_MAX: usize = 10;
/// Channels over the life of a connection: russh keeps a few bytes of every one that we closed.
pub(crate) const CHANNELS_EVER_MAX: usize = 4096;
/// What a client may send on a channel before we answer with more window: 80 MB/s at 50 ms.
pub(crate) const WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// The largest piece of a channel's data in one SSH packet: what every client can send.
pub(crate) const CHANNEL_PACKET_BYTES: u32 = 32 * 1024;
/// SSH packets that wait for the executor of a channel: 512 KiB at full size. When they are there,
/// the connection is not read.
pub(crate) const CHANNEL_QUEUE_PACKETS: usize = 16;
/// Packets that wait to be encrypted and sent, over all channels of a connection: 128 KiB. russh
/// encrypts what waits before it sends any, so a longer queue is more memory and no more speed.
pub(crate) const SEND_QUEUE_PACKETS: usize = 4;

/// Open handles of a connection, over all its channels.
pub(crate) const HANDLES_MAX: usize = 64;
/// Requests decoded ahead of the executor; the others wait as bytes.
pub(crate) const REQUESTS_AHEAD_MAX: usize = 128;
/// Decoded requests are at most so large together before the executor takes them.
pub(crate) const REQUESTS_AHEAD_BYTES: usize = WRITE_BATCH_BYTES;
/// Data of consecutive WRITEs handed over at once: amortises a hop to a blocking thread, and
/// three of them (received, handed over, queued) are what an upload costs.
pub(crate) const WRITE_BATCH_BYTES: usize = 256 * 1024;
/// Data of consecutive READs fetched at once; a download holds two or three of them, and what they
/// are sent from stays in the processor's cache.
pub(crate) const READ_BATCH_BYTES: usize = 128 * 1024;
/// Requests that a client may send while it does not read our replies, over all channels of its
/// connection and beyond what each decodes ahead: twice the window is more than any client sends
/// before it learns that it should read.
pub(crate) const UNREAD_BYTES_MAX: usize = 2 * WINDOW_BYTES as usize;
/// Replies collected before they are sent although more requests wait.
pub(crate) const REPLIES_BYTES: usize = 32 * 1024;
/// Names in one reply to READDIR; `OpenSSH`'s figure.
pub(crate) const NAMES_MAX: usize = 100;
/// Bytes in one reply to READDIR: the draft lets a client refuse packets over 34,000.
pub(crate) const NAMES_BYTES: usize = 32_000;

/// How long a channel with a failed upload stays open for the client to read why: a round trip
/// and a client's buffer. Clients that never read wait no longer than this.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(2);

/// Versions in one reply to `versions@quaymaster`: well below what a packet may hold.
pub(crate) const VERSIONS_MAX: usize = 1000;
