//! Handles on the wire.

use super::{Cursor, Malformed};

/// A handle as we gave it out. Never given out twice, so that a late request cannot reach
/// another file.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct HandleId(u64);

impl HandleId {
    /// A handle that was never given out: what any string that is not ours becomes.
    const NEVER: u64 = 0;

    /// The first one that is given out.
    pub(crate) const FIRST: Self = Self(Self::NEVER + 1);

    /// The one after this.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// As sent to the client.
    pub(crate) fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    pub(super) fn decode(body: &mut Cursor) -> Result<Self, Malformed> {
        let bytes = body.string()?;
        Ok(Self(
            <[u8; 8]>::try_from(&bytes[..]).map_or(Self::NEVER, u64::from_be_bytes),
        ))
    }
}
