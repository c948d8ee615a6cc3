//! What a plan writes about tables and the declarations of their rows.

use qm_core::config::{
    Column, ColumnSource, DecimalMark, Declaration, Encoding, LoadMode, MaxRejected, OtherColumns,
    Rejects, RejectsFormat, RowFormat, RowOrder, SecretName, Table, TableEngine,
};
use std::fmt::Write as _;

use super::{Facts, aws, list, path, secret};

pub(super) fn table(table: &Table<SecretName>) -> Facts {
    let Table {
        engine,
        table,
        rows,
        key,
        mode,
        create,
        sequence,
        undo,
        rejects,
        report,
    } = table;
    let (kind, place) = match engine {
        TableEngine::Sqlite { file } => ("sqlite", vec![("path", Some(path(file)))]),
        TableEngine::Postgres { url } => ("postgres", vec![("url", Some(secret(url)))]),
        TableEngine::DynamoDb {
            access,
            control,
            order,
        } => {
            let order = match order {
                RowOrder::ByRow => "by_row",
                RowOrder::None => "none",
            };
            let mut place = aws(access);
            place.extend([
                ("control", Some(control.clone())),
                ("order", Some(order.to_owned())),
            ]);
            ("dynamodb", place)
        }
    };
    let mode = match mode {
        LoadMode::Upsert => "upsert",
        LoadMode::Append => "append",
        LoadMode::Replace => "replace",
    };
    let columns = rows.columns.iter().map(|column| column.name.as_str());
    let mut facts = vec![("kind", Some(kind.to_owned()))];
    facts.extend(place);
    facts.extend([
        ("table", Some(table.clone())),
        ("columns", list(columns)),
        ("key", list(key)),
        ("mode", Some(mode.to_owned())),
        ("create", create.then(|| "true".to_owned())),
        ("sequence", sequence.clone()),
        ("undo", undo.then(|| "true".to_owned())),
        ("rejects", rejects.as_ref().map(rejected)),
        ("report", list(report)),
    ]);
    facts
}

fn rejected(rejects: &Rejects) -> String {
    let Rejects {
        bucket,
        prefix,
        format,
    } = rejects;
    let format = match format {
        RejectsFormat::Json => "JSON",
        RejectsFormat::Csv => "CSV",
    };
    format!("{bucket}/{prefix} as {format}")
}

pub(in super::super) fn declaration(declaration: &Declaration) -> Facts {
    let Declaration {
        format,
        encoding,
        delimiter,
        quote,
        sheet,
        decimal_mark,
        columns,
        others,
        max_rejected,
    } = declaration;
    let format = format.map(|format| {
        match format {
            RowFormat::Csv => "csv",
            RowFormat::Json => "json",
            RowFormat::Xlsx => "xlsx",
            RowFormat::Xls => "xls",
        }
        .to_owned()
    });
    let encoding = match encoding {
        Encoding::Utf8 => "utf-8",
        Encoding::Utf16 => "utf-16",
        Encoding::Latin1 => "latin-1",
    };
    let decimal_mark = match decimal_mark {
        DecimalMark::Point => None,
        DecimalMark::Comma => Some(",".to_owned()),
    };
    let others = match others {
        OtherColumns::Ignore => None,
        OtherColumns::Refuse => Some("refuse".to_owned()),
    };
    let max_rejected = max_rejected.map(|max| match max {
        MaxRejected::Rows(rows) => rows.to_string(),
        MaxRejected::Percent(percent) => format!("{percent}%"),
    });
    let columns: Vec<String> = columns.iter().map(column).collect();
    vec![
        ("format", format),
        ("encoding", Some(encoding.to_owned())),
        ("delimiter", delimiter.map(|c| c.escape_debug().to_string())),
        ("quote", quote.map(|c| c.escape_debug().to_string())),
        ("sheet", sheet.clone()),
        ("decimal_mark", decimal_mark),
        ("columns", (!columns.is_empty()).then(|| columns.join("; "))),
        ("others", others),
        ("max_rejected", max_rejected),
    ]
}

fn column(column: &Column) -> String {
    let Column {
        name,
        source,
        kind,
        required,
        default,
        format,
        zone,
    } = column;
    let mut text = format!("{name} {}", kind.as_str());
    match source {
        ColumnSource::Header(header) if header == name => {}
        ColumnSource::Header(header) => {
            let _ = write!(text, " of `{}`", header.escape_debug());
        }
        ColumnSource::Fixed(value) => {
            let _ = write!(text, " is `{}`", value.as_str().escape_debug());
        }
    }
    if *required {
        text.push_str(" required");
    }
    for (what, value) in [("default", default), ("format", format), ("zone", zone)] {
        if let Some(value) = value {
            let _ = write!(text, " {what} `{}`", value.escape_debug());
        }
    }
    text
}
