//! The text of a template in parts.

use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::Part;
use crate::name::PATH_BYTES_MAX;
use crate::{Error, Kind, Result};

const PLACEHOLDERS: &str = "there are {name}, {stem}, {extension}, {key}, {folder}, {path.0}, {path.1} and so on, \
     {bucket}, {partner}, {arrived:%Y-%m-%d} and, in a zone, {arrived@Europe/Dublin:%Y-%m-%d}; \
     write {{ and }} for braces";

pub(super) fn parts(text: &str) -> Result<Vec<Part>> {
    if text.is_empty() || text.len() > PATH_BYTES_MAX {
        return Err(invalid("a template has 1 to 1,024 bytes").help(PLACEHOLDERS));
    }
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        literal.push_str(before);
        if let Some(behind) = from.strip_prefix("{{") {
            literal.push('{');
            rest = behind;
        } else if let Some(behind) = from.strip_prefix("}}") {
            literal.push('}');
            rest = behind;
        } else if let Some((inner, behind)) =
            from.strip_prefix('{').and_then(|from| from.split_once('}'))
        {
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(placeholder(inner)?);
            rest = behind;
        } else {
            return Err(invalid(format!(
                "`{}` has a brace without its other one",
                text.escape_debug()
            ))
            .help(PLACEHOLDERS));
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    Ok(parts)
}

fn placeholder(inner: &str) -> Result<Part> {
    let part = match inner {
        "name" => Part::Name,
        "stem" => Part::Stem,
        "extension" => Part::Extension,
        "key" => Part::Key,
        "folder" => Part::Folder,
        "bucket" => Part::Bucket,
        "partner" => Part::Partner,
        _ => {
            if let Some(number) = inner.strip_prefix("path.").and_then(component) {
                Part::Component(number)
            } else if let Some(format) = inner.strip_prefix("arrived:") {
                arrived(TimeZone::UTC, format)?
            } else if let Some((zone, format)) = inner
                .strip_prefix("arrived@")
                .and_then(|rest| rest.split_once(':'))
            {
                arrived(known_zone(zone)?, format)?
            } else {
                let sentence = format!("there is no placeholder `{{{}}}`", inner.escape_debug());
                return Err(invalid(sentence).help(PLACEHOLDERS));
            }
        }
    };
    Ok(part)
}

fn component(digits: &str) -> Option<usize> {
    let is_number = (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

fn known_zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).map_err(|cause| {
        invalid(format!("`{}` is not a time zone", name.escape_debug()))
            .help("write its IANA name, such as `Europe/Dublin`, or leave `@…` out for UTC")
            .source(cause)
    })
}

/// What can be written of one time can be written of all.
fn arrived(zone: TimeZone, format: &str) -> Result<Part> {
    let sample = Zoned::new(Timestamp::UNIX_EPOCH, zone.clone());
    match strtime::format(format, &sample) {
        Ok(written) if !written.is_empty() => Ok(Part::Arrived {
            zone,
            format: format.to_owned(),
        }),
        written => {
            let error = invalid(format!("`{}` is not a date format", format.escape_debug())).help(
                "write it as for strftime: %Y year, %m month, %d day, %H hour, %M minute, %S second, \
                 %j day of the year, %s seconds since 1970",
            );
            Err(match written {
                Ok(_) => error,
                Err(cause) => error.source(cause),
            })
        }
    }
}

fn invalid(sentence: impl Into<String>) -> Error {
    Error::new(Kind::Invalid, sentence)
}
