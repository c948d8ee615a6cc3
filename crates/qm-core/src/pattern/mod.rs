//! Patterns over `bucket/key`: `*` and `?` stay within one component, `**` spans components.

mod glob;

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::id::BucketName;
use crate::name::{ObjectPath, PATH_BYTES_MAX, Prefix};
use crate::{Error, Kind, Result};

pub(crate) use glob::Glob;

/// A pattern such as `landing/north/*.csv` or `exports/**/done.flag`; the first component is a
/// bucket by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    bucket: BucketName,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Segment {
    /// `**`: any number of components, none included.
    AnyDepth,
    /// Literal characters, `*` and `?`.
    Glob(Glob),
}

impl Pattern {
    /// Parses `bucket/pattern`; a trailing `/` means everything below.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > PATH_BYTES_MAX {
            return Err(
                Error::new(Kind::Invalid, "the pattern is longer than 1,024 bytes")
                    .help("no path is longer; let `*` and `**` stand for parts of it"),
            );
        }
        let (bucket, rest) = text.split_once('/').unwrap_or((text, ""));
        if bucket.contains(['*', '?']) {
            return Err(Error::new(
                Kind::Invalid,
                format!("`{text}` has no bucket before its first `/`"),
            )
            .help("begin the pattern with the name of a bucket, as in `landing/north/*.csv`"));
        }
        let bucket = BucketName::parse(bucket)?;
        let mut segments = Vec::new();
        let rest = if rest.is_empty() || rest.ends_with('/') {
            format!("{rest}**")
        } else {
            rest.to_owned()
        };
        for component in rest.split('/') {
            let segment = match component {
                "**" => Segment::AnyDepth,
                "" | "." | ".." => {
                    return Err(Error::new(
                        Kind::Invalid,
                        format!("`{text}` has an empty, `.` or `..` component"),
                    )
                    .help("write the path as it is in the bucket, without `//`, `.` and `..`"));
                }
                glob if glob.contains("**") => {
                    return Err(Error::new(
                        Kind::Invalid,
                        format!("`**` in `{glob}` is not a component of its own"),
                    )
                    .help("`**` stands alone between slashes; use `*` within a name"));
                }
                glob => Segment::Glob(Glob::parse(glob)),
            };
            if !(segment == Segment::AnyDepth && segments.last() == Some(&Segment::AnyDepth)) {
                segments.push(segment);
            }
        }
        Ok(Self { bucket, segments })
    }

    /// The bucket that the pattern is about.
    pub fn bucket(&self) -> &BucketName {
        &self.bucket
    }

    /// Everything that one folder of a bucket holds, at any depth.
    pub fn below(bucket: &BucketName, prefix: &Prefix) -> Self {
        let literal = prefix.as_str().split('/').filter(|c| !c.is_empty());
        let mut segments: Vec<Segment> = literal.map(|c| Segment::Glob(Glob::literal(c))).collect();
        segments.push(Segment::AnyDepth);
        Self {
            bucket: bucket.clone(),
            segments,
        }
    }

    /// The leading components without wildcards: where a search may begin.
    pub fn static_prefix(&self) -> Prefix {
        let mut components: Vec<String> = Vec::new();
        // The last segment names files, not a folder, even when it is literal.
        for segment in self
            .segments
            .split_last()
            .map_or(&[][..], |(_, folders)| folders)
        {
            match segment {
                Segment::Glob(glob) if glob.is_literal() => components.push(glob.to_string()),
                Segment::Glob(_) | Segment::AnyDepth => break,
            }
        }
        Prefix::parse(&components.join("/")).unwrap_or_default()
    }

    /// True if the object's path matches.
    pub fn matches(&self, path: &ObjectPath) -> bool {
        if path.bucket != self.bucket {
            return false;
        }
        let literal: Vec<Segment> = path
            .key
            .as_str()
            .split('/')
            .map(|c| Segment::Glob(Glob::literal(c)))
            .collect();
        overlap_segments(&self.segments, &literal)
    }

    /// True if some path matches both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.bucket == other.bucket && overlap_segments(&self.segments, &other.segments)
    }

    /// True if every path that `other` matches is matched by `self`. Sound, not complete: a
    /// `false` may be wrong for patterns with several wildcards in one component.
    pub fn covers(&self, other: &Self) -> bool {
        self.bucket == other.bucket && cover_segments(&self.segments, &other.segments)
    }

    /// The extension every match has, when the pattern fixes it: `csv` for `**/*.csv`.
    pub fn extension(&self) -> Option<String> {
        match self.segments.last() {
            Some(Segment::Glob(glob)) => glob.extension(),
            Some(Segment::AnyDepth) | None => None,
        }
    }

    /// The file name every match has, when the last component is literal.
    pub fn file_name(&self) -> Option<String> {
        match self.segments.last() {
            Some(Segment::Glob(glob)) if glob.is_literal() => Some(glob.to_string()),
            _ => None,
        }
    }
}

/// Quadratic in the number of components, which a parsed path bounds.
fn overlap_segments(left: &[Segment], right: &[Segment]) -> bool {
    glob::reach(
        left,
        right,
        |l, r| match (l, r) {
            (Segment::Glob(l), Segment::Glob(r)) => l.overlaps(r),
            _ => false,
        },
        Segment::is_any_depth,
        Segment::is_any_depth,
    )
}

fn cover_segments(wide: &[Segment], narrow: &[Segment]) -> bool {
    glob::reach(
        wide,
        narrow,
        |w, n| match (w, n) {
            (Segment::Glob(w), Segment::Glob(n)) => w.covers(n),
            // `**` is inside only what can be any number of components: a `**`.
            _ => false,
        },
        Segment::is_any_depth,
        |_| false,
    )
}

impl Segment {
    fn is_any_depth(&self) -> bool {
        *self == Self::AnyDepth
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bucket)?;
        for segment in &self.segments {
            match segment {
                Segment::AnyDepth => f.write_str("/**")?,
                Segment::Glob(glob) => write!(f, "/{glob}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Pattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::ObjectKey;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    fn path(text: &str) -> ObjectPath {
        let (bucket, key) = text.split_once('/').unwrap();
        ObjectPath {
            bucket: BucketName::parse(bucket).unwrap(),
            key: ObjectKey::parse(key).unwrap(),
        }
    }

    #[test]
    fn matching() {
        for (glob, name, expect) in [
            ("b/north/*", "b/north/a.csv", true),
            ("b/north/*", "b/north/x/a.csv", false),
            ("b/agent1/*", "b/agent10/a.csv", false),
            ("b/**", "b/a", true),
            ("b", "b/a/b/c", true),
            ("b/raw/", "b/raw/x/y", true),
            ("b/x/**/done.flag", "b/x/done.flag", true),
            ("b/x/**/done.flag", "b/x/1/2/done.flag", true),
            ("b/x/**/done.flag", "b/y/done.flag", false),
            ("b/*.csv", "b/é?.csv", true),
            ("b/a?c*", "b/abc", true),
            ("b/a*b*c", "b/axxbyyc", true),
            ("b/a*b*c", "b/axxbyy", false),
            ("other/*", "b/a", false),
        ] {
            assert_eq!(pattern(glob).matches(&path(name)), expect, "{glob} {name}");
        }
    }

    #[test]
    fn overlap_and_cover() {
        for (left, right, overlaps, covers) in [
            ("b/**", "b/north/*.csv", true, true),
            ("b/north/*.csv", "b/**", true, false),
            ("b/*.csv", "b/a*", true, false),
            ("b/*.csv", "b/*.json", false, false),
            ("b/*", "b/*.csv", true, true),
            ("b/*", "b/**", true, false),
            ("b/a/**", "b/a/**/x", true, true),
            ("b/?.csv", "b/*.csv", true, false),
            ("b/x/*", "c/x/*", false, false),
        ] {
            assert_eq!(
                pattern(left).overlaps(&pattern(right)),
                overlaps,
                "{left} {right}"
            );
            assert_eq!(
                pattern(left).covers(&pattern(right)),
                covers,
                "{left} {right}"
            );
        }
    }

    #[test]
    fn parts() {
        assert_eq!(pattern("b/a/c/*.CSV").static_prefix().as_str(), "a/c");
        assert_eq!(pattern("b/a/c/*.CSV").extension().as_deref(), Some("csv"));
        assert_eq!(pattern("b/a/*").extension(), None);
        assert_eq!(pattern("b/raw/").to_string(), "b/raw/**");
        assert!(Pattern::parse("*/a").is_err());
        assert!(Pattern::parse("b/a**").is_err());
        assert!(Pattern::parse("b/../c").is_err());
    }
}
