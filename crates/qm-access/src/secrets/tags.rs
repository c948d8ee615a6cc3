//! Tags of secrets: the allow-list of lookups. Tags are no secrets.

use qm_core::{Error, Kind, Result};
use std::collections::BTreeMap;

/// Tags by name.
pub(super) type Tags = BTreeMap<String, String>;

/// `Refused` if one of the tags is missing or has another value.
pub(super) fn check(name: &str, tags: &Tags, required: &Tags, help: String) -> Result<()> {
    let missing = required
        .iter()
        .find(|(tag, value)| tags.get(*tag) != Some(*value));
    match missing {
        None => Ok(()),
        Some((tag, value)) => Err(Error::new(
            Kind::Refused,
            format!("the secret `{name}` does not carry the tag {tag}={value}"),
        )
        .help(help)),
    }
}

/// Tags as people write them, `key=value`. The error names the place of what is none by number,
/// from 1.
pub(super) fn parse<'a>(entries: impl Iterator<Item = &'a str>) -> Result<Tags, usize> {
    let mut tags = Tags::new();
    for (index, entry) in entries.enumerate() {
        let entry = entry.trim();
        if entry.is_empty() || entry.starts_with('#') {
            continue;
        }
        let (tag, value) = entry.split_once('=').ok_or(index + 1)?;
        let tag = tag.trim();
        let is_new = !tag.is_empty()
            && tags
                .insert(tag.to_owned(), value.trim().to_owned())
                .is_none();
        if !is_new {
            return Err(index + 1);
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        let tags = |pairs: &[(&str, &str)]| {
            let owned = |(tag, value): &(&str, &str)| ((*tag).to_owned(), (*value).to_owned());
            Ok(pairs.iter().map(owned).collect::<Tags>())
        };
        for (text, expect) in [
            ("", tags(&[])),
            ("service=push", tags(&[("service", "push")])),
            (
                "# ours\n\n service = push \r\nteam=a=b\n",
                tags(&[("service", "push"), ("team", "a=b")]),
            ),
            ("empty=", tags(&[("empty", "")])),
            ("service=push\nno tag", Err(2)),
            ("=push", Err(1)),
            ("service=push\nservice=pull", Err(2)),
        ] {
            assert_eq!(parse(text.lines()), expect, "{text:?}");
        }
    }
}
