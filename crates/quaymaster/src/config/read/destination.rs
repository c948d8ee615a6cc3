//! `[destination.NAME]`.

use qm_core::config::{Destination, Directory};
use qm_core::id::DestinationName;
use std::collections::BTreeMap;

use super::{Context, each, is_of_kind};
use crate::config::places;
use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
use crate::config::tree::Item;
use crate::config::values;

/// Readable by the group that shares the folder, by nobody else.
const MODE: u32 = 0o640;
/// Likewise.
const FOLDER_MODE: u32 = 0o750;
/// Deliveries at a time to one destination, so that a slow one never takes every worker.
const CONCURRENCY: u32 = 4;
/// More at a time only wait for the same disk.
const CONCURRENCY_MAX: u32 = 64;
/// `chown` takes the largest number as "leave it as it is".
const OWNER_MAX: u32 = u32::MAX - 1;

pub(super) fn destinations(
    top: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> BTreeMap<DestinationName, Destination> {
    each(
        top,
        "destination",
        report,
        DestinationName::parse,
        |_, mut section, report| {
            if !is_of_kind(&mut section, report, "directory") {
                return None;
            }
            let directory = directory(&mut section, context, report);
            section.finish(report);
            directory.map(Destination::Directory)
        },
    )
}

fn directory(
    section: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Directory> {
    let owner = |item: &Item| values::whole(item, 0..=OWNER_MAX);
    let folder = section.required(report, "path", |item| places::folder(item, context.base));
    let strip = section.optional(report, "strip", places::prefix);
    let uid = section.optional(report, "uid", owner);
    let gid = section.optional(report, "gid", owner);
    let mode = section.optional(report, "mode", |item| owned(item, 0o600, "rw"));
    let folder_mode = section.optional(report, "folder_mode", |item| owned(item, 0o700, "rwx"));
    let concurrency = section.optional(report, "concurrency", |item| {
        values::whole(item, 1..=CONCURRENCY_MAX)
    });
    Some(Directory {
        folder: folder?,
        strip: strip.unwrap_or_default(),
        uid,
        gid,
        mode: mode.unwrap_or(MODE),
        folder_mode: folder_mode.unwrap_or(FOLDER_MODE),
        concurrency: concurrency.unwrap_or(CONCURRENCY),
    })
}

/// Permissions that leave the owner what a later delivery needs to replace the file.
fn owned(item: &Item, needed: u32, letters: &str) -> Result<u32, Fault> {
    let mode = values::mode(item)?;
    if mode & needed != needed {
        return Err(Fault::new(format!(
            "{mode:04o} leaves the owner without {letters}, so no later delivery could replace anything"
        ))
        .help(format!("at least \"{:04o}\"", mode | needed)));
    }
    Ok(mode)
}
