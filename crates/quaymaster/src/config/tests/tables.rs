//! Tables and the declarations of their rows that are right: everything that can be said, and the
//! design's sketch.

use qm_core::config::{
    ColumnSource, ColumnType, DecimalMark, Declaration, DestinationPlace, Encoding, LoadMode,
    MaxRejected, OtherColumns, RejectsFormat, RowFormat, RowOrder, SecretName, Table, TableEngine,
};

use super::right;
use crate::config::plan::plan;

/// Everything that can be said about tables.
const ALL: &str = r#"
node.data = "/data"
bucket.landing = { url = "file:///srv/landing", watch = {} }
notifier.sre = { kind = "email", to = ["a@b"], from = "a@b", host = "h" }

[route.products]
when = { arrives = "landing/raw-data/*.csv" }
deliver = ["products", "sales", "items"]

[declaration.products]
format = "csv"
encoding = "latin-1"
delimiter = "\t"
quote = "'"
decimal_mark = ","
max_rejected = "5%"
others = "refuse"
[declaration.products.column.sku]
header = "ID"
required = true
[declaration.products.column.price]
header = "Price (USD)"
type = "decimal"
default = "0,00"
[declaration.products.column.amount]
type = "integer"
default = 1
[declaration.products.column.listed]
type = "boolean"
default = false
[declaration.products.column.day]
type = "date"
format = "%d.%m.%Y"
[declaration.products.column.at]
type = "timestamp"
format = "%d.%m.%Y %H:%M"
zone = "Europe/Dublin"
[declaration.products.column.file]
value = "{name}"

[declaration.book]
format = "xlsx"
sheet = "Sheet 2"
max_rejected = 10
column.id = {}

[destination.products]
kind = "postgres"
url = "secret:warehouse"
table = "shop.products"
key = ["sku"]
sequence = "arrival_seq"
create = true
declaration = "products"
rejects = "landing/invalid-records"
rejects_format = "csv"
report = ["sre"]
bandwidth = "10 MiB/s"

[destination.sales]
kind = "sqlite"
path = "sales.sqlite"
table = "sales"
declaration = "book"
mode = "append"
undo = true

[destination.items]
kind = "dynamodb"
table = "items"
key = ["ID"]
region = "eu-west-1"
endpoint = "http://127.0.0.1:5000"
control = "turns"
order = "none"
"#;

fn table<'c>(config: &'c qm_core::config::Config, name: &str) -> &'c Table<SecretName> {
    let mut destinations = config.destinations.iter();
    let (_, found) = destinations.find(|(n, _)| n.as_str() == name).unwrap();
    let DestinationPlace::Table(table) = &found.place else {
        panic!("not a table");
    };
    table
}

#[test]
fn everything_that_can_be_said_about_tables() {
    let config = right(ALL);
    let products = table(&config, "products");
    let TableEngine::Postgres { url } = &products.engine else {
        panic!("not PostgreSQL");
    };
    assert_eq!(url.0, "warehouse");
    assert_eq!((products.mode, products.create), (LoadMode::Upsert, true));
    assert_eq!(products.key, ["sku"]);
    assert_eq!(products.sequence.as_deref(), Some("arrival_seq"));
    let rejects = products.rejects.as_ref().unwrap();
    assert_eq!(
        (rejects.bucket.as_str(), rejects.prefix.as_str()),
        ("landing", "invalid-records")
    );
    assert_eq!(rejects.format, RejectsFormat::Csv);
    assert_eq!(products.report.len(), 1);
    assert_eq!(
        products.rows,
        config.declarations.values().nth(1).unwrap().clone()
    );

    let rows = &products.rows;
    assert_eq!(rows.format, Some(RowFormat::Csv));
    assert_eq!(rows.encoding, Encoding::Latin1);
    assert_eq!((rows.delimiter, rows.quote), (Some('\t'), Some('\'')));
    assert_eq!(rows.decimal_mark, DecimalMark::Comma);
    assert_eq!(rows.max_rejected, Some(MaxRejected::Percent(5)));
    assert_eq!(rows.others, OtherColumns::Refuse);
    let columns: Vec<(&str, ColumnType)> = rows
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.kind))
        .collect();
    assert_eq!(
        columns,
        [
            ("sku", ColumnType::Text),
            ("price", ColumnType::Decimal),
            ("amount", ColumnType::Integer),
            ("listed", ColumnType::Boolean),
            ("day", ColumnType::Date),
            ("at", ColumnType::Timestamp),
            ("file", ColumnType::Text),
        ],
        "in the order in which they are written"
    );
    let source = |index: usize| match &rows.columns[index].source {
        ColumnSource::Header(header) => format!("header {header}"),
        ColumnSource::Fixed(value) => format!("value {value}"),
    };
    assert_eq!(source(0), "header ID");
    assert_eq!(source(4), "header day");
    assert_eq!(source(6), "value {name}");
    let default = |index: usize| rows.columns[index].default.as_deref();
    assert_eq!(
        (default(1), default(2), default(3), default(4)),
        (Some("0,00"), Some("1"), Some("false"), None)
    );
    assert!(rows.columns[0].required && !rows.columns[1].required);
    assert_eq!(rows.columns[5].zone.as_deref(), Some("Europe/Dublin"));

    let sales = table(&config, "sales");
    let TableEngine::Sqlite { file } = &sales.engine else {
        panic!("not SQLite");
    };
    assert_eq!(file.to_str(), Some("/etc/quaymaster/sales.sqlite"));
    assert_eq!((sales.mode, sales.undo), (LoadMode::Append, true));
    assert_eq!(sales.rows.sheet.as_deref(), Some("Sheet 2"));
    assert_eq!(sales.rows.max_rejected, Some(MaxRejected::Rows(10)));

    let items = table(&config, "items");
    let TableEngine::DynamoDb {
        access,
        control,
        order,
    } = &items.engine
    else {
        panic!("not DynamoDB");
    };
    assert_eq!(access.region.as_deref(), Some("eu-west-1"));
    assert_eq!((control.as_str(), *order), ("turns", RowOrder::None));
    assert_eq!(items.rows, Declaration::default());
}

/// As the design has it.
#[test]
fn the_sketch_of_a_table() {
    let config = right(
        r#"
        node.data = "/data"
        bucket.landing = { url = "file:///srv/landing", watch = {} }
        [route.products]
        when = { arrives = "landing/raw-data/*.csv" }
        deliver = ["products"]
        retry = "lambda"
        [destination.products]
        kind = "dynamodb"
        table = "products"
        key = ["ID"]
        "#,
    );
    let products = table(&config, "products");
    let TableEngine::DynamoDb { control, order, .. } = &products.engine else {
        panic!("not DynamoDB");
    };
    assert_eq!(
        (control.as_str(), *order),
        ("quaymaster-loads", RowOrder::ByRow)
    );
    assert_eq!((products.mode, products.create), (LoadMode::Upsert, false));
    assert_eq!((products.undo, &products.rejects), (false, &None));
}

/// Columns stand in the order of the files, whatever their names.
#[test]
fn columns_of_several_files_keep_their_order() {
    let first = "node.data = \"/data\"\n[declaration.d.column.zebra]\n[declaration.d.column.ape]\n";
    let second = "[declaration.d.column.mole]\n[declaration.d.column.bee]\n";
    let config = super::read(&[("quaymaster.toml", first), ("conf.d/more.toml", second)]).unwrap();
    let declaration = config.declarations.values().next().unwrap();
    let names: Vec<&str> = declaration
        .columns
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(names, ["zebra", "ape", "mole", "bee"]);
}

#[test]
fn a_revision_of_before_there_were_tables_is_read() {
    let config = right("node.data = \"/data\"\n");
    let text = crate::config::revision::to_json(&config).unwrap();
    let old = text.replace(",\"declarations\":{}", "");
    assert_ne!(old, text);
    assert_eq!(crate::config::revision::from_json(&old).unwrap(), config);
    let all = right(ALL);
    let text = crate::config::revision::to_json(&all).unwrap();
    assert_eq!(crate::config::revision::from_json(&text).unwrap(), all);
}

#[test]
fn tags_of_a_node() {
    let tagged = right(
        "[node]\ndata = \"/data\"\ntags = { environment = \"prod\", commit = \"0a1b2c3\" }\n",
    );
    assert_eq!(tagged.node.tags["environment"], "prod");
    let plain = right("[node]\ndata = \"/data\"\n");
    assert_eq!(
        plan(Some(&plain), &tagged).to_string(),
        "~ node: tags none → commit=0a1b2c3 environment=prod"
    );
}

#[test]
fn what_a_plan_says_of_tables() {
    let all = right(ALL);
    let said = plan(None, &all).to_string();
    for line in [
        "+ destination items: kind dynamodb, endpoint http://127.0.0.1:5000, region eu-west-1, control turns, order none, \
         table items, key ID, mode upsert, concurrency 1, breaker 5 failures, 1m",
        "+ destination products: kind postgres, url secret:warehouse, table shop.products, columns sku price amount listed \
         day at file, key sku, mode upsert, create true, sequence arrival_seq, rejects landing/invalid-records as CSV, \
         report sre, concurrency 1, bandwidth 10485760 bytes/s, breaker 5 failures, 1m",
        "+ destination sales: kind sqlite, path /etc/quaymaster/sales.sqlite, table sales, columns id, mode append, undo \
         true, concurrency 1, breaker 5 failures, 1m",
        "+ declaration book: format xlsx, encoding utf-8, sheet Sheet 2, columns id text, max_rejected 10",
        "+ declaration products: format csv, encoding latin-1, delimiter \\t, quote \\', decimal_mark ,, columns sku text \
         of `ID` required; price decimal of `Price (USD)` default `0,00`; amount integer default `1`; listed boolean \
         default `false`; day date format `%d.%m.%Y`; at timestamp format `%d.%m.%Y %H:%M` zone `Europe/Dublin`; file \
         text is `{name}`, others refuse, max_rejected 5%",
    ] {
        assert!(said.lines().any(|l| l == line), "{line}\nis not in\n{said}");
    }
    let changed = right(&ALL.replace("\"5%\"", "3").replace("undo = true", ""));
    assert_eq!(
        plan(Some(&all), &changed).to_string(),
        "~ destination sales: undo true → none\n~ declaration products: max_rejected 5% → 3"
    );
}
