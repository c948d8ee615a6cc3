//! Texts of messages that the configuration has in place of ours. Ours are those of the systems that
//! this one replaces.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

use crate::alert::Text;
use crate::{Error, Kind, Result};

/// The longest text; a mail is read by people.
const BYTES_MAX: usize = 10_000;
const MISSED: &[&str] = &["expectation", "partner", "user", "folder", "date", "due"];
const LATE: &[&str] = &[
    "expectation",
    "partner",
    "user",
    "folder",
    "date",
    "due",
    "file",
    "at",
];
const LOAD: &[&str] = &[
    "engine",
    "table",
    "source",
    "rejects",
    "counts",
    "read",
    "inserted",
    "updated",
    "unchanged",
    "rejected",
    "superseded",
];
const EVERY: &[&str] = &["subject", "body"];

/// What is said in place of ours, by kind.
pub type Texts = BTreeMap<MessageKind, OwnText>;

/// What a placeholder stands for.
pub type Fact = (&'static str, String);

/// A message that has a text of its own.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum MessageKind {
    /// A slot was missed, and nothing at all is in the folder.
    NoFiles,
    /// A slot was missed; files are in the folder, none of them counts.
    NoNewFiles,
    /// A file came after its slot was missed.
    LateFile,
    /// All rows of a file are in the table.
    Loaded,
    /// Some rows were rejected.
    PartlyLoaded,
    /// All rows were rejected.
    AllRejected,
    /// A file had no rows.
    NoRows,
    /// What is put around every message, the others included.
    Every,
}

/// Subject and body in place of ours; `None` leaves ours.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct OwnText {
    /// One line.
    pub subject: Option<Words>,
    /// Plain text.
    pub body: Option<Words>,
}

/// Text with `{placeholders}` that are known for its kind; `{{` and `}}` are braces.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Words(String);

enum Piece<'t> {
    Literal(&'t str),
    Placeholder(&'t str),
}

impl MessageKind {
    /// All of them, as the configuration calls them.
    pub const ALL: [(&'static str, Self); 8] = [
        ("no_files", Self::NoFiles),
        ("no_new_files", Self::NoNewFiles),
        ("late_file", Self::LateFile),
        ("loaded", Self::Loaded),
        ("partly_loaded", Self::PartlyLoaded),
        ("all_rejected", Self::AllRejected),
        ("no_rows", Self::NoRows),
        ("every", Self::Every),
    ];

    /// What its text may speak of.
    pub fn placeholders(self) -> &'static [&'static str] {
        match self {
            Self::NoFiles | Self::NoNewFiles => MISSED,
            Self::LateFile => LATE,
            Self::Loaded | Self::PartlyLoaded | Self::AllRejected | Self::NoRows => LOAD,
            Self::Every => EVERY,
        }
    }

    /// The message: `usual` with what the configuration says in its place.
    pub fn text(self, texts: &Texts, usual: Text, facts: &[Fact]) -> Text {
        let Some(OwnText { subject, body }) = texts.get(&self) else {
            return usual;
        };
        let own = |words: &Option<Words>, usual: String| match words {
            Some(words) => words.with(facts),
            None => usual,
        };
        Text {
            subject: own(subject, usual.subject),
            body: own(body, usual.body),
        }
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, kind)| kind == self);
        f.write_str(name.map_or("", |(name, _)| *name))
    }
}

impl Words {
    /// Parses a text that is put around another, and must have it within.
    pub fn parse_around(text: &str, kind: MessageKind, inner: &str) -> Result<Self> {
        let words = Self::parse(text, kind)?;
        let is_inner =
            |piece: &Piece<'_>| matches!(piece, Piece::Placeholder(name) if *name == inner);
        if pieces(text)?.iter().any(is_inner) {
            return Ok(words);
        }
        let sentence = format!("without `{{{inner}}}` every message would lose its own");
        Err(Error::new(Kind::Invalid, sentence).help(format!("put {{{inner}}} into it")))
    }

    /// Parses a text for messages of that kind; an unknown placeholder is an error that names those
    /// there are.
    pub fn parse(text: &str, kind: MessageKind) -> Result<Self> {
        let known = kind.placeholders();
        let help = || {
            let known: Vec<String> = known.iter().map(|name| format!("{{{name}}}")).collect();
            let known = known.join(", ");
            format!("there are {known} in it; write {{{{ and }}}} for braces")
        };
        if text.len() > BYTES_MAX {
            let error = Error::new(Kind::Invalid, "the text is longer than 10,000 bytes");
            return Err(error.help("shorten it"));
        }
        for piece in pieces(text).map_err(|error| error.help(help()))? {
            match piece {
                Piece::Placeholder(name) if !known.contains(&name) => {
                    let sentence = format!("there is no placeholder `{{{}}}`", name.escape_debug());
                    return Err(Error::new(Kind::Invalid, sentence).help(help()));
                }
                Piece::Placeholder(_) | Piece::Literal(_) => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn with(&self, facts: &[Fact]) -> String {
        let mut said = String::new();
        for piece in pieces(&self.0).unwrap_or_default() {
            match piece {
                Piece::Literal(text) => said.push_str(text),
                Piece::Placeholder(name) => {
                    let fact = facts.iter().find(|(known, _)| *known == name);
                    said.push_str(fact.map_or("", |(_, value)| value.as_str()));
                }
            }
        }
        said
    }
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        pieces.push(Piece::Literal(before));
        if let Some(behind) = from.strip_prefix("{{") {
            pieces.push(Piece::Literal("{"));
            rest = behind;
        } else if let Some(behind) = from.strip_prefix("}}") {
            pieces.push(Piece::Literal("}"));
            rest = behind;
        } else if let Some((name, behind)) =
            from.strip_prefix('{').and_then(|from| from.split_once('}'))
        {
            pieces.push(Piece::Placeholder(name));
            rest = behind;
        } else {
            return Err(Error::new(
                Kind::Invalid,
                "a brace is without its other one",
            ));
        }
    }
    pieces.push(Piece::Literal(rest));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Text {
        Text {
            subject: "ours".to_owned(),
            body: "our body".to_owned(),
        }
    }

    #[test]
    fn what_is_configured_is_said_in_place_of_ours() {
        let kind = MessageKind::NoFiles;
        let facts = [("folder", "north".to_owned()), ("user", "anne".to_owned())];
        assert_eq!(kind.text(&Texts::new(), usual(), &facts), usual());
        let words = |text| Some(Words::parse(text, kind).unwrap());
        let own = OwnText {
            subject: words("[prod] {user}"),
            body: None,
        };
        let said = kind.text(&Texts::from([(kind, own)]), usual(), &facts);
        assert_eq!(said.subject, "[prod] anne");
        assert_eq!(said.body, "our body");
        let own = OwnText {
            subject: None,
            body: words("{{{folder}}}, {user}{user}"),
        };
        let said = kind.text(&Texts::from([(kind, own)]), usual(), &facts);
        assert_eq!(said.subject, "ours");
        assert_eq!(said.body, "{north}, anneanne");
        let other = Texts::from([(MessageKind::LateFile, OwnText::default())]);
        assert_eq!(kind.text(&other, usual(), &facts), usual());
    }

    #[test]
    fn what_is_put_in_is_no_template() {
        let kind = MessageKind::Every;
        let facts = [
            ("subject", "{body}".to_owned()),
            ("body", "}{subject}".to_owned()),
        ];
        let own = OwnText {
            subject: Some(Words::parse("! {subject}", kind).unwrap()),
            body: Some(Words::parse("{body}\n-- \n{subject}", kind).unwrap()),
        };
        let said = kind.text(&Texts::from([(kind, own)]), usual(), &facts);
        assert_eq!(said.subject, "! {body}");
        assert_eq!(said.body, "}{subject}\n-- \n{body}");
    }

    #[test]
    fn mistakes_name_what_there_is() {
        for (text, kind, sentence, help) in [
            (
                "{fodler}",
                MessageKind::NoNewFiles,
                "there is no placeholder `{fodler}`",
                "there are {expectation}, {partner}, {user}, {folder}, {date}, {due} in it; write {{ and }} for braces",
            ),
            (
                "{file}",
                MessageKind::Every,
                "there is no placeholder `{file}`",
                "there are {subject}, {body} in it; write {{ and }} for braces",
            ),
            (
                "{subject",
                MessageKind::Every,
                "a brace is without its other one",
                "there are {subject}, {body} in it; write {{ and }} for braces",
            ),
            (
                "a } b",
                MessageKind::Every,
                "a brace is without its other one",
                "there are {subject}, {body} in it; write {{ and }} for braces",
            ),
        ] {
            let error = Words::parse(text, kind).unwrap_err();
            assert_eq!(error.public_message(), sentence);
            assert_eq!(error.remedy(), Some(help));
        }
        let long = "x".repeat(BYTES_MAX + 1);
        let error = Words::parse(&long, MessageKind::Every).unwrap_err();
        assert_eq!(error.remedy(), Some("shorten it"));
        let longest = "x".repeat(BYTES_MAX);
        assert!(Words::parse(&longest, MessageKind::Every).is_ok());
    }

    #[test]
    fn kinds_have_names_of_their_own() {
        for (name, kind) in MessageKind::ALL {
            assert_eq!(kind.to_string(), name);
            assert!(!kind.placeholders().is_empty());
        }
    }
}
