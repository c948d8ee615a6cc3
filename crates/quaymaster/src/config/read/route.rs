//! `[route.NAME]`.

use qm_core::config::{AfterDelivery, Deliver, OnFailure, Propagate, Route};
use qm_core::id::{DestinationName, RouteName};
use qm_core::retry::RetryPolicy;
use std::collections::BTreeMap;

use super::expectation::pattern;
use super::{Context, each, lookup, notifier_name, screen};
use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
use crate::config::sizes;
use crate::config::tree::Item;
use crate::config::values::{self, text};

pub(super) fn routes(
    top: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> BTreeMap<RouteName, Route> {
    each(
        top,
        "route",
        report,
        RouteName::parse,
        |name, mut section, report| {
            let route = route(name, &mut section, context, report);
            section.finish(report);
            route
        },
    )
}

fn route(
    name: Option<&RouteName>,
    section: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Route> {
    if !section.has("when") {
        let fault = Fault::new(format!("[{}] needs `when`", section.title()))
            .help("say what starts it: when = { arrives = \"landing/north/*\" }");
        report.say(section.place(), fault);
    }
    let arrives = section.section(report, "when").and_then(|mut when| {
        let arrives = when.required(report, "arrives", |item| pattern(item, context));
        when.finish(report);
        arrives
    });
    let deliver = deliver(section, context, report);
    let screen = screen::screen(section, report);
    let retry = section.optional(report, "retry", values::retry);
    let max_age = section.optional(report, "max_age", values::positive_duration);
    let on_failure = section.optional(report, "on_failure", |item| {
        values::word(
            item,
            &[
                ("block", OnFailure::Block),
                ("skip_superseded", OnFailure::SkipSuperseded),
                ("independent", OnFailure::Independent),
            ],
        )
    });
    let min_size = section.optional(report, "min_size", sizes::size);
    let after = after(section, report);
    let propagate = section.list(report, "propagate", |item| {
        let words = [Propagate::Delete, Propagate::Rename];
        values::word(item, &words.map(|word| (word.as_str(), word)))
    });
    let alert = section.list(report, "alert", |item| notifier_name(item, &context.names));
    Some(Route {
        name: name?.clone(),
        arrives: arrives?,
        deliver: deliver?,
        screen,
        retry: retry.unwrap_or_else(RetryPolicy::lambda),
        max_age,
        // Nothing is passed over unless it is said so.
        on_failure: on_failure.unwrap_or(OnFailure::SkipSuperseded),
        // Flag files are empty and must arrive.
        min_size_bytes: min_size.unwrap_or(0),
        after: after.unwrap_or(AfterDelivery::Keep),
        propagate: propagate.unwrap_or_default().into_iter().collect(),
        alert: alert.unwrap_or_default(),
    })
}

/// Destinations by name, or one that is looked up.
fn deliver(
    section: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Deliver> {
    // Asked for even if it is not there: it is a known table.
    let lookup = section.section(report, "lookup");
    if !section.has("lookup") {
        return section
            .filled_list(
                report,
                "deliver",
                |item| destination_name(item, context),
                "nothing would be delivered",
            )
            .map(Deliver::To);
    }
    if section.has("deliver") {
        let fault = Fault::new("lookup: the route has `deliver` as well")
            .help("keep one of the two; for both write a second route");
        report.say_of(&section.key("deliver"), fault);
        // Asked for all the same: it is a known key.
        let _ = section.optional(report, "deliver", |_| Ok(()));
    }
    lookup::lookup(lookup?, context, report).map(Deliver::LookUp)
}

/// `"keep"`, `"delete"` or `{ move = "…" }`.
fn after(section: &mut Section<'_>, report: &mut Report) -> Option<AfterDelivery> {
    if section.has_table("after") {
        let mut after = section.section(report, "after")?;
        let to = after.required(report, "move", values::template);
        after.finish(report);
        return to.map(AfterDelivery::Move);
    }
    let is_deleted = section.optional(report, "after", |item| {
        values::word(item, &[("keep", false), ("delete", true)]).map_err(|fault| {
            Fault::new(fault.message)
                .help("write `keep`, `delete`, or { move = \"archive/{arrived:%Y}/{name}\" }")
        })
    })?;
    Some(if is_deleted {
        AfterDelivery::Delete
    } else {
        AfterDelivery::Keep
    })
}

/// A destination by name, which must exist.
pub(super) fn destination_name(
    item: &Item,
    context: &Context<'_>,
) -> Result<DestinationName, Fault> {
    let text = text(item)?;
    context.names.destination(text)?;
    Ok(DestinationName::parse(text)?)
}
