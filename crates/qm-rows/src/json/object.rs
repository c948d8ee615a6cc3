//! One object: its members, numbers as they are written and what is nested as its text.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

use crate::limits::COLUMNS;
use crate::value::{Raw, quoted};

/// The members of the object at hand; memory of the one before is used again.
#[derive(Debug, Default)]
pub(super) struct Object {
    /// Names and values that lie in no one's text: those with escapes.
    text: String,
    members: Vec<Member>,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    name: Span,
    value: Value,
}

/// Where a text is.
#[derive(Clone, Copy, Debug)]
enum Span {
    /// In the object's text.
    Source { start: usize, end: usize },
    /// In ours.
    Own { start: usize, end: usize },
}

#[derive(Clone, Copy, Debug)]
enum Value {
    Null,
    Text(Span),
    Exact(Span),
}

impl Object {
    /// Reads it; `Err` is the reason why it is none.
    pub(super) fn read(&mut self, source: &str) -> Result<(), String> {
        self.text.clear();
        self.members.clear();
        if !source.starts_with('{') {
            return Err(format!("{} is not an object", quoted(source)));
        }
        let mut from = serde_json::Deserializer::from_str(source);
        let members = Members {
            object: self,
            source,
        };
        members
            .deserialize(&mut from)
            .and_then(|()| from.end())
            .map_err(|error| {
                let said = error.to_string();
                let said = said.split(" at line ").next().unwrap_or_default();
                format!("not an object of JSON: {said}")
            })
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn name<'a>(&'a self, source: &'a str, at: usize) -> &'a str {
        self.get(source, self.members[at].name)
    }

    pub(super) fn value<'a>(&'a self, source: &'a str, at: usize) -> Raw<'a> {
        match self.members[at].value {
            Value::Null => Raw::Missing,
            Value::Text(span) => Raw::Text(self.get(source, span)),
            Value::Exact(span) => Raw::Exact(self.get(source, span)),
        }
    }

    fn get<'a>(&'a self, source: &'a str, span: Span) -> &'a str {
        let text = match span {
            Span::Source { start, end } => source.get(start..end),
            Span::Own { start, end } => self.text.get(start..end),
        };
        text.unwrap_or_default()
    }

    fn keep(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        Span::Own {
            start,
            end: self.text.len(),
        }
    }

    fn take(&mut self, name: Span, raw: &str, source: &str) -> serde_json::Result<()> {
        let value = match raw.as_bytes() {
            [b'n', ..] => Value::Null,
            [b'"', within @ .., b'"'] if memchr::memchr(b'\\', within).is_none() => {
                let span = span_in(source, raw);
                Value::Text(Span::Source {
                    start: span.0 + 1,
                    end: span.1 - 1,
                })
            }
            [b'"', ..] => {
                let text: String = serde_json::from_str(raw)?;
                Value::Text(self.keep(&text))
            }
            [b'{' | b'[', ..] => {
                let (start, end) = span_in(source, raw);
                Value::Text(Span::Source { start, end })
            }
            [..] => {
                let (start, end) = span_in(source, raw);
                Value::Exact(Span::Source { start, end })
            }
        };
        self.members.push(Member { name, value });
        Ok(())
    }
}

/// Where a part of a text is in it.
fn span_in(source: &str, part: &str) -> (usize, usize) {
    let start = part.as_ptr().addr() - source.as_ptr().addr();
    (start, start + part.len())
}

struct Members<'o, 's> {
    object: &'o mut Object,
    source: &'s str,
}

impl<'de> DeserializeSeed<'de> for Members<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Name<'de>>()? {
            if self.object.members.len() == COLUMNS {
                return Err(A::Error::custom(format_args!(
                    "more than {COLUMNS} members"
                )));
            }
            let name = match name {
                Name::Borrowed(name) => {
                    let (start, end) = span_in(self.source, name);
                    Span::Source { start, end }
                }
                Name::Owned(name) => self.object.keep(&name),
            };
            let value: &RawValue = map.next_value()?;
            self.object
                .take(name, value.get(), self.source)
                .map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// A member's name; borrowed where it has no escapes.
enum Name<'a> {
    Borrowed(&'a str),
    Owned(String),
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name::Borrowed(text))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name::Owned(text.to_owned()))
            }
        }
        from.deserialize_str(Text)
    }
}
