//! Listings, a page at a time.

use jiff::Timestamp;

use super::S3Client;
use super::faults::{incomplete, s3_error};
use super::objects::{size, time};
use qm_core::Result;

/// A page of a listing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Listed>,
    /// What the keys below have in common, up to and with the delimiter.
    pub(crate) prefixes: Vec<String>,
    /// What to ask for the next page with; `None` at the end.
    pub(crate) next: Option<String>,
}

/// An object as listed.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) key: String,
    pub(crate) size_bytes: u64,
    pub(crate) modified: Timestamp,
}

/// A version that the store keeps of a key.
#[derive(Clone, Debug)]
pub(crate) struct NativeVersion {
    pub(crate) id: String,
    pub(crate) is_current: bool,
}

/// What a page is asked for with.
#[derive(Clone, Debug)]
pub(crate) struct Range<'a> {
    /// Keys begin with it.
    pub(crate) prefix: &'a str,
    /// What lies deeper is summed up.
    pub(crate) delimiter: Option<&'a str>,
    /// At most so many.
    pub(crate) entries_max: i32,
}

impl S3Client {
    /// A page of keys; the first one without `token`.
    pub(crate) async fn list_page(&self, range: &Range<'_>, token: Option<&str>) -> Result<Page> {
        const OPERATION: &str = "list a folder";
        let page = self
            .sdk
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(range.prefix)
            .set_delimiter(range.delimiter.map(str::to_owned))
            .max_keys(range.entries_max)
            .set_continuation_token(token.map(str::to_owned))
            .send()
            .await
            .map_err(s3_error(OPERATION))?;
        let mut objects = Vec::new();
        for object in page.contents.unwrap_or_default() {
            objects.push(Listed {
                key: object.key.ok_or_else(|| incomplete(OPERATION, "key"))?,
                size_bytes: size(object.size).ok_or_else(|| incomplete(OPERATION, "size"))?,
                modified: time(object.last_modified),
            });
        }
        let prefixes = page.common_prefixes.unwrap_or_default().into_iter();
        let next = page.next_continuation_token;
        // A listing cut short without a way to go on would hide files.
        if page.is_truncated == Some(true) && next.is_none() {
            return Err(incomplete(OPERATION, "continuation token"));
        }
        Ok(Page {
            objects,
            prefixes: prefixes.filter_map(|common| common.prefix).collect(),
            next: next.filter(|_| page.is_truncated == Some(true)),
        })
    }

    /// The versions that the store keeps of a key, newest first; without its delete markers.
    pub(crate) async fn list_versions(&self, key: &str) -> Result<Vec<NativeVersion>> {
        let mut versions = Vec::new();
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let page = self
                .sdk
                .list_object_versions()
                .bucket(&self.bucket)
                .prefix(key)
                .set_key_marker(key_marker)
                .set_version_id_marker(id_marker)
                .send()
                .await
                .map_err(s3_error("list the versions of an object"))?;
            let mut is_past = false;
            for version in page.versions.unwrap_or_default() {
                is_past |= version.key.as_deref() != Some(key);
                if let (false, Some(id)) = (is_past, version.version_id) {
                    versions.push(NativeVersion {
                        id,
                        is_current: version.is_latest == Some(true),
                    });
                }
            }
            key_marker = page.next_key_marker;
            id_marker = page.next_version_id_marker;
            if is_past || page.is_truncated != Some(true) || key_marker.is_none() {
                return Ok(versions);
            }
        }
    }
}
