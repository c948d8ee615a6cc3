//! Reading one table, key by key. The keys that are asked for are the keys that exist: whatever
//! else stands in the table is a mistake.

use super::problem::{Fault, Report, Shown};
use super::source::Place;
use super::suggest;
use super::tree::{Item, Table, Value};

/// What a key that is needed and missing could be, so that no problem is without remedy.
const EXAMPLES: [(&str, &str); 26] = [
    ("account", "\"storageaccount\""),
    ("alert", "[\"sre\"]"),
    ("arrives", "\"landing/north/*\""),
    ("at_least", "5"),
    ("bucket", "\"archive\""),
    ("data", "\"/var/lib/quaymaster\""),
    ("deliver", "[\"share\"]"),
    ("due", "\"17:00\""),
    ("files", "\"landing/north/*\""),
    ("from", "\"quaymaster@example.org\""),
    ("host", "\"mail.example.org\""),
    ("key_id", "\"alias/landing\""),
    ("mailbox", "\"landing/north\""),
    ("metric", "\"failures\""),
    ("move", "\"archive/{arrived:%Y}/{name}\""),
    ("name", "\"sftp/{path.0}\""),
    ("on", "\"weekdays\""),
    ("partner", "\"north\""),
    ("path", "\"/mnt/share\""),
    ("provider", "\"file\""),
    ("table", "\"products\""),
    ("to", "[\"sre@example.org\"]"),
    ("url", "\"file:///srv/landing\""),
    ("user", "\"quaymaster\""),
    ("window", "\"15m\""),
    ("zone", "\"Europe/Dublin\""),
];

/// A table being read.
#[derive(Debug)]
pub(super) struct Section<'t> {
    title: String,
    table: &'t Table,
    asked: Vec<&'static str>,
}

/// A table whose name was chosen by its author.
#[derive(Debug)]
pub(super) struct Named<'t> {
    pub(super) name: &'t str,
    pub(super) place: Place,
    pub(super) section: Section<'t>,
}

impl<'t> Section<'t> {
    /// The whole configuration.
    pub(super) fn top(table: &'t Table) -> Self {
        Self::new(String::new(), table)
    }

    fn new(title: String, table: &'t Table) -> Self {
        Self {
            title,
            table,
            asked: Vec::new(),
        }
    }

    /// `route.products`, as its header has it.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// Where it is named.
    pub(super) fn place(&self) -> Place {
        self.table.place
    }

    /// The name under which a key is noted in the report.
    pub(super) fn key(&self, key: &str) -> String {
        joined(&self.title, key)
    }

    /// True if the key is set, to whatever.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.entries.contains_key(key)
    }

    /// True if the key is set to a table.
    pub(super) fn has_table(&self, key: &str) -> bool {
        let entry = self.table.entries.get(key);
        entry.is_some_and(|entry| matches!(entry.item.value, Value::Table(_)))
    }

    /// The value of a key; `None` if it is not set or wrong, which is told.
    pub(super) fn optional<T>(
        &mut self,
        report: &mut Report,
        key: &'static str,
        parse: impl FnOnce(&Item) -> Result<T, Fault>,
    ) -> Option<T> {
        let item = self.item(report, key)?;
        told(report, key, item.place, parse(item))
    }

    /// Like [`Section::optional`], but what stands there is not shown: it may be the secret.
    pub(super) fn secret<T>(
        &mut self,
        report: &mut Report,
        key: &'static str,
        parse: impl FnOnce(&Item) -> Result<T, Fault>,
    ) -> Option<T> {
        let item = self.item(report, key)?;
        let named = self.table.entries.get(key)?.key;
        parse(item)
            .map_err(|Fault { message, help }| {
                let message = format!("{key}: {message}");
                report.say_showing(named, Fault { message, help }, Shown::UpToPlace);
            })
            .ok()
    }

    /// Like [`Section::optional`], but it is a problem if the key is not set.
    pub(super) fn required<T>(
        &mut self,
        report: &mut Report,
        key: &'static str,
        parse: impl FnOnce(&Item) -> Result<T, Fault>,
    ) -> Option<T> {
        self.require(report, key);
        self.optional(report, key, parse)
    }

    /// The values of a list; values that are wrong are told and left out. A value that is in it
    /// twice is a problem.
    pub(super) fn list<T: PartialEq>(
        &mut self,
        report: &mut Report,
        key: &'static str,
        parse: impl Fn(&Item) -> Result<T, Fault>,
    ) -> Option<Vec<T>> {
        let item = self.item(report, key)?;
        let Value::List(items) = &item.value else {
            let fault = Fault::new(format!("a list is needed, not {}", item.value.kind()))
                .help(format!("write it in brackets: {key} = [\"…\"]"));
            return told(report, key, item.place, Err(fault));
        };
        let mut values = Vec::new();
        for item in items {
            let Some(value) = told(report, key, item.place, parse(item)) else {
                continue;
            };
            if values.contains(&value) {
                let twice = report.sources.at(item.place).to_owned();
                let fault = Fault::new(format!("{twice} is in the list twice"))
                    .help("leave one of them out");
                told::<()>(report, key, item.place, Err(fault));
            } else {
                values.push(value);
            }
        }
        Some(values)
    }

    /// Like [`Section::list`], but the key must be set and the list not be empty.
    pub(super) fn filled_list<T: PartialEq>(
        &mut self,
        report: &mut Report,
        key: &'static str,
        parse: impl Fn(&Item) -> Result<T, Fault>,
        why: &str,
    ) -> Option<Vec<T>> {
        self.require(report, key);
        if let Some(entry) = self.table.entries.get(key)
            && matches!(&entry.item.value, Value::List(items) if items.is_empty())
        {
            let fault =
                Fault::new(format!("the list is empty, so {why}")).help("put at least one into it");
            told::<()>(report, key, entry.item.place, Err(fault));
        }
        self.list(report, key, parse)
    }

    /// A table of one known name.
    pub(super) fn section(&mut self, report: &mut Report, key: &'static str) -> Option<Self> {
        let title = self.key(key);
        let item = self.item(report, key)?;
        if let Value::Table(table) = &item.value {
            return Some(Self::new(title, table));
        }
        let fault = Fault::new(format!("a table is needed, not {}", item.value.kind()))
            .help(format!("write it as [{title}]"));
        told(report, key, item.place, Err(fault))
    }

    /// The tables below a key, one for each name that the author chose.
    pub(super) fn named(&mut self, report: &mut Report, key: &'static str) -> Vec<Named<'t>> {
        let Some(parent) = self.section(report, key) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (name, entry) in &parent.table.entries {
            let title = parent.key(name);
            let Value::Table(table) = &entry.item.value else {
                let kind = entry.item.value.kind();
                let message = format!(
                    "`{name}` is {kind}, but [{}] holds only tables",
                    parent.title
                );
                let fault =
                    Fault::new(message).help(format!("give it a name: [{}.NAME]", parent.title));
                report.say_showing(entry.key, fault, Shown::UpToPlace);
                continue;
            };
            report.note(title.clone(), table.place);
            found.push(Named {
                name,
                place: table.place,
                section: Section::new(title, table),
            });
        }
        found
    }

    /// The tables of a list of tables.
    pub(super) fn tables(&mut self, report: &mut Report, key: &'static str) -> Vec<Self> {
        let title = self.key(key);
        let Some(item) = self.item(report, key) else {
            return Vec::new();
        };
        let (Value::List(items), place) = (&item.value, item.place) else {
            let fault = Fault::new(format!("a list is needed, not {}", item.value.kind()))
                .help(format!("write each one as [[{title}]]"));
            told::<()>(report, key, item.place, Err(fault));
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items {
            let Value::Table(table) = &item.value else {
                let fault = Fault::new(format!("a table is needed, not {}", item.value.kind()))
                    .help(format!("write each one as [[{title}]]"));
                told::<()>(report, key, place, Err(fault));
                continue;
            };
            found.push(Self::new(title.clone(), table));
        }
        found
    }

    /// Tells of every key that nobody asked for.
    pub(super) fn finish(self, report: &mut Report) {
        #[cfg(test)]
        report
            .known
            .entry(self.title.clone())
            .or_default()
            .extend(&self.asked);
        for (name, entry) in &self.table.entries {
            if self.asked.contains(&name.as_str()) {
                continue;
            }
            let is_table = matches!(entry.item.value, Value::Table(_));
            let what = if is_table { "table" } else { "key" };
            let message = if self.title.is_empty() {
                format!("unknown {what} `{}`", name.escape_debug())
            } else {
                format!(
                    "unknown {what} `{}` in [{}]",
                    name.escape_debug(),
                    self.title
                )
            };
            let known = self.asked.iter().copied();
            let fault = Fault::new(message).help(suggest::remedy(name, known, "known here"));
            report.say_showing(entry.key, fault, Shown::UpToPlace);
        }
    }

    fn require(&self, report: &mut Report, key: &'static str) {
        if self.has(key) {
            return;
        }
        let fault = Fault::new(format!("[{}] needs `{key}`", self.title));
        let example = EXAMPLES.iter().find(|(known, _)| *known == key);
        let help = match example {
            Some((_, value)) => format!("for example {key} = {value}"),
            None => format!("add a line {key} = …"),
        };
        report.say(self.table.place, fault.help(help));
    }

    fn item(&mut self, report: &mut Report, key: &'static str) -> Option<&'t Item> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let entry = self.table.entries.get(key)?;
        report.note(self.key(key), entry.item.place);
        Some(&entry.item)
    }
}

/// A wrong value is told with the key it is for, which its line may not show.
fn told<T>(report: &mut Report, key: &str, place: Place, result: Result<T, Fault>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Fault { message, help }) => {
            let message = format!("{key}: {message}");
            report.say(place, Fault { message, help });
            None
        }
    }
}

/// A key as it is noted in the report: `route.products.when.arrives`.
pub(super) fn path_of(keys: &[&str]) -> String {
    keys.iter()
        .fold(String::new(), |title, key| joined(&title, key))
}

fn joined(title: &str, key: &str) -> String {
    let is_bare = !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let key = if is_bare {
        key.to_owned()
    } else {
        format!("\"{}\"", key.escape_debug())
    };
    if title.is_empty() {
        key
    } else {
        format!("{title}.{key}")
    }
}
