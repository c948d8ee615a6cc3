//! `[route.NAME.screen]`.

use qm_core::screen::{NamePattern, Screen};

use super::account;
use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
use crate::config::sizes;
use crate::config::values::{self, text};

/// What a table that is not there says: everything passes.
pub(super) fn screen(route: &mut Section<'_>, report: &mut Report) -> Screen {
    let Some(mut section) = route.section(report, "screen") else {
        return Screen::default();
    };
    let globs = section.list(report, "names", |item| Ok(NamePattern::glob(text(item)?)?));
    let expressions = section.list(report, "regex", |item| Ok(NamePattern::regex(text(item)?)?));
    let types = account::types(&mut section, report);
    let min_size = section.optional(report, "min_size", sizes::size);
    let max_size = section.optional(report, "max_size", sizes::size);
    let kept = section.optional(report, "on_reject", |item| {
        values::word(item, &[("keep", ())])
    });
    let quarantine = section.optional(report, "quarantine", values::template);
    if kept.is_some() && quarantine.is_some() {
        let fault =
            Fault::new("on_reject: a file that goes to `quarantine` is not kept where it is")
                .help("leave one of the two out");
        report.say_of(&section.key("on_reject"), fault);
    }
    if let (Some(min), Some(max)) = (min_size, max_size)
        && min > max
    {
        let fault = Fault::new("max_size: it is smaller than `min_size`, so no file would pass")
            .help("swap the two");
        report.say_of(&section.key("max_size"), fault);
    }
    let screen = Screen {
        names: [globs.unwrap_or_default(), expressions.unwrap_or_default()].concat(),
        types,
        min_size_bytes: min_size.unwrap_or(0),
        max_size_bytes: max_size,
        quarantine,
    };
    let checks_nothing = Screen {
        quarantine: None,
        ..screen.clone()
    }
    .is_open();
    let is_told = ["names", "regex", "types", "min_size", "max_size"]
        .iter()
        .any(|key| section.has(key));
    if checks_nothing && !is_told {
        let fault = Fault::new(format!("[{}] checks nothing", section.title())).help(
            "add names = [\"*.csv\"], regex, types, min_size or max_size, or leave the table out",
        );
        report.say(section.place(), fault);
    }
    section.finish(report);
    screen
}
