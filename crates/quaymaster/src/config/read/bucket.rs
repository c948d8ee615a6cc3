//! `[bucket.NAME]`.

use qm_core::config::{Bucket, BucketPlace, CloudPlace, S3Encryption, S3Place, Watch};
use qm_core::id::{BucketName, EncryptionKeyName};
use qm_core::name::Prefix;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{Context, aws, each};
use crate::config::places::{self, BucketUrl};
use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
use crate::config::tree::Item;
use crate::config::values::{self, text};

/// Enough to undo what a partner did by mistake, little enough that nobody notices it on disk.
const KEEP_VERSIONS: u32 = 10;
/// Nobody looks for last month's version.
const KEEP_FOR: Duration = Duration::from_hours(30 * 24);
/// More versions of one name only cost time to list.
const KEEP_VERSIONS_MAX: u32 = 10_000;
/// How often a bucket is listed when nothing says so.
const LISTING_EVERY: Duration = Duration::from_mins(1);
/// A writer that pauses longer is done; what system S4's own poller waited.
const SETTLE: Duration = Duration::from_secs(20);
/// What S3 takes of tags on an object; lengths in UTF-16, as it counts them.
const TAGS_MAX: usize = 10;
const TAG_KEY_MAX: usize = 128;
const TAG_VALUE_MAX: usize = 256;
const TAG_MARKS: &str = " +-=._:/@";
const RESERVED_TAGS: &str = "aws:";

pub(super) fn buckets(
    top: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> BTreeMap<BucketName, Bucket> {
    each(
        top,
        "bucket",
        report,
        BucketName::parse,
        |_, mut section, report| {
            let bucket = bucket(&mut section, context, report);
            // What belongs to a place nobody could read is not held against its author.
            if bucket.is_some() {
                section.finish(report);
            }
            bucket
        },
    )
}

fn bucket(section: &mut Section<'_>, context: &Context<'_>, report: &mut Report) -> Option<Bucket> {
    let url = section.required(report, "url", |item| places::bucket_url(item, context.base));
    let encryption_key = section.optional(report, "encryption_key", |item| {
        let name = text(item)?;
        context.names.encryption_key(name)?;
        Ok(EncryptionKeyName::parse(name)?)
    });
    let keep_versions = section.optional(report, "keep_versions", |item| {
        values::whole(item, 0..=KEEP_VERSIONS_MAX)
    });
    let keep_for = section.optional(report, "keep_for", values::positive_duration);
    let url = url?;
    // Every node sees an object store.
    let is_shared = match url {
        BucketUrl::Directory(_) => section.optional(report, "shared", values::truth),
        BucketUrl::S3 { .. } | BucketUrl::Gcs { .. } | BucketUrl::Azure { .. } => None,
    };
    let place = place(url, section, report);
    let watch = watch(section, report);
    Some(Bucket {
        place: place?,
        encryption_key,
        keep_versions: keep_versions.unwrap_or(KEEP_VERSIONS),
        keep_for: Some(keep_for.unwrap_or(KEEP_FOR)),
        watch,
        is_shared: is_shared.unwrap_or(false),
    })
}

/// The keys that a place of this kind has; the others are unknown there.
fn place(url: BucketUrl, section: &mut Section<'_>, report: &mut Report) -> Option<BucketPlace> {
    if !matches!(url, BucketUrl::S3 { .. }) && section.has("tags") {
        section.optional::<()>(report, "tags", |_| {
            Err(
                Fault::new("only objects in a bucket on S3 (s3://) can have tags")
                    .help("leave the key out"),
            )
        });
    }
    Some(match url {
        BucketUrl::Directory(folder) => BucketPlace::Directory(folder),
        BucketUrl::S3 { bucket, prefix } => BucketPlace::S3(s3(bucket, prefix, section, report)?),
        BucketUrl::Gcs { bucket, prefix } => {
            BucketPlace::Gcs(cloud(bucket, prefix, None, section, report))
        }
        BucketUrl::Azure { bucket, prefix } => {
            let account = section.required(report, "account", |item| Ok(text(item)?.to_owned()));
            BucketPlace::Azure(cloud(bucket, prefix, Some(account?), section, report))
        }
    })
}

fn s3(
    bucket: String,
    prefix: Prefix,
    section: &mut Section<'_>,
    report: &mut Report,
) -> Option<S3Place> {
    let access = aws::access(section, report);
    let is_foreign = access.endpoint.is_some();
    let path_style = section.optional(report, "path_style", values::truth);
    let checksums = section.optional(report, "checksums", values::truth);
    let tags = section.optional(report, "tags", object_tags);
    let encryption = encryption(section, report)?;
    Some(S3Place {
        bucket,
        prefix,
        access,
        // Servers of one's own rarely have a host name a bucket.
        path_style: path_style.unwrap_or(is_foreign),
        encryption,
        // Others answer what they do not know with an error.
        checksums: checksums.unwrap_or(!is_foreign),
        tags: tags.unwrap_or_default(),
    })
}

/// Tags that S3 takes: with others it would refuse every object.
fn object_tags(item: &Item) -> Result<BTreeMap<String, String>, Fault> {
    let tags = values::tags(item)?;
    if tags.len() > TAGS_MAX {
        let message = format!("{} tags are more than S3 takes on an object", tags.len());
        return Err(Fault::new(message).help(format!("write {TAGS_MAX} at most")));
    }
    for (tag, value) in &tags {
        check_tag(tag, value)?;
    }
    Ok(tags)
}

fn check_tag(tag: &str, value: &str) -> Result<(), Fault> {
    let shown = tag.escape_debug();
    let length = tag.encode_utf16().count();
    if !(1..=TAG_KEY_MAX).contains(&length) {
        let message = format!("the key `{shown}` has {length} characters");
        return Err(Fault::new(message).help(format!("use a key of 1 to {TAG_KEY_MAX}")));
    }
    let length = value.encode_utf16().count();
    if length > TAG_VALUE_MAX {
        let message = format!("the value of `{shown}` has {length} characters");
        return Err(Fault::new(message).help(format!("use a value of {TAG_VALUE_MAX} at most")));
    }
    let is_taken = |c: char| c.is_alphanumeric() || TAG_MARKS.contains(c);
    if let Some(mark) = tag.chars().chain(value.chars()).find(|c| !is_taken(*c)) {
        let mark = mark.escape_debug();
        let message = format!("`{shown}` or its value has a `{mark}`, which S3 does not take");
        return Err(
            Fault::new(message).help("use letters, digits, spaces and + - = . _ : / @ only")
        );
    }
    let start = tag.get(..RESERVED_TAGS.len());
    if start.is_some_and(|start| start.eq_ignore_ascii_case(RESERVED_TAGS)) {
        let message = format!("`{shown}` begins with `{RESERVED_TAGS}`, as tags of AWS itself do");
        return Err(Fault::new(message).help("use another key"));
    }
    Ok(())
}

fn encryption(section: &mut Section<'_>, report: &mut Report) -> Option<S3Encryption> {
    let words = [("s3", false), ("kms", true)];
    let is_kms = section.optional(report, "server_side_encryption", |item| {
        values::word(item, &words)
    });
    let is_told = section.has("kms_key_id");
    let key_id = section.optional(report, "kms_key_id", |item| {
        if is_kms == Some(true) {
            return Ok(text(item)?.to_owned());
        }
        Err(Fault::new("only SSE-KMS takes a key")
            .help("add server_side_encryption = \"kms\", or leave the key out"))
    });
    if is_told && key_id.is_none() {
        return None;
    }
    Some(match is_kms {
        None => S3Encryption::BucketDefault,
        Some(false) => S3Encryption::S3,
        Some(true) => S3Encryption::Kms(key_id),
    })
}

fn cloud(
    bucket: String,
    prefix: Prefix,
    account: Option<String>,
    section: &mut Section<'_>,
    report: &mut Report,
) -> CloudPlace {
    CloudPlace {
        bucket,
        prefix,
        endpoint: section.optional(report, "endpoint", places::endpoint),
        account,
        credential: section.optional(report, "credential", places::secret),
    }
}

/// `[bucket.NAME.watch]`: by a queue if one is named, by listing otherwise.
fn watch(section: &mut Section<'_>, report: &mut Report) -> Option<Watch> {
    let mut section = section.section(report, "watch")?;
    let queue = section.optional(report, "queue", places::endpoint);
    let watch = if let Some(queue) = queue {
        let access = aws::access(&mut section, report);
        Watch::Sqs { queue, access }
    } else {
        let every = section.optional(report, "every", values::positive_duration);
        let settle = section.optional(report, "settle", values::duration);
        Watch::Listing {
            every: every.unwrap_or(LISTING_EVERY),
            settle: settle.unwrap_or(SETTLE),
        }
    };
    section.finish(report);
    Some(watch)
}
