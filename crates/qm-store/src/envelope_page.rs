//! The page that a sealed file of a directory bucket begins with. Two slots, so that an envelope
//! is replaced by writing the other one: a write that is torn at any byte leaves the old one
//! valid. Described in `docs/formats/sealing.md`.

use aws_lc_rs::digest;

use qm_core::ports::encryption::Envelope;
use qm_core::{Error, Kind, Result};

/// As long as a page of memory, so that the bytes behind it stay aligned.
pub(crate) const PAGE_BYTES: usize = 4096;
/// Not text, not a known file type, broken by any transfer that changes line ends.
const MAGIC: [u8; 16] = *b"\x89QM-SEALED\r\n\x1a\n\x00\x01";
/// It is there twice: with one copy damaged the file is damaged, not a file in clear.
const MAGIC_OFFSETS: [usize; 2] = [0, PAGE_BYTES - MAGIC.len()];
/// Slots begin and end where sectors do: writing one never touches the sectors of the other.
const SLOT_OFFSETS: [usize; 2] = [512, 2048];
const SLOT_BYTES: usize = 1536;
const CHECKSUM_BYTES: usize = 32;
/// What the checksum at the end of a slot covers: all of it.
const CHECKED_BYTES: usize = SLOT_BYTES - CHECKSUM_BYTES;
/// Sequence number, then the text's length.
const SLOT_HEAD_BYTES: usize = 8 + 2;
const _: () = assert!(SLOT_HEAD_BYTES + Envelope::ENCODED_MAX <= CHECKED_BYTES);
/// What fills up around the slots is zero.
const GAPS: [std::ops::Range<usize>; 2] = [
    MAGIC.len()..SLOT_OFFSETS[0],
    SLOT_OFFSETS[1] + SLOT_BYTES..MAGIC_OFFSETS[1],
];

/// A page that was read.
#[derive(Debug)]
pub(crate) struct EnvelopePage {
    pub(crate) envelope: Envelope,
    sequence: u64,
    slot: usize,
}

/// Bytes to be written at an offset of the file.
pub(crate) struct SlotWrite {
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

/// The first page of a new file.
pub(crate) fn new_page(envelope: &Envelope) -> Result<Vec<u8>> {
    let mut page = vec![0; PAGE_BYTES];
    for offset in MAGIC_OFFSETS {
        page[offset..offset + MAGIC.len()].copy_from_slice(&MAGIC);
    }
    let slot = slot_bytes(1, envelope)?;
    page[SLOT_OFFSETS[0]..SLOT_OFFSETS[0] + SLOT_BYTES].copy_from_slice(&slot);
    Ok(page)
}

/// True if a file that begins so is sealed, or was.
pub(crate) fn is_sealed(begin: &[u8]) -> bool {
    MAGIC_OFFSETS.iter().any(|offset| has_magic(begin, *offset))
}

fn has_magic(begin: &[u8], offset: usize) -> bool {
    begin.get(offset..offset + MAGIC.len()) == Some(&MAGIC)
}

impl EnvelopePage {
    /// Reads the page; `None` if the file is in clear. `Invalid` if it is sealed and no slot is
    /// valid: such bytes are never given out.
    pub(crate) fn parse(begin: &[u8]) -> Result<Option<Self>> {
        if !is_sealed(begin) {
            return Ok(None);
        }
        let is_intact = MAGIC_OFFSETS.iter().all(|offset| has_magic(begin, *offset))
            && GAPS.iter().cloned().all(|gap| {
                begin
                    .get(gap)
                    .is_some_and(|gap| gap.iter().all(|byte| *byte == 0))
            });
        (0..SLOT_OFFSETS.len())
            .filter_map(|slot| Self::parse_slot(begin, slot))
            .max_by_key(|page| page.sequence)
            .filter(|_| is_intact)
            .map(Some)
            .ok_or_else(|| {
                Error::new(
                    Kind::Invalid,
                    "the envelope stored with these bytes is damaged",
                )
                .during("read an envelope page")
            })
    }

    /// What replaces the envelope.
    pub(crate) fn replace(&self, envelope: &Envelope) -> Result<SlotWrite> {
        Ok(SlotWrite {
            offset: SLOT_OFFSETS[1 - self.slot] as u64,
            bytes: slot_bytes(self.sequence + 1, envelope)?,
        })
    }

    fn parse_slot(page: &[u8], slot: usize) -> Option<Self> {
        let bytes = page.get(SLOT_OFFSETS[slot]..SLOT_OFFSETS[slot] + SLOT_BYTES)?;
        let (checked, stored) = bytes.split_at(CHECKED_BYTES);
        if checksum(checked).as_ref() != stored {
            return None;
        }
        let (sequence, rest) = checked.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let text = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
        Some(Self {
            envelope: Envelope::decode(std::str::from_utf8(text).ok()?).ok()?,
            sequence: u64::from_be_bytes(*sequence),
            slot,
        })
    }
}

fn slot_bytes(sequence: u64, envelope: &Envelope) -> Result<Vec<u8>> {
    let text = envelope.encode()?;
    let length = u16::try_from(text.len()).map_err(|error| {
        Error::new(Kind::Bug, "the server met an internal error")
            .during("write an envelope page")
            .source(error)
    })?;
    let mut bytes = Vec::with_capacity(SLOT_BYTES);
    bytes.extend_from_slice(&sequence.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.resize(CHECKED_BYTES, 0);
    let checksum = checksum(&bytes);
    bytes.extend_from_slice(checksum.as_ref());
    Ok(bytes)
}

fn checksum(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::id::{EncryptionKeyName, VersionId};

    fn envelope(generation: u32) -> Envelope {
        Envelope {
            version: VersionId::from_parts(1, 2),
            encryption_key: EncryptionKeyName::parse("landing").unwrap(),
            generation,
            data_key: vec![u8::try_from(generation).unwrap(); 60],
            wrapping: Vec::new(),
        }
    }

    fn generation(page: &[u8]) -> u32 {
        let parsed = EnvelopePage::parse(page).unwrap().unwrap();
        assert_eq!(parsed.envelope, envelope(parsed.envelope.generation));
        parsed.envelope.generation
    }

    #[test]
    fn a_write_torn_at_any_byte_leaves_the_old_or_the_new() {
        let mut page = new_page(&envelope(1)).unwrap();
        // Over an empty slot first, then over one that was valid.
        for new in 2..=5 {
            let current = EnvelopePage::parse(&page).unwrap().unwrap();
            let write = current.replace(&envelope(new)).unwrap();
            let begin = usize::try_from(write.offset).unwrap();
            let mut written = page.clone();
            written[begin..begin + write.bytes.len()].copy_from_slice(&write.bytes);
            for torn_at in 0..=write.bytes.len() {
                let mut torn = page.clone();
                torn[begin..begin + torn_at].copy_from_slice(&write.bytes[..torn_at]);
                let expect = if torn == written { new } else { new - 1 };
                assert_eq!(generation(&torn), expect, "torn at {torn_at}");
            }
            page = written;
        }
    }

    #[test]
    fn a_file_in_clear_has_no_page() {
        for begin in [&b""[..], b"a,b\n1,2\n", &[0; PAGE_BYTES], &MAGIC[..15]] {
            assert!(EnvelopePage::parse(begin).unwrap().is_none());
        }
    }

    #[test]
    fn the_magic_without_a_valid_slot_is_an_error() {
        let page = new_page(&envelope(1)).unwrap();
        for damaged in [
            MAGIC.to_vec(),
            page[..600].to_vec(),
            [&MAGIC[..], &[7; PAGE_BYTES]].concat(),
        ] {
            assert_eq!(
                EnvelopePage::parse(&damaged).unwrap_err().kind(),
                Kind::Invalid
            );
        }
    }

    #[test]
    fn a_flipped_bit_is_found_or_means_nothing() {
        let page = new_page(&envelope(1)).unwrap();
        // The slot that was never written.
        let spare = SLOT_OFFSETS[1]..SLOT_OFFSETS[1] + SLOT_BYTES;
        for bit in 0..page.len() * 8 {
            let mut flipped = page.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match EnvelopePage::parse(&flipped) {
                Err(error) => assert_eq!(error.kind(), Kind::Invalid),
                Ok(parsed) => {
                    assert_eq!(parsed.unwrap().envelope, envelope(1), "bit {bit}");
                    assert!(spare.contains(&(bit / 8)), "bit {bit}");
                }
            }
        }
    }
}
