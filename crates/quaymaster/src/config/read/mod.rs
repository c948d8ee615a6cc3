//! From the tree to the types, table by table; one file for each kind of table.

mod account;
mod alarm;
mod aws;
mod bucket;
mod declaration;
mod destination;
mod encryption_key;
mod expectation;
mod limits;
mod lookup;
mod node;
mod notifier;
mod route;
mod screen;
mod sftp;
mod table;
mod texts;

use qm_core::config::Config;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::folders;
use super::problem::{Fault, Report};
use super::section::{Named, Section};
use super::suggest;
use super::tree::{Item, Table, Value};
use super::values::{self, text};

/// Reads the whole tree. `None` if a part without which there is no configuration is missing or
/// wrong, which is told.
pub(super) fn config(tree: &Table, base: &Path, report: &mut Report) -> Option<Config> {
    let context = Context {
        base,
        names: Names::of(tree),
    };
    let mut top = Section::top(tree);
    let node = node::node(&mut top, &context, report);
    let sftp = node::sftp(&mut top, report);
    let buckets = bucket::buckets(&mut top, &context, report);
    let encryption_keys = encryption_key::encryption_keys(&mut top, report);
    let expectations = expectation::expectations(&mut top, &context, report);
    let notifiers = notifier::notifiers(&mut top, &context, report);
    let routes = route::routes(&mut top, &context, report);
    let declarations = declaration::declarations(&mut top, report);
    let accounts = account::accounts(&mut top, &declarations, &context, report);
    let destinations = destination::destinations(&mut top, &declarations, &context, report);
    let texts = texts::texts(&mut top, report);
    top.finish(report);
    folders::check(node.as_ref(), &buckets, &destinations, report);
    Some(Config {
        node: node?,
        sftp: sftp?,
        buckets,
        encryption_keys,
        accounts,
        expectations,
        notifiers,
        routes,
        destinations,
        declarations,
        texts,
    })
}

/// What readers need beside their table.
struct Context<'a> {
    /// The folder that relative paths are meant from.
    base: &'a Path,
    names: Names,
}

/// What can be referred to. A name counts even if its table has mistakes: those are told once.
struct Names {
    buckets: BTreeSet<String>,
    declarations: BTreeSet<String>,
    destinations: BTreeSet<String>,
    encryption_keys: BTreeSet<String>,
    notifiers: BTreeSet<String>,
    partners: BTreeSet<String>,
}

impl Names {
    fn of(tree: &Table) -> Self {
        let below = |key: &str| match tree.entries.get(key).map(|entry| &entry.item.value) {
            Some(Value::Table(table)) => table.entries.keys().cloned().collect(),
            _ => BTreeSet::new(),
        };
        Self {
            buckets: below("bucket"),
            declarations: below("declaration"),
            destinations: below("destination"),
            encryption_keys: below("encryption_key"),
            notifiers: below("notifier"),
            partners: below("partner"),
        }
    }

    fn bucket(&self, name: &str) -> Result<(), Fault> {
        refer("bucket", &self.buckets, name)
    }

    fn declaration(&self, name: &str) -> Result<(), Fault> {
        refer("declaration", &self.declarations, name)
    }

    fn destination(&self, name: &str) -> Result<(), Fault> {
        refer("destination", &self.destinations, name)
    }

    fn encryption_key(&self, name: &str) -> Result<(), Fault> {
        refer("encryption_key", &self.encryption_keys, name)
    }

    fn notifier(&self, name: &str) -> Result<(), Fault> {
        refer("notifier", &self.notifiers, name)
    }

    fn partner(&self, name: &str) -> Result<(), Fault> {
        refer("partner", &self.partners, name)
    }
}

fn refer(kind: &str, existing: &BTreeSet<String>, name: &str) -> Result<(), Fault> {
    if existing.contains(name) {
        return Ok(());
    }
    let fault = Fault::new(format!("there is no {kind} `{}`", name.escape_debug()));
    if existing.is_empty() {
        return Err(fault.help(format!("add a table [{kind}.{}]", name.escape_debug())));
    }
    let there = existing.iter().map(String::as_str);
    let what = format!("{kind}s are");
    Err(fault.help(suggest::remedy(name, there, &what)))
}

/// Reads every table below `key`. A table with mistakes is left out, its mistakes are told.
fn each<N: Ord, T>(
    top: &mut Section<'_>,
    key: &'static str,
    report: &mut Report,
    parse_name: impl Fn(&str) -> qm_core::Result<N>,
    mut read: impl FnMut(Option<&N>, Section<'_>, &mut Report) -> Option<T>,
) -> BTreeMap<N, T> {
    let mut all = BTreeMap::new();
    for Named {
        name,
        place,
        section,
    } in top.named(report, key)
    {
        let parsed = parse_name(name)
            .map_err(|error| report.say(place, error.into()))
            .ok();
        let value = read(parsed.as_ref(), section, report);
        if let (Some(name), Some(value)) = (parsed, value) {
            all.insert(name, value);
        }
    }
    all
}

/// The kind of the table, if there is one of that name; what an unknown kind needs, nobody knows.
fn kind<T: Copy>(
    section: &mut Section<'_>,
    report: &mut Report,
    kinds: &[(&'static str, T)],
) -> Option<T> {
    if !section.has("kind") {
        let fault = Fault::new(format!("[{}] needs `kind`", section.title()));
        let written: Vec<String> = kinds
            .iter()
            .map(|(kind, _)| format!("\"{kind}\""))
            .collect();
        let help = format!("kind = {}", written.join(" or "));
        report.say(section.place(), fault.help(help));
    }
    section.optional(report, "kind", |item| values::word(item, kinds))
}

/// A notifier by name, which must exist.
fn notifier_name(item: &Item, names: &Names) -> Result<qm_core::id::NotifierName, Fault> {
    let text = text(item)?;
    names.notifier(text)?;
    Ok(qm_core::id::NotifierName::parse(text)?)
}
