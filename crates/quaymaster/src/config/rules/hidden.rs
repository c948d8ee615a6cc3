//! Routes that do only what another one does already.

use qm_core::config::{Config, Deliver, Route};

use crate::config::problem::{Fault, Report};
use crate::config::section::path_of;

pub(super) fn check(config: &Config, report: &mut Report) {
    let key = |route: &Route| path_of(&["route", route.name.as_str(), "when", "arrives"]);
    for hidden in config.routes.values() {
        let by = config.routes.values().find(|other| {
            let is_earlier = report.place_of(&key(other)) < report.place_of(&key(hidden));
            other.name != hidden.name
                && hides(other, hidden)
                // Of two that hide each other, the later one is told.
                && (is_earlier || !hides(hidden, other))
        });
        let Some(by) = by else { continue };
        let fault = Fault::new(format!(
            "route `{}` is hidden by route `{}`, whose `{}` matches the same files and delivers them to the same destinations",
            hidden.name, by.name, by.arrives
        ))
        .help("remove one of the two, or let them match different files");
        report.say_of(&key(hidden), fault);
    }
}

/// True if whatever the second does, the first does as well: every file would go twice.
fn hides(wide: &Route, narrow: &Route) -> bool {
    wide.arrives.covers(&narrow.arrives)
        && wide.min_size_bytes <= narrow.min_size_bytes
        && (wide.screen.is_open() || wide.screen == narrow.screen)
        && goes_there_too(wide, narrow)
}

fn goes_there_too(wide: &Route, narrow: &Route) -> bool {
    match (&wide.deliver, &narrow.deliver) {
        (Deliver::To(wide), Deliver::To(narrow)) => narrow.iter().all(|name| wide.contains(name)),
        (Deliver::LookUp(wide), Deliver::LookUp(narrow)) => {
            wide.name == narrow.name
                && wide.store == narrow.store
                && wide.require_tags == narrow.require_tags
                && narrow
                    .destinations
                    .iter()
                    .all(|name| wide.destinations.contains(name))
        }
        (Deliver::To(_), Deliver::LookUp(_)) | (Deliver::LookUp(_), Deliver::To(_)) => false,
    }
}
