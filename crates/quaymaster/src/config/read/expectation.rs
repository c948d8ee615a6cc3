//! `[expectation.NAME]`.

use qm_core::expectation::Expectation;
use qm_core::id::{ExpectationName, PartnerName};
use qm_core::pattern::Pattern;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{Context, account, each, notifier_name};
use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
use crate::config::sizes;
use crate::config::tree::Item;
use crate::config::values::{self, text};

/// An empty file satisfies nothing unless it is said to.
const MIN_SIZE_BYTES: u64 = 1;

pub(super) fn expectations(
    top: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> BTreeMap<ExpectationName, Expectation> {
    each(
        top,
        "expectation",
        report,
        ExpectationName::parse,
        |name, mut section, report| {
            let expectation = expectation(name, &mut section, context, report);
            section.finish(report);
            expectation
        },
    )
}

/// A pattern whose bucket must exist.
pub(super) fn pattern(item: &Item, context: &Context<'_>) -> Result<Pattern, Fault> {
    let pattern = Pattern::parse(text(item)?)?;
    context.names.bucket(pattern.bucket().as_str())?;
    Ok(pattern)
}

fn expectation(
    name: Option<&ExpectationName>,
    section: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Expectation> {
    let partner = section.required(report, "partner", |item| {
        let text = text(item)?;
        context.names.partner(text)?;
        Ok(PartnerName::parse(text)?)
    });
    let files = section.required(report, "files", |item| pattern(item, context));
    let types = account::types(section, report);
    let min_size = section.optional(report, "min_size", sizes::size);
    let due = section.required(report, "due", values::time);
    let on = section.required(report, "on", values::days);
    let zone = section.required(report, "zone", values::zone);
    let grace = section.optional(report, "grace", values::duration);
    let alert = section.filled_list(
        report,
        "alert",
        |item| notifier_name(item, &context.names),
        "nobody would be told",
    );
    Some(Expectation {
        name: name?.clone(),
        partner: partner?,
        files: files?,
        types,
        min_size_bytes: min_size.unwrap_or(MIN_SIZE_BYTES),
        due: due?,
        on: on?,
        zone: zone?,
        grace: grace.unwrap_or(Duration::ZERO),
        alert: alert?,
    })
}
