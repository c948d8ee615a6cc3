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
/// Formats of cells and the like, which are held in memory and grow there: Excel has at most 64,000.
const OTHER: Cap = Cap {
    bytes: 16 * 1024 * 1024,
    tags: 256 * 1024,
};

/// Parts that are no XML: nobody looks into them, even if something points there.
const PICTURE_BYTES: u64 = 32 * 1024 * 1024;

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
    let cap = match name {
        "xl/sharedstrings.xml" => Some(SHARED),
        "xl/styles.xml"
        | "xl/workbook.xml"
        | "xl/_rels/workbook.xml.rels"
        | "[content_types].xml"
        | "_rels/.rels" => Some(OTHER),
        _ => None,
    };
    let is_picture = cap.is_none() && is_picture(name);
    let (bytes_max, tags_max) = match cap {
        Some(cap) => (left.min(cap.bytes), cap.tags),
        None if is_picture => (left.min(PICTURE_BYTES), u64::MAX),
        None => (left, u64::MAX),
    };
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
        if length > bytes_max || markup.tags > tags_max {
            return Err(refused(
                "the workbook becomes too large when it is unpacked; send rows as CSV",
            )
            .with("part", name));
        }
        if !is_picture && !markup.pass(&buffer[..read]) {
            return Err(refused("the workbook has markup that no workbook has").with("part", name));
        }
    }
}

fn is_picture(name: &str) -> bool {
    const PICTURES: [&str; 7] = [".png", ".jpeg", ".jpg", ".gif", ".emf", ".wmf", ".bin"];
    PICTURES.iter().any(|end| name.ends_with(end))
}
