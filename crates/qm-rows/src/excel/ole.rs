//! The compound file that Excel 97 keeps a workbook in: streams as chains of sectors. Every chain is
//! followed for as many sectors as the file has, and no further.

use qm_core::{Error, Result};

use crate::shape::refused;

const HEADER_BYTES: usize = 512;
const ENTRY_BYTES: usize = 128;
const MINI_SECTOR_BYTES: usize = 64;
/// Streams below this are in the stream of small ones.
const SMALL_BYTES: usize = 4096;
/// Above are ends and gaps.
const LAST_SECTOR: u32 = 0xffff_fffa;

struct Ole<'a> {
    bytes: &'a [u8],
    sector_bytes: usize,
    /// Which sector follows each.
    next: Vec<u32>,
}

struct Entry {
    name: String,
    start: u32,
    length: usize,
}

/// The stream of the workbook's records. `Refused` if there is none.
pub(super) fn workbook(bytes: &[u8]) -> Result<Vec<u8>> {
    let ole = Ole::open(bytes).ok_or_else(damaged)?;
    let entries = ole.entries().ok_or_else(damaged)?;
    let find = |name: &str| entries.iter().find(|entry| entry.name == name);
    if find("EncryptedPackage").is_some() {
        return Err(refused("the workbook is protected by a password"));
    }
    if find("Workbook").is_none() && find("Book").is_some() {
        return Err(refused(
            "the workbook is older than Excel 97; save it as .xlsx",
        ));
    }
    let (root, workbook) = entries
        .first()
        .zip(find("Workbook"))
        .ok_or_else(|| refused("this is no workbook of Excel"))?;
    ole.stream(workbook, root).ok_or_else(damaged)
}

pub(super) fn damaged() -> Error {
    refused("the workbook is damaged")
}

impl<'a> Ole<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let sector_bytes = match u16_at(bytes, 30)? {
            9 => 512,
            12 => 4096,
            _ => return None,
        };
        let mut ole = Self {
            bytes,
            sector_bytes,
            next: Vec::new(),
        };
        let mut tables: Vec<u32> = words(bytes.get(76..HEADER_BYTES)?).collect();
        let mut more = u32_at(bytes, 68)?;
        let mut left = ole.sectors();
        while more < LAST_SECTOR {
            left = left.checked_sub(1)?;
            let mut sector: Vec<u32> = words(ole.sector(more)?).collect();
            more = sector.pop()?;
            tables.append(&mut sector);
        }
        for table in tables.into_iter().filter(|table| *table < LAST_SECTOR) {
            if ole.next.len() > ole.sectors() {
                break;
            }
            let sector = words(ole.sector(table)?).collect::<Vec<_>>();
            ole.next.extend(sector);
        }
        Some(ole)
    }

    fn sectors(&self) -> usize {
        self.bytes.len() / self.sector_bytes
    }

    fn sector(&self, number: u32) -> Option<&'a [u8]> {
        let start = (number as usize + 1).checked_mul(self.sector_bytes)?;
        let end = (start + self.sector_bytes).min(self.bytes.len());
        self.bytes.get(start..end)
    }

    fn chain(&self, start: u32) -> Option<Vec<u8>> {
        let mut stream = Vec::new();
        let mut at = start;
        let mut left = self.sectors();
        while at < LAST_SECTOR {
            left = left.checked_sub(1)?;
            stream.extend_from_slice(self.sector(at)?);
            at = *self.next.get(at as usize)?;
        }
        Some(stream)
    }

    fn entries(&self) -> Option<Vec<Entry>> {
        let directory = self.chain(u32_at(self.bytes, 48)?)?;
        let entries = directory.chunks_exact(ENTRY_BYTES).map(|entry| {
            let length = usize::from(u16_at(entry, 64)?).min(64).saturating_sub(2);
            let units: Vec<u16> = entry[..length]
                .chunks_exact(2)
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                .collect();
            Some(Entry {
                name: String::from_utf16_lossy(&units),
                start: u32_at(entry, 116)?,
                length: u32_at(entry, 120)? as usize,
            })
        });
        entries.collect()
    }

    fn stream(&self, entry: &Entry, root: &Entry) -> Option<Vec<u8>> {
        let mut stream = if entry.length >= SMALL_BYTES {
            self.chain(entry.start)?
        } else {
            let small = self.chain(root.start)?;
            let next: Vec<u32> = words(&self.chain(u32_at(self.bytes, 60)?)?).collect();
            let mut stream = Vec::new();
            let mut at = entry.start;
            while at < LAST_SECTOR && stream.len() < entry.length {
                let start = (at as usize).checked_mul(MINI_SECTOR_BYTES)?;
                stream.extend_from_slice(small.get(start..start + MINI_SECTOR_BYTES)?);
                at = *next.get(at as usize)?;
            }
            stream
        };
        stream.truncate(entry.length);
        Some(stream)
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes([bytes[0], bytes[1]]))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let words = bytes.chunks_exact(4);
    words.map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
}
