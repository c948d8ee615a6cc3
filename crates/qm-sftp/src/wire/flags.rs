//! The flags of OPEN.

/// Flags of OPEN.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct OpenFlags(pub(crate) u32);

impl OpenFlags {
    pub(crate) const READ: u32 = 0x01;
    pub(crate) const WRITE: u32 = 0x02;
    const APPEND: u32 = 0x04;
    pub(crate) const CREATE: u32 = 0x08;
    pub(crate) const TRUNCATE: u32 = 0x10;
    pub(crate) const EXCLUSIVE: u32 = 0x20;

    pub(crate) fn reads(self) -> bool {
        self.0 & Self::READ != 0
    }

    /// Some clients ask for APPEND without WRITE.
    pub(crate) fn writes(self) -> bool {
        self.0 & (Self::WRITE | Self::APPEND) != 0
    }

    pub(crate) fn appends(self) -> bool {
        self.0 & Self::APPEND != 0
    }

    pub(crate) fn creates(self) -> bool {
        self.0 & Self::CREATE != 0
    }

    pub(crate) fn truncates(self) -> bool {
        self.0 & Self::TRUNCATE != 0
    }

    pub(crate) fn is_exclusive(self) -> bool {
        self.0 & Self::EXCLUSIVE != 0
    }
}
