//! `[route.NAME]`.

use qm_core::config::{OnFailure, Route};
use qm_core::id::{DestinationName, RouteName};
use qm_core::retry::RetryPolicy;
use std::collections::BTreeMap;

use super::expectation::pattern;
use super::{Context, each, notifier_name};
use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
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
    let deliver = section.filled_list(
        report,
        "deliver",
        |item| destination_name(item, context),
        "nothing would be delivered",
    );
    let retry = section.optional(report, "retry", values::retry);
    let on_failure = section.optional(report, "on_failure", |item| {
        values::word(
            item,
            &[
                ("block", OnFailure::Block),
                ("skip_superseded", OnFailure::SkipSuperseded),
            ],
        )
    });
    let min_size = section.optional(report, "min_size", values::size);
    let alert = section.list(report, "alert", |item| notifier_name(item, &context.names));
    Some(Route {
        name: name?.clone(),
        arrives: arrives?,
        deliver: deliver?,
        retry: retry.unwrap_or_else(RetryPolicy::lambda),
        // Nothing is passed over unless it is said so.
        on_failure: on_failure.unwrap_or(OnFailure::SkipSuperseded),
        // Flag files are empty and must arrive.
        min_size_bytes: min_size.unwrap_or(0),
        alert: alert.unwrap_or_default(),
    })
}

fn destination_name(item: &Item, context: &Context<'_>) -> Result<DestinationName, Fault> {
    let text = text(item)?;
    context.names.destination(text)?;
    Ok(DestinationName::parse(text)?)
}
