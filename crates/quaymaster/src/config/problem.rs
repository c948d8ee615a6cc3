//! What is wrong with a configuration, said so that it can be mended: file, line, column, the line
//! itself, the fault and the remedy.

use std::collections::BTreeMap;
use std::fmt;

use super::source::{Place, Position, Sources};

/// Longer lines are cut in a problem: an SSH key alone is longer than a terminal is wide.
const EXCERPT_CHARS_MAX: usize = 120;
/// What follows one of them in a line may be a secret, which must not reach a terminal or a log
/// (INV-7).
const SECRET_MARKS: [&str; 5] = ["password", "passphrase", "private_key", "proxy", "ledger"];
/// What follows one of them is a server's address, with the password before it.
const SECRET_SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
/// No line is shown of a file in which this stands: any may be a part of the key.
const PRIVATE_KEY_MARK: &str = "PRIVATE KEY";

/// One mistake.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    file: String,
    position: Option<(Position, Excerpt)>,
    message: String,
    help: String,
}

/// The line of the file and what of it is marked.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Excerpt {
    line: String,
    indent: String,
    marked_chars: usize,
}

/// What is wrong with a value and what would be right, without its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) help: String,
}

/// A fault that still lacks its remedy, and can be told only with one.
#[derive(Debug)]
pub(super) struct WithoutHelp(String);

/// How much of the line a problem shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shown {
    /// The line.
    Line,
    /// The line up to the end of the place: what follows an unknown key may be a secret.
    UpToPlace,
}

/// Gathers the problems of all files, so that all are told at once.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) sources: Sources,
    found: Vec<(Option<Place>, Problem)>,
    places: BTreeMap<String, Place>,
    /// The keys that there are in each table, for the reference.
    #[cfg(test)]
    pub(super) known: BTreeMap<String, Vec<&'static str>>,
}

impl Problem {
    /// About a file as a whole.
    pub(super) fn of_file(file: String, message: String, help: String) -> Self {
        Self {
            file,
            position: None,
            message,
            help,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.position {
            None => write!(f, "{}: {}", self.file, self.message)?,
            Some((Position { line, column }, excerpt)) => {
                write!(f, "{}:{line}:{column}: {}", self.file, self.message)?;
                if !excerpt.line.trim().is_empty() {
                    let marks = "^".repeat(excerpt.marked_chars);
                    write!(f, "\n{line:>5} | {}", excerpt.line)?;
                    write!(f, "\n      | {}{marks}", excerpt.indent)?;
                }
            }
        }
        write!(f, "\n  help: {}", self.help)
    }
}

impl Fault {
    #[expect(
        clippy::new_ret_no_self,
        reason = "there is no fault before its remedy is known"
    )]
    pub(super) fn new(message: impl Into<String>) -> WithoutHelp {
        WithoutHelp(message.into())
    }
}

impl WithoutHelp {
    pub(super) fn help(self, help: impl Into<String>) -> Fault {
        Fault {
            message: self.0,
            help: help.into(),
        }
    }
}

impl From<qm_core::Error> for Fault {
    fn from(error: qm_core::Error) -> Self {
        let help = error
            .remedy()
            .unwrap_or("write it as the sentence above has it");
        Self::new(error.public_message()).help(help)
    }
}

impl Report {
    pub(super) fn new(sources: Sources) -> Self {
        Self {
            sources,
            found: Vec::new(),
            places: BTreeMap::new(),
            #[cfg(test)]
            known: BTreeMap::new(),
        }
    }

    /// A problem at a place.
    pub(super) fn say(&mut self, place: Place, fault: Fault) {
        self.say_showing(place, fault, Shown::Line);
    }

    /// A problem at a place, and how much of its line is shown.
    pub(super) fn say_showing(&mut self, place: Place, fault: Fault, shown: Shown) {
        let has_private_key = self.sources.text(place.file).contains(PRIVATE_KEY_MARK);
        let line = if has_private_key {
            ("", 0, 0)
        } else {
            self.sources.line(place)
        };
        let problem = Problem {
            file: self.sources.name(place.file).to_owned(),
            position: Some((self.sources.position(place), excerpt(line, shown))),
            message: fault.message,
            help: fault.help,
        };
        self.found.push((Some(place), problem));
    }

    /// A problem of the configuration as a whole, told of its first file.
    pub(super) fn say_of_all(&mut self, fault: Fault) {
        let file = self
            .sources
            .numbers()
            .next()
            .map(|first| self.sources.name(first).to_owned())
            .unwrap_or_default();
        let problem = Problem::of_file(file, fault.message, fault.help);
        self.found.push((None, problem));
    }

    /// Remembers where a key is, for rules that look at the whole afterwards.
    pub(super) fn note(&mut self, key: String, place: Place) {
        self.places.insert(key, place);
    }

    /// Where a key is; its table or the first enclosing one that is written down, else.
    pub(super) fn place_of(&self, key: &str) -> Option<Place> {
        let mut key = key;
        loop {
            if let Some(place) = self.places.get(key) {
                return Some(*place);
            }
            key = key.rsplit_once('.')?.0;
        }
    }

    /// A problem of a key that was noted.
    pub(super) fn say_of(&mut self, key: &str, fault: Fault) {
        match self.place_of(key) {
            Some(place) => self.say(place, fault),
            None => self.say_of_all(fault),
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.found.is_empty()
    }

    /// All problems in the order of the files and lines.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|(place, _)| *place);
        self.found.into_iter().map(|(_, problem)| problem).collect()
    }
}

fn excerpt((line, from, to): (&str, usize, usize), shown: Shown) -> Excerpt {
    let cut_at = match shown {
        Shown::Line => secret_begin(line),
        Shown::UpToPlace => Some(to),
    };
    let cut_at = cut_at.filter(|at| line.get(*at..).is_some_and(|rest| !rest.trim().is_empty()));
    let visible = cut_at.and_then(|at| line.get(..at)).unwrap_or(line);
    let is_long = visible.chars().nth(EXCERPT_CHARS_MAX).is_some();
    let mut text: String = visible.chars().take(EXCERPT_CHARS_MAX).map(plain).collect();
    if is_long || cut_at.is_some() {
        text.push('…');
    }
    let shown_chars = text.chars().count();
    let before = line.get(..from).unwrap_or_default();
    let indent: String = before.chars().take(shown_chars).map(blank).collect();
    let marked = line.get(from..to).unwrap_or_default().chars().count();
    let room = shown_chars.saturating_sub(indent.chars().count());
    Excerpt {
        line: text,
        marked_chars: marked.min(room).max(1),
        indent,
    }
}

/// Where what may be a secret begins: behind the first mark and its `=`.
fn secret_begin(line: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let end = |mark: &&str| lower.find(mark).map(|at| at + mark.len());
    let of_key = SECRET_MARKS.iter().filter_map(end).min().and_then(|at| {
        let to_value = line.get(at..)?.find('=').map_or(0, |equals| equals + 1);
        Some(at + to_value)
    });
    SECRET_SCHEMES.iter().filter_map(end).chain(of_key).min()
}

/// Control characters of a broken file must not reach the terminal.
fn plain(c: char) -> char {
    if c.is_control() && c != '\t' {
        '\u{fffd}'
    } else {
        c
    }
}

/// What stands above the marks: a tab stays a tab, so that they line up.
fn blank(c: char) -> char {
    if c == '\t' { '\t' } else { ' ' }
}
