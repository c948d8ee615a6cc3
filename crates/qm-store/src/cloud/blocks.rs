//! How large the blocks of a streamed file are.

/// A file up to this length is kept in memory until it has its name, and is one request then.
pub(super) const SMALL_BYTES_MAX: u64 = 8 * MIB;
/// How far ahead of the first missing byte a client may write: more than clients have in flight.
pub(super) const AHEAD_BYTES_MAX: u64 = 4 * MIB;

const MIB: u64 = 1024 * 1024;
const FIRST_BYTES: u64 = 4 * MIB;
/// After so many blocks they double in size. Azure takes 50,000 a file and no larger file than
/// these make is taken by any store.
#[cfg(feature = "azure")]
const SAME_SIZE_BLOCKS: u32 = 6_000;

/// The size of a block, counted from 0.
#[cfg(feature = "azure")]
pub(super) fn growing(block: u32) -> u64 {
    FIRST_BYTES << (block / SAME_SIZE_BLOCKS)
}

/// Google counts no blocks.
#[cfg(feature = "gcs")]
pub(super) fn constant(_block: u32) -> u64 {
    FIRST_BYTES
}

#[cfg(all(test, feature = "azure"))]
mod tests {
    use super::*;

    const AZURE_BLOCKS_MAX: u32 = 50_000;
    const AZURE_BLOCK_BYTES_MAX: u64 = 4_000 * MIB;

    #[test]
    fn five_tebibytes_fit() {
        let total: u64 = (0..AZURE_BLOCKS_MAX).map(growing).sum();
        assert!(total > 5 * 1024 * 1024 * MIB, "{total}");
        assert!(growing(AZURE_BLOCKS_MAX - 1) <= AZURE_BLOCK_BYTES_MAX);
    }

    #[test]
    fn memory_is_flat_up_to_64_gib() {
        let mut sent = 0;
        let largest = (0..AZURE_BLOCKS_MAX)
            .map(growing)
            .take_while(|size| {
                sent += size;
                sent < 64 * 1024 * MIB
            })
            .max();
        assert_eq!(largest, Some(8 * MIB));
    }
}
