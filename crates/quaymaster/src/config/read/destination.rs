//! `[destination.NAME]`.

use qm_core::config::{BucketDestination, Declaration, Destination, DestinationPlace, Directory};
use qm_core::id::{BucketName, DeclarationName, DestinationName};
use std::collections::BTreeMap;

use super::table::Engine;
use super::{Context, alarm, each, kind, limits, sftp, table};
use crate::config::places;
use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
use crate::config::tree::Item;
use crate::config::values::{self, text};

/// Readable by the group that shares the folder, by nobody else.
const MODE: u32 = 0o640;
/// Likewise.
const FOLDER_MODE: u32 = 0o750;
/// `chown` takes the largest number as "leave it as it is".
const OWNER_MAX: u32 = u32::MAX - 1;

#[derive(Clone, Copy)]
enum Kind {
    Directory,
    Bucket,
    Sftp,
    Table(Engine),
}

const KINDS: [(&str, Kind); 6] = [
    ("directory", Kind::Directory),
    ("bucket", Kind::Bucket),
    ("sftp", Kind::Sftp),
    ("sqlite", Kind::Table(Engine::Sqlite)),
    ("postgres", Kind::Table(Engine::Postgres)),
    ("dynamodb", Kind::Table(Engine::DynamoDb)),
];

pub(super) fn destinations(
    top: &mut Section<'_>,
    declarations: &BTreeMap<DeclarationName, Declaration>,
    context: &Context<'_>,
    report: &mut Report,
) -> BTreeMap<DestinationName, Destination> {
    each(
        top,
        "destination",
        report,
        DestinationName::parse,
        |_, mut section, report| {
            let kind = kind(&mut section, report, &KINDS)?;
            let destination = destination(kind, &mut section, declarations, context, report);
            section.finish(report);
            destination
        },
    )
}

fn destination(
    kind: Kind,
    section: &mut Section<'_>,
    declarations: &BTreeMap<DeclarationName, Declaration>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Destination> {
    let place = match kind {
        Kind::Directory => directory(section, context, report).map(DestinationPlace::Directory),
        Kind::Bucket => bucket(section, context, report).map(DestinationPlace::Bucket),
        Kind::Sftp => sftp::sftp(section, report).map(DestinationPlace::Sftp),
        Kind::Table(engine) => table::table(engine, section, declarations, context, report)
            .map(|table| DestinationPlace::Table(Box::new(table))),
    };
    let strip = section.optional(report, "strip", places::prefix);
    let name = section.optional(report, "name", values::template);
    if strip.is_some() && name.is_some() {
        let fault =
            Fault::new("strip: nothing is left to cut off where `name` says the whole name")
                .help("leave one of the two out");
        report.say_of(&section.key("strip"), fault);
    }
    let limits = limits::limits(section, report);
    let limits = match kind {
        Kind::Directory | Kind::Bucket | Kind::Sftp => limits,
        Kind::Table(_) => table::taking_turns(limits, section, report),
    };
    let rows = match kind {
        Kind::Directory | Kind::Bucket | Kind::Sftp => alarm::Rows::None,
        Kind::Table(_) => alarm::Rows::Loaded,
    };
    let alarms = alarm::alarms(section, rows, context, report);
    Some(Destination {
        place: place?,
        name,
        strip: strip.unwrap_or_default(),
        limits,
        alarms,
    })
}

fn bucket(
    section: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<BucketDestination> {
    let bucket = section.required(report, "bucket", |item| {
        let name = text(item)?;
        context.names.bucket(name)?;
        Ok(BucketName::parse(name)?)
    });
    let prefix = section.optional(report, "prefix", places::prefix);
    let acl = section.optional(report, "acl", |item| {
        values::word(item, &[("bucket-owner-full-control", ())])
    });
    Some(BucketDestination {
        bucket: bucket?,
        prefix: prefix.unwrap_or_default(),
        owner_full_control: acl.is_some(),
    })
}

fn directory(
    section: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Directory> {
    let owner = |item: &Item| values::whole(item, 0..=OWNER_MAX);
    let folder = section.required(report, "path", |item| places::folder(item, context.base));
    let uid = section.optional(report, "uid", owner);
    let gid = section.optional(report, "gid", owner);
    let mode = section.optional(report, "mode", |item| owned(item, 0o600, "rw"));
    let folder_mode = section.optional(report, "folder_mode", |item| owned(item, 0o700, "rwx"));
    Some(Directory {
        folder: folder?,
        uid,
        gid,
        mode: mode.unwrap_or(MODE),
        folder_mode: folder_mode.unwrap_or(FOLDER_MODE),
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
