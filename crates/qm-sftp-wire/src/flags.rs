//! The flags of OPEN.

/// Flags of OPEN.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OpenFlags(
    /// As on the wire.
    pub u32,
);

impl OpenFlags {
    /// To read.
    pub const READ: u32 = 0x01;
    /// To write.
    pub const WRITE: u32 = 0x02;
    /// Write at the end.
    pub const APPEND: u32 = 0x04;
    /// Make the file if it is not there.
    pub const CREATE: u32 = 0x08;
    /// Begin with an empty file.
    pub const TRUNCATE: u32 = 0x10;
    /// Fail if the file is there.
    pub const EXCLUSIVE: u32 = 0x20;

    /// True if it reads.
    pub fn reads(self) -> bool {
        self.0 & Self::READ != 0
    }

    /// Some clients ask for APPEND without WRITE.
    pub fn writes(self) -> bool {
        self.0 & (Self::WRITE | Self::APPEND) != 0
    }

    /// True if every write goes to the end.
    pub fn appends(self) -> bool {
        self.0 & Self::APPEND != 0
    }

    /// True if it makes the file.
    pub fn creates(self) -> bool {
        self.0 & Self::CREATE != 0
    }

    /// True if it empties the file.
    pub fn truncates(self) -> bool {
        self.0 & Self::TRUNCATE != 0
    }

    /// True if the file must not be there.
    pub fn is_exclusive(self) -> bool {
        self.0 & Self::EXCLUSIVE != 0
    }
}
