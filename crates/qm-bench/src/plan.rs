//! What is measured, and who is.

use std::fmt;

/// What is asked about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Subject {
    /// The SFTP front over folders.
    Front,
    /// The SFTP front over an S3 bucket.
    Store,
}

/// Who is measured.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Contestant {
    /// Debian's sshd with its internal SFTP server, which syncs and records nothing.
    OpenSsh,
    /// Ours, as it is shipped.
    Durable,
    /// Ours with syncing off: tells what durability costs, and is of no other use.
    Unsynced,
    /// Debian's `rclone serve sftp` over the bucket.
    Rclone,
    /// Ours over the bucket.
    OnS3,
    /// Ours over the bucket, which it seals.
    SealedOnS3,
}

impl Contestant {
    /// Those that a subject compares; first who was there before us.
    pub(crate) fn of(subject: Subject) -> [Self; 3] {
        match subject {
            Subject::Front => [Self::OpenSsh, Self::Durable, Self::Unsynced],
            Subject::Store => [Self::Rclone, Self::OnS3, Self::SealedOnS3],
        }
    }

    /// Everybody else needs our binary.
    pub(crate) fn is_foreign(self) -> bool {
        match self {
            Self::OpenSsh | Self::Rclone => true,
            Self::Durable | Self::Unsynced | Self::OnS3 | Self::SealedOnS3 => false,
        }
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenSsh => "OpenSSH",
            Self::Durable => "ours, durable",
            Self::Unsynced => "ours, not synced",
            Self::Rclone => "rclone",
            Self::OnS3 => "ours",
            Self::SealedOnS3 => "ours, sealed",
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
    /// An S3 server that keeps its files in tmpfs.
    S3,
    /// One that keeps nothing; the servers' own folders are on a disk.
    Discarding,
}

impl Place {
    pub(crate) fn of(subject: Subject) -> &'static [Self] {
        match subject {
            Subject::Front => &[Self::Memory, Self::Disk],
            Subject::Store => &[Self::S3, Self::Discarding],
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "tmpfs",
            Self::Disk => "disk",
            Self::S3 => "S3",
            Self::Discarding => "discarding S3",
        })
    }
}

/// From the client's side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    Down,
    Up,
}

/// What clients of today agree on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cipher {
    /// rclone has no other of AES-GCM.
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20,
}

impl Cipher {
    pub(crate) fn ssh_name(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "aes128-gcm@openssh.com",
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
    /// [`CLIENTS`] sessions at a time, each with its share of the large file.
    ManyClients(Direction),
    /// [`CLIENTS`] sessions at a time, each with a file much longer than what may be held of it.
    LongFiles,
    /// Sessions that are open and ask for nothing.
    IdleSessions,
    /// A folder with many names, put there by somebody else.
    Listing,
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

/// Partners whose nightly uploads meet.
pub(crate) const CLIENTS: u32 = 64;

/// All lines, in the order of the table.
pub(crate) fn workloads(subject: Subject) -> Vec<Workload> {
    let works = match subject {
        Subject::Front => front(),
        Subject::Store => store(),
    };
    works
        .into_iter()
        .map(|(place, work)| Workload { place, work })
        .collect()
}

/// Who takes part: a sealed bucket shows nothing that somebody else put there, and what is held of
/// long files has a bar of its own, whatever others hold.
pub(crate) fn takes_part(contestant: Contestant, work: Work) -> bool {
    match work {
        Work::Listing => contestant != Contestant::SealedOnS3,
        Work::LongFiles => !contestant.is_foreign(),
        Work::Bulk(..)
        | Work::Connects
        | Work::SmallFiles { .. }
        | Work::ManyClients(_)
        | Work::IdleSessions => true,
    }
}

/// Uploads: what rclone gives back over this S3 server is twice as long as the file.
fn store() -> Vec<(Place, Work)> {
    let mut works: Vec<_> = [
        Work::Bulk(Direction::Up, Cipher::Aes128Gcm),
        Work::SmallFiles { sessions: 1 },
        Work::SmallFiles {
            sessions: SESSIONS_MANY,
        },
        Work::ManyClients(Direction::Up),
        Work::Listing,
    ]
    .map(|work| (Place::S3, work))
    .into();
    works.push((Place::Discarding, Work::LongFiles));
    works
}

fn front() -> Vec<(Place, Work)> {
    // First: memory that other work gave back to the allocator would be taken for sessions.
    let mut works = vec![(Place::Memory, Work::IdleSessions)];
    for direction in [Direction::Up, Direction::Down] {
        for cipher in [Cipher::Aes256Gcm, Cipher::ChaCha20] {
            works.push((Place::Memory, Work::Bulk(direction, cipher)));
        }
    }
    works.extend([
        (Place::Memory, Work::SmallFiles { sessions: 1 }),
        (Place::Memory, Work::Connects),
        (Place::Memory, Work::ManyClients(Direction::Up)),
        (Place::Memory, Work::ManyClients(Direction::Down)),
        (Place::Disk, Work::SmallFiles { sessions: 1 }),
        (
            Place::Disk,
            Work::SmallFiles {
                sessions: SESSIONS_MANY,
            },
        ),
    ]);
    works
}
