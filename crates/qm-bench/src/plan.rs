//! What is measured, and who is.

use std::fmt;

/// Who is measured.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Contestant {
    /// Debian's sshd with its internal SFTP server, which syncs and records nothing.
    OpenSsh,
    /// Ours, as it is shipped.
    Durable,
    /// Ours with syncing off: tells what durability costs, and is of no other use.
    Unsynced,
}

impl Contestant {
    pub(crate) const ALL: [Self; 3] = [Self::OpenSsh, Self::Durable, Self::Unsynced];
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenSsh => "OpenSSH",
            Self::Durable => "ours, durable",
            Self::Unsynced => "ours, not synced",
        })
    }
}

/// Where the servers keep their files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// tmpfs: the protocol alone.
    Memory,
    /// A disk: what a sync costs shows.
    Disk,
}

impl Place {
    pub(crate) const ALL: [Self; 2] = [Self::Memory, Self::Disk];
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "tmpfs",
            Self::Disk => "disk",
        })
    }
}

/// From the client's side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    Down,
    Up,
}

/// Both are what clients of today agree on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cipher {
    Aes256Gcm,
    ChaCha20,
}

impl Cipher {
    pub(crate) fn ssh_name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "aes256-gcm@openssh.com",
            Self::ChaCha20 => "chacha20-poly1305@openssh.com",
        }
    }
}

/// What the clients do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Work {
    /// One large file in one session.
    Bulk(Direction, Cipher),
    /// Sessions one after another that log in, start SFTP and leave.
    Connects,
    /// Files of [`SMALL_FILE_BYTES`], shared out over so many sessions at a time.
    SmallFiles { sessions: u32 },
}

/// One line of the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Workload {
    pub(crate) place: Place,
    pub(crate) work: Work,
}

/// As partners' flags and daily extracts are: one block of a disk.
pub(crate) const SMALL_FILE_BYTES: u64 = 4 << 10;
/// Enough for concurrent closes to share a commit.
pub(crate) const SESSIONS_MANY: u32 = 16;

/// All lines, in the order of the table.
pub(crate) fn workloads() -> Vec<Workload> {
    let mut works = Vec::new();
    for direction in [Direction::Up, Direction::Down] {
        for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20] {
            works.push((Place::Memory, Work::Bulk(direction, cipher)));
        }
    }
    works.extend([
        (Place::Memory, Work::SmallFiles { sessions: 1 }),
        (Place::Memory, Work::Connects),
        (Place::Disk, Work::SmallFiles { sessions: 1 }),
        (
            Place::Disk,
            Work::SmallFiles {
                sessions: SESSIONS_MANY,
            },
        ),
    ]);
    works
        .into_iter()
        .map(|(place, work)| Workload { place, work })
        .collect()
}
