//! `[encryption_key.NAME]`.

use qm_core::config::EncryptionKey;
use qm_core::id::EncryptionKeyName;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{aws, each};
use crate::config::problem::Report;
use crate::config::section::Section;
use crate::config::values::{self, text};

/// How long a key that was disabled in AWS KMS still works here, against how often it is asked.
const CACHE: Duration = Duration::from_mins(5);

#[derive(Clone, Copy)]
enum Provider {
    File,
    Imported,
    AwsKms,
}

pub(super) fn encryption_keys(
    top: &mut Section<'_>,
    report: &mut Report,
) -> BTreeMap<EncryptionKeyName, EncryptionKey> {
    each(
        top,
        "encryption_key",
        report,
        EncryptionKeyName::parse,
        |_, mut section, report| {
            let provider = section.required(report, "provider", |item| {
                values::word(
                    item,
                    &[
                        ("file", Provider::File),
                        ("imported", Provider::Imported),
                        ("aws-kms", Provider::AwsKms),
                    ],
                )
            });
            // The keys that a provider has are unknown where another one is named, and nothing is
            // held against an author whose provider is not known.
            let key = match provider? {
                Provider::File => Some(EncryptionKey::File),
                Provider::Imported => Some(EncryptionKey::Imported),
                Provider::AwsKms => aws_kms(&mut section, report),
            };
            section.finish(report);
            key
        },
    )
}

fn aws_kms(section: &mut Section<'_>, report: &mut Report) -> Option<EncryptionKey> {
    let key_id = section.required(report, "key_id", |item| Ok(text(item)?.to_owned()));
    let access = aws::access(section, report);
    let cache = section.optional(report, "cache", values::duration);
    Some(EncryptionKey::AwsKms {
        key_id: key_id?,
        access,
        cache: cache.unwrap_or(CACHE),
    })
}
