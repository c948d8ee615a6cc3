//! Buckets as destinations: what is put there must not be news that nobody hears of; and destinations
//! that a lookup may lead to.

use qm_core::config::{BucketDestination, BucketPlace, Config, Deliver, DestinationPlace, Route};
use qm_core::id::DestinationName;
use qm_core::pattern::Pattern;

use crate::config::problem::{Fault, Report};
use crate::config::section::path_of;

pub(super) fn check(config: &Config, report: &mut Report) {
    check_propagation(config, report);
    for route in config.routes.values() {
        if let Deliver::LookUp(lookup) = &route.deliver {
            for name in &lookup.destinations {
                check_led_to(config, route, name, report);
            }
        }
    }
    for (name, destination) in &config.destinations {
        let DestinationPlace::Bucket(place) = &destination.place else {
            continue;
        };
        check_acl(config, name, place, report);
        check_watched(config, name, place, report);
    }
}

/// What was loaded into a table is rows among others.
fn check_propagation(config: &Config, report: &mut Report) {
    for route in config.routes.values() {
        if route.propagate.is_empty() {
            continue;
        }
        for name in route.named_destinations() {
            let place = config.destinations.get(name).map(|found| &found.place);
            match place {
                Some(DestinationPlace::Table(_)) => {
                    let fault = Fault::new(format!(
                        "propagate: `{name}` is a table, which rows of a file are not taken out of again"
                    ))
                    .help("leave `propagate` out, or give the table a route of its own");
                    let key = path_of(&["route", route.name.as_str(), "propagate"]);
                    report.say_of(&key, fault);
                }
                Some(
                    DestinationPlace::Directory(_)
                    | DestinationPlace::Bucket(_)
                    | DestinationPlace::Sftp(_),
                )
                | None => {}
            }
        }
    }
}

/// What is looked up is known when the first attempt is made, and any name may be given there.
fn check_led_to(config: &Config, route: &Route, name: &DestinationName, report: &mut Report) {
    let key = path_of(&["route", route.name.as_str(), "lookup", "destinations"]);
    let place = config.destinations.get(name).map(|found| &found.place);
    match place {
        Some(DestinationPlace::Table(_)) => {
            let fault = Fault::new(format!(
                "destinations: `{name}` is a table, whose loads are put in order when files arrive, before anything \
                 is looked up"
            ))
            .help("list folders, buckets and SFTP servers; files for a table need a route with `deliver`");
            report.say_of(&key, fault);
        }
        Some(DestinationPlace::Bucket(place)) => {
            let bucket = config.buckets.get(&place.bucket);
            // Of one that is not watched something else is wrong.
            let is_watched = bucket.is_some_and(|bucket| bucket.watch.is_some());
            if is_watched && Pattern::below(&place.bucket, &place.prefix).overlaps(&route.arrives) {
                let fault = Fault::new(format!(
                    "destinations: what goes to `{name}` may land where `{}` matches, and would start the route again",
                    route.arrives
                ))
                .help(format!("give destination `{name}` a prefix where it does not match"));
                report.say_of(&key, fault);
            }
        }
        Some(DestinationPlace::Directory(_) | DestinationPlace::Sftp(_)) | None => {}
    }
}

fn check_acl(
    config: &Config,
    name: &DestinationName,
    place: &BucketDestination,
    report: &mut Report,
) {
    let bucket = config.buckets.get(&place.bucket);
    let is_s3 = bucket.is_some_and(|bucket| matches!(bucket.place, BucketPlace::S3(_)));
    if place.owner_full_control && !is_s3 {
        let fault = Fault::new("acl: only a bucket of S3 has one").help("leave the key out");
        report.say_of(&path_of(&["destination", name.as_str(), "acl"]), fault);
    }
}

/// A delivery into a bucket is no upload: routes and partners of that bucket learn of it by its
/// watch.
fn check_watched(
    config: &Config,
    name: &DestinationName,
    place: &BucketDestination,
    report: &mut Report,
) {
    let bucket = config.buckets.get(&place.bucket);
    if bucket.is_none_or(|bucket| bucket.watch.is_some()) {
        return;
    }
    let there = Pattern::below(&place.bucket, &place.prefix);
    let account = config.accounts.values().find(|account| {
        Pattern::below(&account.mailbox.bucket, &account.mailbox.prefix).overlaps(&there)
    });
    let route = config
        .routes
        .values()
        .find(|route| route.arrives.overlaps(&there));
    let whose = match (account, route) {
        (Some(account), _) => format!("the mailbox of account `{}`", account.name),
        (None, Some(route)) => format!("files of route `{}`", route.name),
        (None, None) => return,
    };
    let fault = Fault::new(format!(
        "bucket: deliveries would land among {whose}, and nobody would notice them"
    ))
    .help(format!(
        "add `watch = {{}}` to [bucket.{}], or give the destination a `prefix` of its own",
        place.bucket
    ));
    report.say_of(&path_of(&["destination", name.as_str(), "bucket"]), fault);
}
