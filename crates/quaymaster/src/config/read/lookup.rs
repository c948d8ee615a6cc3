//! `[route.NAME.lookup]`.

use qm_core::config::{Lookup, LookupPlace, LookupTable, SecretStore};
use qm_core::id::DestinationName;
use qm_core::template::Template;

use super::route::destination_name;
use super::table::table_name;
use super::{Context, aws, kind, limits};
use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
use crate::config::tree::Item;
use crate::config::values::{self, text};

/// The key of an item unless another is named: `landing/north/` for what arrives below it.
const KEY: &str = "{bucket}/{path.0}/";
/// The attribute that has it unless another one is named.
const PARTITION_KEY: &str = "source_prefix";
/// DynamoDB takes no longer name of a key.
const ATTRIBUTE_BYTES_MAX: usize = 255;

#[derive(Clone, Copy)]
enum Kind {
    Secrets,
    DynamoDb,
}

#[derive(Clone, Copy)]
enum Store {
    Node,
    Aws,
}

pub(super) fn lookup(
    mut section: Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Lookup> {
    let kinds = [("secrets", Kind::Secrets), ("dynamodb", Kind::DynamoDb)];
    let read = match kind(&mut section, report, &kinds)? {
        Kind::Secrets => secrets(&mut section, context, report),
        Kind::DynamoDb => dynamodb(&mut section, context, report),
    };
    if read.is_some() {
        section.finish(report);
    }
    read
}

fn secrets(
    section: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Lookup> {
    let name = section.required(report, "name", values::template);
    let store = section.optional(report, "store", |item| {
        values::word(item, &[("node", Store::Node), ("aws", Store::Aws)])
    });
    // The keys of a store are unknown where another one is named.
    let store = match store.unwrap_or(Store::Node) {
        Store::Node => SecretStore::Node,
        Store::Aws => SecretStore::Aws(aws::access(section, report)),
    };
    let require_tags = section.optional(report, "require_tag", values::tags);
    if store == SecretStore::Node && !section.has("require_tag") {
        // Beside it lie the node's own secrets, and the name comes from outside.
        let fault = Fault::new("lookup: without `require_tag` any secret of the node could be found")
            .help("require_tag = { service = \"push\" }, and the same in the file NAME.tags beside each secret");
        report.say(section.place(), fault);
    }
    let destinations = destinations(section, context, report);
    let limits = limits::limits(section, report);
    Some(Lookup {
        name: name?,
        store: LookupPlace::Secrets(store),
        require_tags: require_tags.unwrap_or_default(),
        destinations,
        limits,
    })
}

fn dynamodb(
    section: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Lookup> {
    let table = section.required(report, "table", table_name);
    let key = key(section, report);
    let partition_key = section.optional(report, "partition_key", attribute);
    let access = aws::access(section, report);
    let require_tags = section.optional(report, "require_tag", values::tags);
    let destinations = destinations(section, context, report);
    let limits = limits::limits(section, report);
    Some(Lookup {
        name: key?,
        store: LookupPlace::Table(LookupTable {
            access,
            table: table?,
            partition_key: partition_key.unwrap_or_else(|| PARTITION_KEY.to_owned()),
        }),
        require_tags: require_tags.unwrap_or_default(),
        destinations,
        limits,
    })
}

/// Those that what is found may name.
fn destinations(
    section: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Vec<DestinationName> {
    let listed = section.list(report, "destinations", |item| {
        destination_name(item, context)
    });
    listed.unwrap_or_default()
}

fn key(section: &mut Section<'_>, report: &mut Report) -> Option<Template> {
    let written = section.optional(report, "key", values::template);
    if section.has("key") {
        return written;
    }
    Template::parse(KEY)
        .map_err(|error| report.say(section.place(), error.into()))
        .ok()
}

fn attribute(item: &Item) -> Result<String, Fault> {
    let text = text(item)?;
    if text.len() > ATTRIBUTE_BYTES_MAX || text.contains(char::is_control) {
        return Err(Fault::new("not the name of an attribute")
            .help("write the table's partition key as DynamoDB has it, as in `source_prefix`"));
    }
    Ok(text.to_owned())
}
