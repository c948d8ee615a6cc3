//! The keys of a destination that is a table.

use qm_core::config::{
    Declaration, DestinationLimits, LoadMode, Rejects, RejectsFormat, RowOrder, SecretName, Table,
    TableEngine,
};
use qm_core::id::{BucketName, DeclarationName};
use std::collections::BTreeMap;

use super::{Context, aws, notifier_name};
use crate::config::places;
use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
use crate::config::suggest;
use crate::config::tree::Item;
use crate::config::values::{self, text};

/// Where loads into DynamoDB take turns unless another table is named.
const CONTROL: &str = "quaymaster-loads";
/// Longer than the longest of any of the databases, schema and all.
const TABLE_BYTES_MAX: usize = 255;
/// The column that rows get which can be taken back.
const DELIVERY_COLUMN: &str = "delivery";
/// A partition key and a sort key.
const DYNAMODB_KEY_MAX: usize = 2;

const MODES: [(&str, LoadMode); 3] = [
    ("upsert", LoadMode::Upsert),
    ("append", LoadMode::Append),
    ("replace", LoadMode::Replace),
];
const FORMATS: [(&str, RejectsFormat); 2] =
    [("json", RejectsFormat::Json), ("csv", RejectsFormat::Csv)];
const ORDERS: [(&str, RowOrder); 2] = [("by_row", RowOrder::ByRow), ("none", RowOrder::None)];

/// Which database.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
    DynamoDb,
}

pub(super) fn table(
    engine: Engine,
    section: &mut Section<'_>,
    declarations: &BTreeMap<DeclarationName, Declaration>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Table<SecretName>> {
    let place = self::engine(engine, section, context, report);
    let table = section.required(report, "table", table_name);
    let rows = rows(engine, section, declarations, context, report);
    let key = section.list(report, "key", |item| Ok(text(item)?.to_owned()));
    let mode = section.optional(report, "mode", |item| values::word(item, &MODES));
    let create = section.optional(report, "create", values::truth);
    let sequence = section.optional(report, "sequence", |item| Ok(text(item)?.to_owned()));
    let undo = section.optional(report, "undo", values::truth);
    let rejects = rejects(section, context, report);
    let report_to = section.list(report, "report", |item| notifier_name(item, &context.names));
    let read = Table {
        engine: place?,
        table: table?,
        rows: rows?,
        key: key.unwrap_or_default(),
        mode: mode.unwrap_or(LoadMode::Upsert),
        create: create.unwrap_or(false),
        sequence,
        undo: undo.unwrap_or(false),
        rejects,
        report: report_to.unwrap_or_default(),
    };
    check_key(engine, &read, section, report);
    check_mode(engine, &read, section, report);
    check_columns(engine, &read, section, report);
    Some(read)
}

/// The limits of a table, whose loads take turns; tells of keys that other destinations have, since
/// what goes into a table is not a file any more.
pub(super) fn taking_turns(
    limits: DestinationLimits,
    section: &Section<'_>,
    report: &mut Report,
) -> DestinationLimits {
    for key in ["strip", "name"] {
        if section.has(key) {
            let fault = Fault::new(format!("{key}: rows of a table have no file's name"))
                .help("leave it out; a column with value = \"{name}\" keeps the name of the file");
            report.say_of(&section.key(key), fault);
        }
    }
    if section.has("concurrency") && limits.concurrency > 1 {
        let fault = Fault::new(
            "concurrency: loads of one table take turns, in the order in which their files arrived",
        )
        .help("leave it out; files for other tables do not wait");
        report.say_of(&section.key("concurrency"), fault);
    }
    DestinationLimits {
        concurrency: 1,
        ..limits
    }
}

fn engine(
    engine: Engine,
    section: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<TableEngine<SecretName>> {
    match engine {
        Engine::Sqlite => section
            .required(report, "path", |item| places::folder(item, context.base))
            .map(|file| TableEngine::Sqlite { file }),
        Engine::Postgres => {
            if !section.has("url") {
                let fault = Fault::new(format!("[{}] needs `url`", section.title())).help(
                    "for example url = \"secret:warehouse\", the secret being the connection string (postgres://…)",
                );
                report.say(section.place(), fault);
            }
            section
                .secret(report, "url", places::secret)
                .map(|url| TableEngine::Postgres { url })
        }
        Engine::DynamoDb => {
            let access = aws::access(section, report);
            let control = section.optional(report, "control", table_name);
            let order = section.optional(report, "order", |item| values::word(item, &ORDERS));
            Some(TableEngine::DynamoDb {
                access,
                control: control.unwrap_or_else(|| CONTROL.to_owned()),
                order: order.unwrap_or_default(),
            })
        }
    }
}

pub(super) fn table_name(item: &Item) -> Result<String, Fault> {
    let text = text(item)?;
    if text.len() > TABLE_BYTES_MAX || text.contains(char::is_control) {
        return Err(Fault::new("not the name of a table")
            .help("write it as the database has it, as in `products` or `sales.products`"));
    }
    Ok(text.to_owned())
}

fn rows(
    engine: Engine,
    section: &mut Section<'_>,
    declarations: &BTreeMap<DeclarationName, Declaration>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Declaration> {
    let name = section.optional(report, "declaration", |item| {
        let name = text(item)?;
        context.names.declaration(name)?;
        Ok(DeclarationName::parse(name)?)
    });
    match (engine, section.has("declaration")) {
        // One with mistakes is not among them, and they are told.
        (_, true) => {
            let declared = declarations.get(&name?)?.clone();
            if engine != Engine::DynamoDb && declared.columns.is_empty() {
                let fault =
                    Fault::new("declaration: no column is declared, and a table of SQL has some")
                        .help(
                            "declare the columns, as in [declaration.NAME.column.id]; \
                             `quaymaster table suggest FILE` writes a draft",
                        );
                report.say_of(&section.key("declaration"), fault);
                return None;
            }
            Some(declared)
        }
        (Engine::DynamoDb, false) => Some(Declaration::default()),
        (Engine::Sqlite | Engine::Postgres, false) => {
            let fault = Fault::new(format!("[{}] needs `declaration`", section.title())).help(
                "say what the rows are in a table [declaration.NAME], a draft of which \
                 `quaymaster table suggest FILE` writes, and name it: declaration = \"NAME\"",
            );
            report.say(section.place(), fault);
            None
        }
    }
}

fn rejects(
    section: &mut Section<'_>,
    context: &Context<'_>,
    report: &mut Report,
) -> Option<Rejects> {
    let place = section.optional(report, "rejects", |item| {
        let root = places::mailbox(item)?;
        context.names.bucket(root.bucket.as_str())?;
        if root.prefix.is_root() {
            return Err(
                Fault::new("rejected rows need a folder of their own").help(format!(
                    "as in rejects = \"{}/invalid-records\"",
                    root.bucket
                )),
            );
        }
        Ok((root.bucket, root.prefix))
    });
    let format = section.optional(report, "rejects_format", |item| {
        values::word(item, &FORMATS)
    });
    if format.is_some() && !section.has("rejects") {
        let fault = Fault::new("rejects_format: rejected rows are written nowhere")
            .help("add rejects = \"BUCKET/FOLDER\", or leave the format out");
        report.say_of(&section.key("rejects_format"), fault);
    }
    let (bucket, prefix): (BucketName, _) = place?;
    Some(Rejects {
        bucket,
        prefix,
        format: format.unwrap_or_default(),
    })
}

fn check_key(
    engine: Engine,
    table: &Table<SecretName>,
    section: &Section<'_>,
    report: &mut Report,
) {
    let is_dynamodb = engine == Engine::DynamoDb;
    let mut say = |fault: Fault| report.say_of(&section.key("key"), fault);
    if table.key.is_empty() && (table.mode == LoadMode::Upsert || is_dynamodb) {
        let help = if is_dynamodb {
            "write the table's partition key, and its sort key if it has one, as in key = [\"ID\"]"
        } else {
            "name the columns that make a row the same row, as in key = [\"id\"], or add mode = \"append\""
        };
        say(Fault::new("without `key` nobody can tell which row a row replaces").help(help));
    }
    if is_dynamodb && table.key.len() > DYNAMODB_KEY_MAX {
        say(
            Fault::new("key: a table of DynamoDB has a partition key and at most a sort key")
                .help("name these two"),
        );
    }
    let names = || table.rows.columns.iter().map(|column| column.name.as_str());
    for key in &table.key {
        if table.rows.columns.is_empty() || names().any(|name| name == key) {
            continue;
        }
        say(Fault::new(format!(
            "key: no column `{}` is declared",
            key.escape_debug()
        ))
        .help(suggest::remedy(key, names(), "columns are")));
    }
}

fn check_mode(
    engine: Engine,
    table: &Table<SecretName>,
    section: &Section<'_>,
    report: &mut Report,
) {
    let mut say = |key: &str, message: &str, help: &str| {
        let fault = Fault::new(format!("{key}: {message}")).help(help);
        report.say_of(&section.key(key), fault);
    };
    match (engine, table.mode) {
        (Engine::DynamoDb, LoadMode::Append | LoadMode::Replace) => say(
            "mode",
            "items of DynamoDB are put by their key and never all at once",
            "leave it out: rows are upserted",
        ),
        (Engine::Sqlite | Engine::Postgres, _) | (Engine::DynamoDb, LoadMode::Upsert) => {}
    }
    match (engine, table.mode) {
        _ if !table.undo => {}
        (Engine::DynamoDb, _) => say(
            "undo",
            "DynamoDB has no transaction in which a load could be taken back",
            "leave it out; point-in-time recovery of the table is Amazon's way",
        ),
        (_, LoadMode::Upsert) => say(
            "undo",
            "rows that replaced others are not kept apart, so an upsert cannot be taken back",
            "use mode = \"append\" or \"replace\", or leave `undo` out",
        ),
        (_, LoadMode::Append | LoadMode::Replace) => {}
    }
    if table.sequence.is_some() && table.mode != LoadMode::Upsert {
        say(
            "sequence",
            "only rows that replace others need to know which is newer",
            "leave it out; a column with value = \"{arrived:%Y-%m-%d %H:%M:%S}\" keeps the time of arrival",
        );
    }
}

/// Columns that would be there twice.
fn check_columns(
    engine: Engine,
    table: &Table<SecretName>,
    section: &Section<'_>,
    report: &mut Report,
) {
    let is_same = |left: &str, right: &str| match engine {
        Engine::Sqlite => left.eq_ignore_ascii_case(right),
        Engine::Postgres | Engine::DynamoDb => left == right,
    };
    let own = [
        ("sequence", table.sequence.as_deref()),
        (
            "undo",
            (table.undo && table.mode == LoadMode::Append).then_some(DELIVERY_COLUMN),
        ),
    ];
    let columns = &table.rows.columns;
    for (index, column) in columns.iter().enumerate() {
        let name = column.name.as_str();
        let is_twice = columns.iter().take(index).any(|c| is_same(&c.name, name));
        if is_twice {
            let fault = Fault::new(format!(
                "declaration: to SQLite, column `{}` is the same as one before it",
                name.escape_debug()
            ))
            .help("give it a name that differs in more than capitals");
            report.say_of(&section.key("declaration"), fault);
        }
        for (key, _) in own
            .iter()
            .filter(|(_, own)| own.is_some_and(|own| is_same(own, name)))
        {
            let fault = Fault::new(format!(
                "{key}: column `{}` is also declared as one of the file's",
                name.escape_debug()
            ))
            .help("give the declared one another name");
            report.say_of(&section.key(key), fault);
        }
    }
}
