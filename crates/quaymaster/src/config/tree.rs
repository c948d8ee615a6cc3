//! The files as one tree that knows where everything stands.

use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Fault, Report};
use super::source::{FileNumber, Place};

/// What a line may be. The parser says what it stumbled over, not what was meant.
const SYNTAX: &str = "a line is `[table]`, `key = \"text\"`, `key = 5`, `key = [\"a\", \"b\"]` or `# remark`; every quote \
     and bracket needs its other one";

/// A table. `place` is the key that names it where it is first written.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) place: Place,
    pub(super) entries: BTreeMap<String, Entry>,
}

/// A key of a table and what it is set to.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Place,
    pub(super) item: Item,
}

/// A value and where it stands; for a table written with a header, where its key stands.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// A value.
#[derive(Debug)]
pub(super) enum Value {
    Text(String),
    Whole { digits: String, radix: u32 },
    Fraction,
    Truth(bool),
    Moment(String),
    List(Vec<Item>),
    Table(Table),
}

impl Value {
    /// What it is, for sentences.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Whole { .. } => "a whole number",
            Self::Fraction => "a fraction",
            Self::Truth(_) => "true or false",
            Self::Moment(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Parses all files and joins them into one tree. The tree is only worth walking if `Soundness`
/// says so: behind a broken line, what follows may mean something else.
pub(super) fn read(report: &mut Report) -> Option<(Table, Soundness)> {
    let mut whole: Option<Table> = None;
    let mut soundness = Soundness::Sound;
    for file in report.sources.numbers() {
        let text = report.sources.text(file).to_owned();
        let (parsed, errors) = DeTable::parse_recoverable(&text);
        for error in errors {
            if say_syntax(report, file, &error) == Soundness::Broken {
                soundness = Soundness::Broken;
            }
        }
        let top = Place {
            file,
            start: 0,
            end: 0,
        };
        let table = table_of(file, top, parsed.get_ref());
        match &mut whole {
            None => whole = Some(table),
            Some(whole) => merge(whole, table, report),
        }
    }
    whole.map(|whole| (whole, soundness))
}

/// Whether a parsed tree says what its author meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Soundness {
    /// It does, or only a key is set twice.
    Sound,
    /// It does not.
    Broken,
}

fn say_syntax(report: &mut Report, file: FileNumber, error: &toml::de::Error) -> Soundness {
    let range = error.span().unwrap_or(0..0);
    let place = Place {
        file,
        start: range.start,
        end: range.end,
    };
    if error.message() == "duplicate key" {
        let key = report.sources.at(place).to_owned();
        let fault = Fault::new(format!("`{key}` is set twice in this file"))
            .help("keep one of the two; a table also is opened by one header only");
        report.say(place, fault);
        return Soundness::Sound;
    }
    let fault = Fault::new(format!("not valid TOML: {}", error.message())).help(SYNTAX);
    report.say(place, fault);
    Soundness::Broken
}

fn table_of(file: FileNumber, place: Place, table: &DeTable<'_>) -> Table {
    let entries = table
        .iter()
        .map(|(key, value)| {
            let place = place_of(file, key);
            let entry = Entry {
                key: place,
                item: item_of(file, place, value),
            };
            (key.get_ref().to_string(), entry)
        })
        .collect();
    Table { place, entries }
}

fn item_of(file: FileNumber, key: Place, value: &Spanned<DeValue<'_>>) -> Item {
    let own = place_of(file, value);
    let (place, value) = match value.get_ref() {
        DeValue::String(text) => (own, Value::Text(text.to_string())),
        DeValue::Integer(number) => {
            let digits = number.as_str().to_owned();
            let radix = number.radix();
            (own, Value::Whole { digits, radix })
        }
        DeValue::Float(_) => (own, Value::Fraction),
        DeValue::Boolean(truth) => (own, Value::Truth(*truth)),
        DeValue::Datetime(moment) => (own, Value::Moment(moment.to_string())),
        DeValue::Array(items) => {
            let items = items
                .iter()
                .map(|item| item_of(file, place_of(file, item), item));
            (own, Value::List(items.collect()))
        }
        DeValue::Table(table) => (key, Value::Table(table_of(file, key, table))),
    };
    Item { place, value }
}

fn place_of<T>(file: FileNumber, spanned: &Spanned<T>) -> Place {
    let range = spanned.span();
    Place {
        file,
        start: range.start,
        end: range.end,
    }
}

/// Tables of the same name become one; a key that both set is told of the later file.
fn merge(into: &mut Table, from: Table, report: &mut Report) {
    for (name, entry) in from.entries {
        let Some(earlier) = into.entries.get_mut(&name) else {
            into.entries.insert(name, entry);
            continue;
        };
        let place = entry.key;
        if let (Value::Table(into), Value::Table(from)) =
            (&mut earlier.item.value, entry.item.value)
        {
            merge(into, from, report);
            continue;
        }
        let first = report.sources.called(earlier.key);
        let fault = Fault::new(format!("`{name}` is set twice"))
            .help(format!("it is also set at {first}; keep one of the two"));
        report.say(place, fault);
    }
}
