//! `[declaration.NAME.column.NAME]`.

use qm_core::config::{Column, ColumnSource, ColumnType, DecimalMark};
use qm_rows::check_constant;

use crate::config::problem::{Fault, Report};
use crate::config::section::{Named, Section};
use crate::config::tree::{Item, Value};
use crate::config::values::{self, text};

/// The longest name that PostgreSQL keeps; the other databases take longer ones.
const NAME_BYTES_MAX: usize = 63;

/// The columns in the order in which they are written.
pub(super) fn columns(
    section: &mut Section<'_>,
    mark: DecimalMark,
    report: &mut Report,
) -> Vec<Column> {
    let mut named = section.named(report, "column");
    named.sort_by_key(|column| column.place);
    named
        .into_iter()
        .filter_map(|column| {
            let Named {
                name,
                place,
                mut section,
            } = column;
            let name = parse_name(name)
                .map_err(|fault| report.say(place, fault))
                .ok();
            let read = self::column(name.as_deref().unwrap_or_default(), &mut section, report);
            if let Some(column) = &read {
                check_constants(&section, column, mark, report);
            }
            section.finish(report);
            name.and(read)
        })
        .collect()
}

fn parse_name(name: &str) -> Result<String, Fault> {
    if name.trim().is_empty() || name.contains(char::is_control) {
        return Err(
            Fault::new("a column needs a name without control characters").help(
                "write the column's name in the table, as in [declaration.products.column.price]",
            ),
        );
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(
            Fault::new(format!("the name is longer than {NAME_BYTES_MAX} bytes"))
                .help("shorten it; what the file calls the column is its `header`"),
        );
    }
    Ok(name.to_owned())
}

fn column(name: &str, section: &mut Section<'_>, report: &mut Report) -> Option<Column> {
    let kind = section.optional(report, "type", |item| values::word(item, &ColumnType::ALL));
    let kind = kind.unwrap_or(ColumnType::Text);
    let header = section.optional(report, "header", |item| Ok(text(item)?.to_owned()));
    let value = section.optional(report, "value", values::template);
    let required = section.optional(report, "required", values::truth);
    let default = section.optional(report, "default", as_written);
    let format = section.optional(report, "format", |item| Ok(text(item)?.to_owned()));
    let zone = section.optional(report, "zone", values::zone);
    check_source(section, report);
    check_kind(section, kind, report);
    if required == Some(true) && default.is_some() {
        let fault = Fault::new("required: no cell is missing where a `default` stands in for it")
            .help("leave one of the two out");
        report.say_of(&section.key("required"), fault);
    }
    let source = match value {
        Some(value) => ColumnSource::Fixed(value),
        None if section.has("value") => return None,
        None => ColumnSource::Header(header.unwrap_or_else(|| name.to_owned())),
    };
    Some(Column {
        name: name.to_owned(),
        source,
        kind,
        required: required.unwrap_or(false),
        default,
        format,
        zone,
    })
}

/// A value that is the same for all rows comes from no cell.
fn check_source(section: &Section<'_>, report: &mut Report) {
    if !section.has("value") {
        return;
    }
    for key in ["header", "required", "default"] {
        if section.has(key) {
            let fault = Fault::new(format!(
                "{key}: the column has a `value`, so nothing of the file gets into it"
            ))
            .help("leave one of the two out");
            report.say_of(&section.key(key), fault);
        }
    }
}

fn check_kind(section: &Section<'_>, kind: ColumnType, report: &mut Report) {
    let (has_format, has_zone) = match kind {
        ColumnType::Text | ColumnType::Integer | ColumnType::Decimal | ColumnType::Boolean => {
            (false, false)
        }
        ColumnType::Date => (true, false),
        ColumnType::Timestamp => (true, true),
    };
    for (key, is_known, help) in [
        (
            "format",
            has_format,
            "add type = \"date\" or \"timestamp\", or leave the format out",
        ),
        (
            "zone",
            has_zone,
            "add type = \"timestamp\", or leave the zone out",
        ),
    ] {
        if section.has(key) && !is_known {
            let fault = Fault::new(format!("{key}: values of type {} have none", kind.as_str()));
            report.say_of(&section.key(key), fault.help(help));
        }
    }
}

/// What no file changes must be right before the first one comes.
fn check_constants(section: &Section<'_>, column: &Column, mark: DecimalMark, report: &mut Report) {
    let value = match &column.source {
        ColumnSource::Fixed(value) => value.constant(),
        ColumnSource::Header(_) => None,
    };
    let texts = [("value", value), ("default", column.default.clone())];
    for (key, text) in texts {
        let checked = text.map(|text| check_constant(column, mark, &text));
        if let Some(Err(reason)) = checked {
            let help = format!(
                "write it as a file would write a value of type {}, or give the column another `type`",
                column.kind.as_str()
            );
            report.say_of(
                &section.key(key),
                Fault::new(format!("{key}: {reason}")).help(help),
            );
        }
    }
}

/// A value as a file would write it; numbers need no quotes here.
fn as_written(item: &Item) -> Result<String, Fault> {
    match &item.value {
        Value::Text(text) => Ok(text.clone()),
        Value::Whole { digits, radix: 10 } => Ok(digits.clone()),
        Value::Truth(truth) => Ok(truth.to_string()),
        other @ (Value::Whole { .. }
        | Value::Fraction
        | Value::Moment(_)
        | Value::List(_)
        | Value::Table(_)) => Err(values::wrong_kind("a text in quotes", other)
            .help("write it as the file would, in quotes: \"0.00\" or \"2026-01-31\"")),
    }
}
