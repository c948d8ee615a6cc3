//! What an xlsx would unpack to, counted before a parser sees it: what its directory says of sizes is
//! not believed, and the parser gets what was counted and nothing else, however it reads directories.

use flate2::read::DeflateDecoder;
use qm_core::Result;
use rawzip::{CompressionMethod, ZipArchive, ZipArchiveWriter};
use std::io::{Read, Write, sink};

use super::markup::Markup;
use crate::shape::refused;

/// Parts of a workbook: one of a thousand sheets has three times as many.
const ENTRIES: usize = 10_000;
/// All parts together: a sheet of a million rows and ten columns.
const TOTAL_BYTES: u64 = 512 * 1024 * 1024;
/// Texts that cells share, which are held in memory.
const SHARED: Cap = Cap {
    bytes: 64 * 1024 * 1024,
    tags: 4_000_000,
};
/// Formats of cells, names of sheets and the like, which are held in memory and grow there: Excel has
/// at most 64,000 formats.
const OTHER: Cap = Cap {
    bytes: 16 * 1024 * 1024,
    tags: 256 * 1024,
};

/// Pictures and the like: nobody looks into them.
const PICTURE: Cap = Cap {
    bytes: 32 * 1024 * 1024,
    tags: u64::MAX,
};
/// Sheets, of which one is read cell by cell, and parts that nobody reads.
const ANY: Cap = Cap {
    bytes: TOTAL_BYTES,
    tags: u64::MAX,
};
/// What a parser may read is called so; whatever else there is, embedded documents say, it does not get.
const MARKUP: [&str; 2] = [".xml", ".rels"];
/// No part of a workbook has a longer name.
const NAME_BYTES: usize = 255;
const PICTURES: [&str; 7] = [".png", ".jpeg", ".jpg", ".gif", ".emf", ".wmf", ".bin"];

#[derive(Clone, Copy)]
struct Cap {
    bytes: u64,
    tags: u64,
}

/// The parts that a parser may read, as they are in the workbook. Refuses workbooks that become too
/// large.
pub(super) fn counted(bytes: &[u8]) -> Result<Vec<u8>> {
    let damaged = || refused("the workbook is damaged: it is not a zip that can be read");
    let archive = ZipArchive::from_slice(bytes).map_err(|cause| damaged().source(cause))?;
    let mut parts = ZipArchiveWriter::new(Vec::new());
    let mut left = TOTAL_BYTES;
    let mut packed_left = bytes.len();
    let mut entries = archive.entries();
    let mut count = 0;
    while let Some(entry) = entries
        .next_entry()
        .map_err(|cause| damaged().source(cause))?
    {
        count += 1;
        if count > ENTRIES {
            return Err(refused(format!(
                "the workbook has more than {ENTRIES} parts"
            )));
        }
        let found = archive
            .get_entry(entry.wayfinder())
            .map_err(|cause| damaged().source(cause))?;
        let data = found.data();
        // Parts that lie over each other are a bomb.
        packed_left = packed_left.checked_sub(data.len()).ok_or_else(damaged)?;
        // Nobody can point to another.
        let Ok(path) = entry.file_path().try_normalize() else {
            continue;
        };
        let method = entry.compression_method();
        let unpacked: Box<dyn Read> = if method == CompressionMethod::Store {
            Box::new(data)
        } else if method == CompressionMethod::Deflate {
            Box::new(DeflateDecoder::new(data))
        } else {
            return Err(damaged());
        };
        let mut part = Part {
            name: path.as_str().to_ascii_lowercase(),
            from: found.verifying_reader(unpacked),
        };
        if !part.is_markup() || part.name.len() > NAME_BYTES {
            left -= part.count(left, &mut sink())?;
            continue;
        }
        let (mut copy, config) = parts
            .new_file(path.as_str())
            .compression_method(method)
            .start()
            .map_err(|cause| damaged().source(cause))?;
        let mut unpacked = config.wrap(sink());
        left -= part.count(left, &mut unpacked)?;
        let (_, facts) = unpacked.finish().map_err(|cause| damaged().source(cause))?;
        copy.write_all(data)
            .map_err(|cause| damaged().source(cause))?;
        copy.finish(facts)
            .map_err(|cause| damaged().source(cause))?;
    }
    parts.finish().map_err(|cause| damaged().source(cause))
}

struct Part<R> {
    /// In lower case.
    name: String,
    from: R,
}

impl<R: Read> Part<R> {
    fn is_markup(&self) -> bool {
        MARKUP.iter().any(|end| self.name.ends_with(end))
    }

    fn cap(&self) -> Cap {
        if PICTURES.iter().any(|end| self.name.ends_with(end)) {
            PICTURE
        } else if self.name.ends_with("sharedstrings.xml") {
            SHARED
        } else if self.name.ends_with("styles.xml") {
            OTHER
        } else {
            ANY
        }
    }

    /// How much it becomes.
    fn count(&mut self, left: u64, to: &mut impl Write) -> Result<u64> {
        let damaged = || refused("the workbook is damaged");
        let mut cap = self.cap();
        let is_markup = self.is_markup();
        let mut markup = Markup::default();
        let mut length = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = self
                .from
                .read(&mut buffer)
                .map_err(|cause| damaged().source(cause))?;
            if read == 0 {
                return Ok(length);
            }
            let bytes = &buffer[..read];
            to.write_all(bytes)
                .map_err(|cause| damaged().source(cause))?;
            length += read as u64;
            if is_markup && !markup.pass(bytes) {
                let sentence = "the workbook has markup that no workbook has";
                return Err(refused(sentence).with("part", &self.name));
            }
            if markup.is_kept && cap.bytes == ANY.bytes {
                cap = OTHER;
            }
            if length > left.min(cap.bytes) || markup.tags > cap.tags || markup.grows() {
                let sentence =
                    "the workbook becomes too large when it is unpacked; send rows as CSV";
                return Err(refused(sentence).with("part", &self.name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qm_core::Kind;

    /// One part, told of as often in the directory.
    fn archive(data: &[u8], times: u16) -> Vec<u8> {
        let mut archive = ZipArchiveWriter::new(Vec::new());
        let builder = archive.new_file("xl/a.xml");
        let (mut entry, config) = builder
            .compression_method(CompressionMethod::Store)
            .start()
            .unwrap();
        let mut writer = config.wrap(&mut entry);
        writer.write_all(data).unwrap();
        let (_, facts) = writer.finish().unwrap();
        entry.finish(facts).unwrap();
        let mut bytes = archive.finish().unwrap();
        let mut end = bytes.split_off(bytes.len() - 22);
        let start = u32::from_le_bytes(end[16..20].try_into().unwrap()) as usize;
        let record = bytes.split_off(start);
        let record = record.repeat(times.into());
        end[8..10].copy_from_slice(&times.to_le_bytes());
        end[10..12].copy_from_slice(&times.to_le_bytes());
        end[12..16].copy_from_slice(&u32::try_from(record.len()).unwrap().to_le_bytes());
        [bytes, record, end].concat()
    }

    #[test]
    fn what_is_embedded_is_neither_looked_at_nor_given_on() {
        let embedded = b"<!x><a b=\"".repeat(1000);
        let mut archive = ZipArchiveWriter::new(Vec::new());
        let (mut entry, config) = archive.new_file("xl/embeddings/a.docx").start().unwrap();
        let mut writer = config.wrap(&mut entry);
        writer.write_all(&embedded).unwrap();
        let (_, facts) = writer.finish().unwrap();
        entry.finish(facts).unwrap();
        let parts = counted(&archive.finish().unwrap()).unwrap();
        let parts = ZipArchive::from_slice(&parts).unwrap();
        assert!(parts.entries().next_entry().unwrap().is_none());
    }

    #[test]
    fn parts_over_each_other_are_refused() {
        let text = " ".repeat(1000);
        assert!(counted(&archive(text.as_bytes(), 1)).is_ok());
        let refusal = counted(&archive(text.as_bytes(), 2)).unwrap_err();
        let said = "the workbook is damaged: it is not a zip that can be read";
        assert_eq!(
            (refusal.kind(), refusal.public_message()),
            (Kind::Refused, said)
        );
    }

    #[test]
    fn what_a_parser_gets_is_what_was_counted() {
        let text = " ".repeat(1000);
        let one = archive(text.as_bytes(), 1);
        // Before the archive is what another reader may take for one.
        let parts = counted(&[archive(b"other", 1), one].concat()).unwrap();
        let parts = ZipArchive::from_slice(&parts).unwrap();
        let mut entries = parts.entries();
        let entry = entries.next_entry().unwrap().unwrap();
        let found = parts.get_entry(entry.wayfinder()).unwrap();
        assert_eq!(found.data(), text.as_bytes());
        assert!(entries.next_entry().unwrap().is_none());
    }
}
