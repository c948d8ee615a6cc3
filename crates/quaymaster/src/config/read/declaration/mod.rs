//! `[declaration.NAME]`.

mod column;

use qm_core::config::{DecimalMark, Declaration, Encoding, MaxRejected, OtherColumns, RowFormat};
use qm_core::id::DeclarationName;
use std::collections::BTreeMap;

use super::each;
use crate::config::problem::{Fault, Report};
use crate::config::section::Section;
use crate::config::tree::{Item, Value};
use crate::config::values::{self, text};

const FORMATS: [(&str, RowFormat); 4] = [
    ("csv", RowFormat::Csv),
    ("json", RowFormat::Json),
    ("xlsx", RowFormat::Xlsx),
    ("xls", RowFormat::Xls),
];
const ENCODINGS: [(&str, Encoding); 3] = [
    ("utf-8", Encoding::Utf8),
    ("utf-16", Encoding::Utf16),
    ("latin-1", Encoding::Latin1),
];
const DECIMAL_MARKS: [(&str, DecimalMark); 2] =
    [(".", DecimalMark::Point), (",", DecimalMark::Comma)];
const OTHERS: [(&str, OtherColumns); 2] = [
    ("ignore", OtherColumns::Ignore),
    ("refuse", OtherColumns::Refuse),
];

pub(super) fn declarations(
    top: &mut Section<'_>,
    report: &mut Report,
) -> BTreeMap<DeclarationName, Declaration> {
    each(
        top,
        "declaration",
        report,
        DeclarationName::parse,
        |_, mut section, report| {
            let declaration = declaration(&mut section, report);
            section.finish(report);
            Some(declaration)
        },
    )
}

fn declaration(section: &mut Section<'_>, report: &mut Report) -> Declaration {
    let format = section.optional(report, "format", |item| values::word(item, &FORMATS));
    let encoding = section.optional(report, "encoding", |item| values::word(item, &ENCODINGS));
    let delimiter = section.optional(report, "delimiter", mark);
    let quote = section.optional(report, "quote", mark);
    let sheet = section.optional(report, "sheet", |item| Ok(text(item)?.to_owned()));
    let decimal_mark = section.optional(report, "decimal_mark", |item| {
        values::word(item, &DECIMAL_MARKS)
    });
    let max_rejected = section.optional(report, "max_rejected", max_rejected);
    let others = section.optional(report, "others", |item| values::word(item, &OTHERS));
    check_format(section, format, report);
    if delimiter.is_some() && delimiter == quote {
        let fault = Fault::new("quote: the same is between cells")
            .help("let `delimiter` and `quote` differ");
        report.say_of(&section.key("quote"), fault);
    }
    let columns = column::columns(section, decimal_mark.unwrap_or_default(), report);
    if columns.is_empty() && others == Some(OtherColumns::Refuse) && !section.has("column") {
        let fault = Fault::new("others: no column is declared, so every file would be refused")
            .help("declare the columns, as in [declaration.NAME.column.id], or leave `others` out");
        report.say_of(&section.key("others"), fault);
    }
    Declaration {
        format,
        encoding: encoding.unwrap_or_default(),
        delimiter,
        quote,
        sheet,
        decimal_mark: decimal_mark.unwrap_or_default(),
        columns,
        others: others.unwrap_or_default(),
        max_rejected,
    }
}

/// Keys that files of the format have no use for.
fn check_format(section: &Section<'_>, format: Option<RowFormat>, report: &mut Report) {
    let (only, strange): (_, &[&str]) = match format {
        None => return,
        Some(RowFormat::Csv) => ("Excel", &["sheet"]),
        Some(RowFormat::Json) => ("CSV and Excel", &["delimiter", "quote", "sheet"]),
        Some(RowFormat::Xlsx | RowFormat::Xls) => ("text", &["encoding", "delimiter", "quote"]),
    };
    for key in strange.iter().filter(|key| section.has(key)) {
        let fault = Fault::new(format!("{key}: only {only} has one"))
            .help("leave the key out, or write another `format`");
        report.say_of(&section.key(key), fault);
    }
}

/// What stands between or around cells: one character of ASCII, so that it is one byte in whatever
/// encoding, and none that is a part of values.
fn mark(item: &Item) -> Result<char, Fault> {
    let help = "write one character, as in `;`, `|`, or \"\\t\" for a tab";
    let Value::Text(text) = &item.value else {
        return Err(values::wrong_kind("a text of one character", &item.value).help(help));
    };
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(mark), None) if mark == '\t' || mark == ' ' || mark.is_ascii_punctuation() => {
            Ok(mark)
        }
        _ => Err(Fault::new(format!(
            "`{}` cannot stand between cells",
            text.escape_debug()
        ))
        .help(help)),
    }
}

/// A number of rows, or a part of a hundred.
fn max_rejected(item: &Item) -> Result<MaxRejected, Fault> {
    let help = "write a number of rows, or a part of them in quotes, as in \"5%\"";
    match &item.value {
        Value::Whole { digits, radix } => u64::from_str_radix(digits, *radix)
            .map(MaxRejected::Rows)
            .map_err(|_| Fault::new(format!("{digits} is out of range")).help(help)),
        Value::Text(text) => text
            .strip_suffix('%')
            .and_then(|percent| percent.trim_end().parse().ok())
            .filter(|percent| *percent <= 100)
            .map(MaxRejected::Percent)
            .ok_or_else(|| {
                Fault::new(format!(
                    "`{}` is not a part of the rows",
                    text.escape_debug()
                ))
                .help(help)
            }),
        other @ (Value::Fraction
        | Value::Truth(_)
        | Value::Moment(_)
        | Value::List(_)
        | Value::Table(_)) => Err(values::wrong_kind("a number of rows", other).help(help)),
    }
}
