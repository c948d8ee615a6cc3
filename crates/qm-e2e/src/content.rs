//! Contents for files, repeatable from a seed, and their digests.

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// `SplitMix64`: repeatable randomness, nothing secret.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `limit - 1`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.number() % limit.max(1)
    }
}

/// A table of text of about `size_bytes`, different for every seed.
pub fn csv(seed: u64, size_bytes: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut text = String::from("id,date,amount\n");
    let mut row = 0_u64;
    while text.len() < size_bytes {
        row += 1;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{row},2026-11-20,{}", random.number());
    }
    text.truncate(size_bytes);
    text.into_bytes()
}

/// The smallest zip that is a workbook by our rules: one stored entry below `xl/`.
pub fn workbook() -> Vec<u8> {
    let name = b"xl/workbook.xml";
    let length = u16::try_from(name.len()).unwrap_or_default().to_le_bytes();
    // Version, flags, method, time, date, checksum and both sizes: of an empty stored entry.
    let common = [
        &[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..],
        &[0; 12],
        &length,
        &[0, 0],
    ]
    .concat();
    let local = [b"PK\x03\x04", &common[..], name].concat();
    let central = [b"PK\x01\x02\x14\x00", &common[..], &[0; 14], name].concat();
    let size = |part: &[u8]| u32::try_from(part.len()).unwrap_or_default().to_le_bytes();
    let end = [
        b"PK\x05\x06\0\0\0\0\x01\0\x01\0",
        &size(&central)[..],
        &size(&local),
        &[0, 0],
    ]
    .concat();
    [local, central, end].concat()
}

/// SHA-256 in hex.
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// SHA-256 of a file in hex.
pub fn digest_of(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(digest(&bytes))
}
