//! Names made of an object's path: those that no file of the route has, and those that lead back
//! to the route.

use qm_core::Result;
use qm_core::config::{
    AfterDelivery, Config, Deliver, DestinationPlace, LookupPlace, Rejects, Route,
};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::template::{Facts, Template};

use super::samples;
use crate::config::problem::{Fault, Report};
use crate::config::section::path_of;

/// Stands for a delivery's id: nobody's pattern names one.
const SAMPLE_DELIVERY: &str = "0123456789abcdef0123456789abcdef";

pub(super) fn check(config: &Config, report: &mut Report) {
    for route in config.routes.values() {
        let key = |rest: &[&str]| {
            let names = [&["route", route.name.as_str()], rest].concat();
            path_of(&names)
        };
        if let AfterDelivery::Move(template) = &route.after {
            check_move(route, &key(&["after", "move"]), template, report);
        }
        if let Some(template) = &route.screen.quarantine {
            check_move(route, &key(&["screen", "quarantine"]), template, report);
        }
        match &route.deliver {
            Deliver::LookUp(lookup) => {
                let named = match &lookup.store {
                    LookupPlace::Secrets(_) => "name",
                    LookupPlace::Table(_) => "key",
                };
                let key = key(&["lookup", named]);
                let named = check_possible(route, &key, |facts| lookup.key(facts), report);
                check_folder(route, &key, &named, report);
            }
            Deliver::To(names) => {
                for name in names {
                    check_destination(config, route, name, report);
                }
            }
        }
    }
}

/// No item is asked for by a folder whose name is that of the file.
fn check_folder(route: &Route, key: &str, named: &[(ObjectPath, String)], report: &mut Report) {
    let is_file = |(path, name): &(ObjectPath, String)| {
        name.strip_suffix('/')
            .is_some_and(|name| name == path.key.as_str() || name == path.to_string())
    };
    if let Some((path, name)) = named.first()
        && named.iter().all(is_file)
    {
        let fault = Fault::new(format!(
            "for `{path}` the item `{name}` would be looked up, and no folder is called so but the file"
        ))
        .help(format!(
            "let route `{}` match files in folders, or write a `key` of what they are in",
            route.name
        ));
        report.say_of(key, fault);
    }
}

fn check_destination(
    config: &Config,
    route: &Route,
    name: &qm_core::id::DestinationName,
    report: &mut Report,
) {
    let Some(destination) = config.destinations.get(name) else {
        return;
    };
    let key = path_of(&["destination", name.as_str(), "name"]);
    let named = check_possible(route, &key, |facts| destination.target(facts), report);
    let place = match &destination.place {
        DestinationPlace::Bucket(place) => place,
        DestinationPlace::Table(table) => {
            if let Some(rejects) = &table.rejects {
                check_rejects(route, name, rejects, report);
            }
            return;
        }
        DestinationPlace::Directory(_) | DestinationPlace::Sftp(_) => return,
    };
    for (from, target) in named {
        let Ok(key) = place.prefix.join(&target) else {
            continue;
        };
        let bucket = place.bucket.clone();
        let to = ObjectPath { bucket, key };
        if !route.arrives.matches(&to) {
            continue;
        }
        let fault = Fault::new(format!(
            "deliver: `{from}` would be delivered to `{to}`, which starts the route again"
        ))
        .help(format!(
            "give destination `{name}` a prefix where `{}` does not match",
            route.arrives
        ));
        report.say_of(&path_of(&["route", route.name.as_str(), "deliver"]), fault);
        return;
    }
}

/// Rejected rows that the route takes for rows would be rejected again, for ever.
fn check_rejects(
    route: &Route,
    name: &qm_core::id::DestinationName,
    rejects: &Rejects,
    report: &mut Report,
) {
    let Rejects {
        bucket,
        prefix,
        format,
    } = rejects;
    let relative = format!("{SAMPLE_DELIVERY}/{}", format.file_name());
    let Ok(key) = prefix.join(&relative) else {
        return;
    };
    let to = ObjectPath {
        bucket: bucket.clone(),
        key,
    };
    if !route.arrives.matches(&to) {
        return;
    }
    let fault = Fault::new(format!(
        "rejects: rejected rows would be written to `{to}`, which starts route `{}` again",
        route.name
    ))
    .help(format!(
        "write them where `{}` does not match",
        route.arrives
    ));
    let key = path_of(&["destination", name.as_str(), "rejects"]);
    report.say_of(&key, fault);
}

/// A file that is moved starts no route, but whoever looks at the folder would take it for a new
/// one.
fn check_move(route: &Route, key: &str, template: &Template, report: &mut Report) {
    let moved = |facts: &Facts<'_>| ObjectKey::parse(&template.render(facts)?);
    for (from, to) in check_possible(route, key, moved, report) {
        let to = ObjectPath {
            bucket: from.bucket.clone(),
            key: to,
        };
        if !route.arrives.matches(&to) || has_folder_of_its_own(route, template) {
            continue;
        }
        let fault = Fault::new(format!(
            "`{from}` would become `{to}`, which is a file for the same route"
        ))
        .help(format!("move it where `{}` does not match", route.arrives));
        report.say_of(key, fault);
        return;
    }
}

/// True if the route takes any first folder, as `staging/*/**` does, and the template names one: no
/// place in the bucket is better, and whoever looks can tell it from the others.
fn has_folder_of_its_own(route: &Route, template: &Template) -> bool {
    let pattern = route.arrives.to_string();
    let folder = template.as_str().split_once('/').map(|(folder, _)| folder);
    pattern.split('/').nth(1) == Some("*") && folder.is_some_and(|folder| !folder.contains('{'))
}

/// The names of the samples; told if not one has a name.
fn check_possible<T>(
    route: &Route,
    key: &str,
    name: impl Fn(&Facts<'_>) -> Result<T>,
    report: &mut Report,
) -> Vec<(ObjectPath, T)> {
    let mut first = None;
    let mut named = Vec::new();
    for (path, result) in samples::each(&route.arrives, name) {
        match result {
            Ok(name) => named.push((path, name)),
            Err(error) => {
                first.get_or_insert((path, error));
            }
        }
    }
    if let Some((path, error)) = first.filter(|_| named.is_empty()) {
        let message = format!(
            "no file of route `{}` has such a name: for `{path}`, {}",
            route.name,
            error.public_message()
        );
        let fault = Fault::new(message);
        let help = error.remedy().map_or_else(
            || "use parts that every file has, such as {name}".to_owned(),
            str::to_owned,
        );
        report.say_of(key, fault.help(help));
    }
    named
}
