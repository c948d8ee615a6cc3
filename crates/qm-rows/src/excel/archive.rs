//! What an xlsx would unpack to, counted before anything of it is kept: what its directory says of
//! sizes is not believed.

use flate2::read::DeflateDecoder;
use qm_core::Result;
use rawzip::{CompressionMethod, ZipArchive};
use std::io::Read;

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

/// Parts that are no XML: nobody looks into them, even if something points there.
const PICTURE: Cap = Cap {
    bytes: 32 * 1024 * 1024,
    tags: u64::MAX,
};
/// Sheets, of which one is read cell by cell, and parts that nobody reads.
const ANY: Cap = Cap {
    bytes: TOTAL_BYTES,
    tags: u64::MAX,
};
const PICTURES: [&str; 7] = [".png", ".jpeg", ".jpg", ".gif", ".emf", ".wmf", ".bin"];

#[derive(Clone, Copy)]
struct Cap {
    bytes: u64,
    tags: u64,
}

/// Refuses workbooks that become too large.
pub(super) fn check(bytes: &[u8]) -> Result<()> {
    let damaged = || refused("the workbook is damaged: it is not a zip that can be read");
    let archive = ZipArchive::from_slice(bytes).map_err(|cause| damaged().source(cause))?;
    let mut left = TOTAL_BYTES;
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
        let path = entry.file_path();
        let name = String::from_utf8_lossy(path.as_ref());
        let name = name.replace('\\', "/").to_ascii_lowercase();
        let data = archive
            .get_entry(entry.wayfinder())
            .map_err(|cause| damaged().source(cause))?
            .data();
        let method = entry.compression_method();
        let unpacked: Box<dyn Read> = if method == CompressionMethod::Store {
            Box::new(data)
        } else if method == CompressionMethod::Deflate {
            Box::new(DeflateDecoder::new(data))
        } else {
            return Err(damaged());
        };
        left -= check_part(&name, unpacked, left)?;
    }
    Ok(())
}

/// How much it becomes.
fn check_part(name: &str, mut from: impl Read, left: u64) -> Result<u64> {
    let named = |end: &str| name.ends_with(end);
    let mut cap = if named("sharedstrings.xml") {
        SHARED
    } else if named("styles.xml") {
        OTHER
    } else if PICTURES.iter().any(|end| named(end)) {
        PICTURE
    } else {
        ANY
    };
    let is_markup = cap.bytes != PICTURE.bytes;
    let mut markup = Markup::default();
    let mut length = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from
            .read(&mut buffer)
            .map_err(|cause| refused("the workbook is damaged").source(cause))?;
        if read == 0 {
            return Ok(length);
        }
        length += read as u64;
        if is_markup && !markup.pass(&buffer[..read]) {
            return Err(refused("the workbook has markup that no workbook has").with("part", name));
        }
        if markup.is_kept && cap.bytes == ANY.bytes {
            cap = OTHER;
        }
        if length > left.min(cap.bytes) || markup.tags > cap.tags {
            return Err(refused(
                "the workbook becomes too large when it is unpacked; send rows as CSV",
            )
            .with("part", name));
        }
    }
}
