//! Parts that make no sense together: what can never match, what another route does already, what
//! would go round in circles, what a second node would not see. They would be silent for ever, so
//! they are mistakes.

mod destinations;
mod hidden;
mod names;
mod reach;
mod samples;
mod shared;
mod tables;

use qm_core::account::Verb;
use qm_core::config::{Config, Watch};
use qm_core::id::BucketName;
use std::collections::BTreeMap;

use super::problem::{Fault, Report};
use super::section::path_of;
use reach::Files;

pub(super) fn check(config: &Config, report: &mut Report) {
    check_operator(config, report);
    for route in config.routes.values() {
        let files = Files {
            pattern: &route.arrives,
            types: None,
            partner: None,
            // A file that is renamed into the pattern starts the route as well.
            verbs: &[Verb::Write, Verb::Overwrite, Verb::Rename],
        };
        let bucket = config.buckets.get(route.arrives.bucket());
        let can_match = if bucket.is_some_and(|bucket| bucket.watch.is_some()) {
            files.can_be_put()
        } else {
            files.can_come(config)
        };
        if let Err(fault) = can_match {
            let key = path_of(&["route", route.name.as_str(), "when", "arrives"]);
            let message = format!("the route can never match: {}", fault.message);
            report.say_of(&key, Fault { message, ..fault });
        }
    }
    for expectation in config.expectations.values() {
        let files = Files {
            pattern: &expectation.files,
            types: expectation.types.as_deref(),
            partner: Some(&expectation.partner),
            verbs: &[Verb::Write, Verb::Overwrite],
        };
        if let Err(fault) = files.can_come(config) {
            let key = path_of(&["expectation", expectation.name.as_str(), "files"]);
            let message = format!("the expectation can never be met: {}", fault.message);
            report.say_of(&key, Fault { message, ..fault });
        }
    }
    check_queues(config, report);
    hidden::check(config, report);
    names::check(config, report);
    destinations::check(config, report);
    shared::check(config, report);
    tables::check(config, report);
}

/// Uploads belong to the name that began them.
fn check_operator(config: &Config, report: &mut Report) {
    for account in config.accounts.values() {
        if account.name.as_str() == "operator" {
            let names = ["partner", account.partner.as_str(), "account", "operator"];
            let fault = Fault::new("`operator` is the name of this server's own operators");
            report.say_of(
                &path_of(&names),
                fault.help("give the account another name"),
            );
        }
    }
}

/// A message is taken out of its queue by whoever reads it first.
fn check_queues(config: &Config, report: &mut Report) {
    let mut readers: BTreeMap<&str, &BucketName> = BTreeMap::new();
    for (name, bucket) in &config.buckets {
        let Some(Watch::Sqs { queue, .. }) = &bucket.watch else {
            continue;
        };
        let Some(first) = readers.insert(queue, name) else {
            continue;
        };
        let fault = Fault::new(format!(
            "bucket `{first}` reads the same queue, and each would take the other's messages"
        ))
        .help("give every bucket a queue of its own");
        let key = path_of(&["bucket", name.as_str(), "watch", "queue"]);
        report.say_of(&key, fault);
    }
}
