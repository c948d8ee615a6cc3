//! Whether the bytes are what the name promises: basic recognition by head and tail, bounded in
//! memory whatever the file's size.

use bytes::Bytes;
use rawzip::{ReaderAt, ZipLocator};
use std::future::Future;
use std::io;

use qm_core::file_type::{Content, FileType};
use qm_core::name::ObjectKey;
use qm_core::ports::bucket::{self, Bucket};
use qm_core::{Error, Kind, Result};

/// Enough for a header row, a JSON value's beginning and every magic number.
const HEAD_BYTES: u32 = 64 * 1024;
/// The directory of a zip is at its end; a workbook's is a few KiB, 100 times that is plenty.
const TAIL_BYTES: u32 = 1024 * 1024;
/// More entries than a workbook of a thousand sheets has.
const ZIP_ENTRIES_MAX: usize = 20_000;
/// A zip's end record with the longest comment.
const ZIP_SEARCH_BYTES: u64 = 64 * 1024 + 22;

const OLE_MAGIC: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
/// Beginnings of documents that are text and yet no table; no first column is called so. What begins
/// binaries (`MZ`, `BZh`, a zip) may begin a word: those have control characters.
const DOCUMENT_MAGICS: [&[u8]; 2] = [b"%PDF", b"{\\rtf"];

/// Refuses bytes that are not what `file_name` promises. Types we cannot recognise and empty
/// files pass. `read` gives up to `length` bytes at an offset.
pub async fn check<F>(
    file_name: &str,
    size_bytes: u64,
    mut read: impl FnMut(u64, u32) -> F + Send,
) -> Result<()>
where
    F: Future<Output = Result<Bytes>> + Send,
{
    let Some(file_type) = FileType::of(file_name) else {
        return Ok(());
    };
    let Some(content) = file_type.content().filter(|_| size_bytes > 0) else {
        return Ok(());
    };
    let head = read(0, HEAD_BYTES).await?;
    let is_whole = head.len() as u64 >= size_bytes;
    let is_right = match content {
        Content::Csv => is_text(&head),
        Content::Json => is_json(&head, is_whole),
        Content::Xls => head.starts_with(OLE_MAGIC),
        Content::Xlsx => {
            let tail_start = size_bytes.saturating_sub(u64::from(TAIL_BYTES));
            let tail = if head.starts_with(ZIP_MAGIC) {
                read(tail_start, TAIL_BYTES).await?
            } else {
                Bytes::new()
            };
            is_workbook(
                Tail {
                    bytes: tail,
                    start: tail_start,
                },
                size_bytes,
            )
        }
    };
    if is_right {
        return Ok(());
    }
    Err(Error::new(
        Kind::Refused,
        format!("this file is called .{file_type} but its content is something else"),
    )
    .with("rule", "content"))
}

/// [`check`] of bytes that are there to be read.
pub async fn check_content(file_name: &str, content: &dyn bucket::Content) -> Result<()> {
    check(file_name, content.size_bytes(), |offset, length| {
        content.read(offset, length)
    })
    .await
}

/// [`check`] of a file of a bucket.
pub async fn check_file(bucket: &dyn Bucket, key: &ObjectKey, file_name: &str) -> Result<()> {
    let content = bucket.open(key).await?;
    check_content(file_name, &*content).await
}

/// Text in UTF-8, UTF-16 with byte-order mark, or an 8-bit encoding: no NUL, no control
/// characters but those of text files.
fn is_text(head: &[u8]) -> bool {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return true;
    }
    let is_control =
        |b: &u8| *b < 0x20 && !matches!(*b, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0x1a);
    !DOCUMENT_MAGICS.iter().any(|magic| head.starts_with(magic)) && !head.iter().any(is_control)
}

/// The head parses as far as it goes: values one after another, the last one possibly cut.
fn is_json(head: &[u8], is_whole: bool) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let mut values =
        serde_json::Deserializer::from_slice(head).into_iter::<serde::de::IgnoredAny>();
    let mut found = false;
    loop {
        match values.next() {
            Some(Ok(_)) => found = true,
            Some(Err(error)) => return error.is_eof() && !is_whole,
            None => return found,
        }
    }
}

fn is_workbook(tail: Tail, size_bytes: u64) -> bool {
    let mut buffer = vec![0; rawzip::RECOMMENDED_BUFFER_SIZE];
    let located = ZipLocator::new()
        .max_search_space(ZIP_SEARCH_BYTES)
        .locate_in_reader(tail, &mut buffer, size_bytes);
    let Ok(archive) = located else { return false };
    let mut entries = archive.entries(&mut buffer);
    for _ in 0..ZIP_ENTRIES_MAX {
        match entries.next_entry() {
            Ok(Some(entry)) if entry.file_path().as_ref().starts_with(b"xl/") => return true,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return false,
        }
    }
    false
}

/// The end of a file; reading before it fails.
struct Tail {
    bytes: Bytes,
    start: u64,
}

impl ReaderAt for Tail {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = offset
            .checked_sub(self.start)
            .and_then(|from| usize::try_from(from).ok())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let rest = self.bytes.get(from..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
