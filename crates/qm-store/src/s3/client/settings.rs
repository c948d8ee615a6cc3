//! How the S3 bucket is set up, by whoever owns it.

use aws_sdk_s3::types::{BucketVersioningStatus, ExpirationStatus, LifecycleRule};
use std::time::Duration;

use super::S3Client;
use super::faults::s3_error;
use qm_core::{Kind, Result};

const DAY: Duration = Duration::from_hours(24);

/// Whether the store keeps what is overwritten or removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Versioning {
    /// It does.
    Native,
    /// It does not, or not any more.
    None,
}

/// What buckets have in common that can copy from each other: an endpoint, or a part of Amazon's
/// world.
pub(super) fn service(config: &aws_config::SdkConfig) -> String {
    if let Some(endpoint) = config.endpoint_url() {
        return endpoint.trim_end_matches('/').to_owned();
    }
    let region = config.region().map(AsRef::as_ref).unwrap_or_default();
    let partition = ["cn", "us-gov", "us-iso", "us-isob", "eusc"]
        .into_iter()
        .find(|partition| {
            region
                .strip_prefix(partition)
                .is_some_and(|rest| rest.starts_with('-'))
        });
    format!("aws {}", partition.unwrap_or("commercial"))
}

impl S3Client {
    /// Whether the store keeps versions. A store that does not know the question
    /// keeps none.
    pub(crate) async fn versioning(&self) -> Result<Versioning> {
        let answer = self
            .sdk
            .get_bucket_versioning()
            .bucket(&self.bucket)
            .send()
            .await
            .map_err(s3_error("ask whether the bucket keeps versions"));
        match answer {
            Ok(answer) if answer.status == Some(BucketVersioningStatus::Enabled) => {
                Ok(Versioning::Native)
            }
            Ok(_) => Ok(Versioning::None),
            Err(error) if error.kind() == Kind::Unsupported => Ok(Versioning::None),
            Err(error) => Err(error),
        }
    }

    /// What rules of the bucket would do to uploads and objects below `prefix`, as sentences.
    /// Nothing if there are no rules, or the store does not know any.
    pub(crate) async fn lifecycle_dangers(
        &self,
        prefix: &str,
        partial_kept: Duration,
    ) -> Result<Vec<String>> {
        let answer = self
            .sdk
            .get_bucket_lifecycle_configuration()
            .bucket(&self.bucket)
            .send()
            .await
            .map_err(s3_error("ask for the bucket's life-cycle rules"));
        let rules = match answer {
            Ok(answer) => answer.rules.unwrap_or_default(),
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Unsupported) => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(rules
            .iter()
            .filter(|rule| rule.status == ExpirationStatus::Enabled && concerns(rule, prefix))
            .flat_map(|rule| dangers(rule, partial_kept))
            .collect())
    }
}

/// True if something below `prefix` may be meant: one of the two prefixes begins with the other.
fn concerns(rule: &LifecycleRule, prefix: &str) -> bool {
    let filter = rule.filter.as_ref();
    let theirs = filter
        .and_then(|filter| filter.and.as_ref()?.prefix.as_deref())
        .or_else(|| filter?.prefix.as_deref())
        .unwrap_or_default();
    theirs.starts_with(prefix) || prefix.starts_with(theirs)
}

fn dangers(rule: &LifecycleRule, partial_kept: Duration) -> Vec<String> {
    let name = rule.id.as_deref().unwrap_or("without a name");
    let mut dangers = Vec::new();
    let aborts_after = rule
        .abort_incomplete_multipart_upload
        .as_ref()
        .and_then(|abort| abort.days_after_initiation);
    // The store counts whole days from the beginning of the upload.
    if let Some(days) = aborts_after {
        // It is an upload in parts until it is renamed, however late that is.
        dangers.push(format!(
            "life-cycle rule `{name}` aborts uploads after {days} days: a file that still has its temporary name then is lost, though whoever sent it was told that it was received"
        ));
        if DAY * days.unsigned_abs() <= partial_kept {
            dangers.push(format!(
                "life-cycle rule `{name}` aborts uploads after {days} days, before a broken-off upload may be resumed for the last time: what was stored of it is lost"
            ));
        }
    }
    let expires = rule
        .expiration
        .as_ref()
        .is_some_and(|expiration| expiration.days.is_some() || expiration.date.is_some());
    if expires {
        dangers.push(format!(
            "life-cycle rule `{name}` removes objects, unknown to us"
        ));
    }
    if rule.noncurrent_version_expiration.is_some() {
        dangers.push(format!(
            "life-cycle rule `{name}` removes earlier versions, which a delivery may still need"
        ));
    }
    dangers
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::{
        AbortIncompleteMultipartUpload, LifecycleExpiration, LifecycleRuleFilter,
    };

    const KEPT: Duration = Duration::from_hours(24);

    fn rule(prefix: &str, abort_days: Option<i32>, expire_days: Option<i32>) -> LifecycleRule {
        LifecycleRule::builder()
            .id("tidy")
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
            .set_abort_incomplete_multipart_upload(abort_days.map(|days| {
                AbortIncompleteMultipartUpload::builder()
                    .days_after_initiation(days)
                    .build()
            }))
            .set_expiration(
                expire_days.map(|days| LifecycleExpiration::builder().days(days).build()),
            )
            .build()
            .unwrap()
    }

    #[test]
    fn only_rules_that_could_harm_are_dangers() {
        let check = |abort_days, expire_days, expect: usize| {
            let found = dangers(&rule("", abort_days, expire_days), KEPT);
            assert_eq!(found.len(), expect, "{found:?}");
        };
        check(None, None, 0);
        // A file under its temporary name; and a broken-off upload.
        check(Some(1), None, 2);
        check(Some(2), None, 1);
        check(None, Some(365), 1);
        check(Some(1), Some(1), 3);
    }

    #[test]
    fn services_are_told_apart() {
        let amazon = |region: &'static str| {
            let region = aws_config::Region::new(region);
            service(&aws_config::SdkConfig::builder().region(region).build())
        };
        assert_eq!(amazon("eu-west-1"), amazon("us-east-1"));
        assert_ne!(amazon("us-gov-west-1"), amazon("us-east-1"));
        assert_ne!(amazon("us-iso-east-1"), amazon("us-isob-east-1"));
        assert_ne!(amazon("cn-north-1"), amazon("us-gov-west-1"));
        let own = |endpoint: &str| {
            service(
                &aws_config::SdkConfig::builder()
                    .endpoint_url(endpoint)
                    .build(),
            )
        };
        assert_eq!(own("http://store:9000/"), own("http://store:9000"));
        assert_ne!(own("http://store:9000"), own("http://store:9001"));
        assert_ne!(own("http://store:9000"), amazon("us-east-1"));
    }

    #[test]
    fn a_rule_concerns_what_lies_below_or_above_its_prefix() {
        for (theirs, ours, expect) in [
            ("", "landing/", true),
            ("landing/", "landing/", true),
            ("landing/old/", "landing/", true),
            ("landing/", "landing/in/", true),
            ("land", "landing/", true),
            ("archive/", "landing/", false),
        ] {
            assert_eq!(
                concerns(&rule(theirs, None, None), ours),
                expect,
                "{theirs} {ours}"
            );
        }
    }
}
