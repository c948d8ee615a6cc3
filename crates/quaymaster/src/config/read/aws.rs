//! The keys of every table that reaches an AWS service.

use qm_core::config::AwsAccess;

use crate::config::places;
use crate::config::problem::Report;
use crate::config::section::Section;
use crate::config::values::text;

pub(super) fn access(section: &mut Section<'_>, report: &mut Report) -> AwsAccess {
    let words = |item: &_| Ok(text(item)?.to_owned());
    AwsAccess {
        endpoint: section.optional(report, "endpoint", places::endpoint),
        region: section.optional(report, "region", words),
        profile: section.optional(report, "profile", words),
        role: section.optional(report, "role", words),
        external_id: section.optional(report, "external_id", words),
    }
}
