//! Names of files. A client's bytes become a [`MailboxPath`] once, at the edge; the mailbox turns
//! it into an [`ObjectPath`]. Nothing else constructs one, so nobody below checks again (INV-3).

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::id::BucketName;
use crate::{Error, Kind, Result};

/// File systems refuse longer components.
pub const COMPONENT_BYTES_MAX: usize = 255;
/// The longest key S3 takes.
pub const PATH_BYTES_MAX: usize = 1024;
/// Deeper trees are mistakes or attacks.
pub const DEPTH_MAX: usize = 32;
/// Our own folder at the root of a directory bucket; never a client's name.
pub const RESERVED_COMPONENT: &str = ".quaymaster";

/// What a client names, relative to the root of its mailbox; no leading or trailing `/`, empty
/// for the root itself.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MailboxPath(String);

/// The name of an object in a bucket: at least one component, `/` between them.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct ObjectKey(String);

/// A folder of a bucket; empty for the bucket's root, no leading or trailing `/`.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Prefix(String);

/// A key in its bucket.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectPath {
    /// The bucket.
    pub bucket: BucketName,
    /// The key in it.
    pub key: ObjectKey,
}

impl MailboxPath {
    /// The first component and the path below it; `None` for the root.
    pub fn split_first(&self) -> Option<(&str, Self)> {
        let (first, rest) = self.0.split_once('/').unwrap_or((&self.0, ""));
        (!first.is_empty()).then(|| (first, Self(rest.to_owned())))
    }

    /// Decodes, validates and canonicalises a client's path. `.` and `..` are resolved here and
    /// may not climb above the root.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes)
            .map_err(|e| invalid("file names must be valid UTF-8 text").source(e))?;
        let mut components: Vec<&str> = Vec::new();
        for component in text.split('/') {
            match component {
                "" | "." => {}
                ".." => {
                    if components.pop().is_none() {
                        return Err(outside());
                    }
                }
                name => {
                    check_component(name)?;
                    components.push(name);
                }
            }
        }
        joined(&components).map(Self)
    }

    /// Like [`MailboxPath::parse`], but `..` at the root stays at the root: what REALPATH answers
    /// to a client that goes up a folder.
    pub fn parse_clamped(bytes: &[u8]) -> Result<Self> {
        let mut kept: Vec<&[u8]> = Vec::new();
        for component in bytes.split(|b| *b == b'/') {
            match component {
                b"" | b"." => {}
                b".." => {
                    kept.pop();
                }
                name => kept.push(name),
            }
        }
        Self::parse(&kept.join(&b'/'))
    }

    /// [`MailboxPath::parse`] for a client that sees its root as the folder `home`: a path from `/`
    /// has to lead into it.
    pub fn parse_at(home: &Prefix, bytes: &[u8]) -> Result<Self> {
        let path = Self::parse(bytes)?;
        if bytes.starts_with(b"/") {
            path.below(home).ok_or_else(outside)
        } else {
            Ok(path)
        }
    }

    /// What REALPATH answers to a client that sees its root as the folder `home`: whatever leads out
    /// of it ends there.
    pub fn real_at(home: &Prefix, bytes: &[u8]) -> Result<String> {
        let path = Self::parse_clamped(bytes)?;
        let path = if bytes.starts_with(b"/") {
            path.below(home).unwrap_or_default()
        } else {
            path
        };
        Ok(match (home.is_root(), path.is_root()) {
            (true, _) => path.to_string(),
            (false, true) => format!("/{home}"),
            (false, false) => format!("/{home}{path}"),
        })
    }

    /// The path from a folder that it lies in.
    fn below(self, folder: &Prefix) -> Option<Self> {
        if folder.is_root() {
            return Some(self);
        }
        let rest = self.0.strip_prefix(folder.as_str())?;
        match rest.strip_prefix('/') {
            Some(below) => Some(Self(below.to_owned())),
            None => rest.is_empty().then(Self::default),
        }
    }

    /// True for the root of the mailbox.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path without leading `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As a client sees it: with a leading `/`.
impl fmt::Display for MailboxPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

impl ObjectKey {
    /// A key in canonical form: what configuration, ledger and connectors hold.
    pub fn parse(text: &str) -> Result<Self> {
        let prefix = Prefix::parse(text)?;
        if prefix.0.is_empty() {
            return Err(invalid("a key needs at least one component"));
        }
        Ok(Self(prefix.0))
    }

    /// The whole key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The folder it is in.
    pub fn folder(&self) -> Prefix {
        Prefix(
            self.0
                .rsplit_once('/')
                .map(|(folder, _)| folder.to_owned())
                .unwrap_or_default(),
        )
    }

    /// The same name, where a file or a folder may be meant.
    pub fn as_prefix(&self) -> Prefix {
        Prefix(self.0.clone())
    }

    /// The same folder, another last component.
    pub fn with_file_name(&self, name: &str) -> Result<Self> {
        self.folder().join(name)
    }

    /// True if the key lies in `prefix` or below: by component, never by string prefix.
    pub fn is_below(&self, prefix: &Prefix) -> bool {
        prefix.0.is_empty()
            || self
                .0
                .strip_prefix(&prefix.0)
                .is_some_and(|rest| rest.starts_with('/'))
    }

    /// The key relative to `prefix`, if it lies below.
    pub fn relative_to<'a>(&'a self, prefix: &Prefix) -> Option<&'a str> {
        if prefix.0.is_empty() {
            return Some(&self.0);
        }
        self.0.strip_prefix(&prefix.0)?.strip_prefix('/')
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ObjectKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Prefix {
    /// A folder in canonical form (no leading or trailing `/`, no `.` or `..`).
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let components: Vec<&str> = text.split('/').collect();
        for component in &components {
            if matches!(*component, "" | "." | "..") {
                return Err(invalid("a path has no empty, `.` or `..` components"));
            }
            check_component(component)?;
        }
        joined(&components).map(Self)
    }

    /// The whole folder path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the root of the bucket.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// A key below this folder; `relative` may have several components.
    pub fn join(&self, relative: &str) -> Result<ObjectKey> {
        if self.0.is_empty() {
            ObjectKey::parse(relative)
        } else {
            ObjectKey::parse(&format!("{}/{relative}", self.0))
        }
    }

    /// The folder as a key, unless it is the root.
    pub fn as_key(&self) -> Option<ObjectKey> {
        (!self.0.is_empty()).then(|| ObjectKey(self.0.clone()))
    }

    /// True if this folder is `other` or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self == other || self.as_key().is_some_and(|key| key.is_below(other))
    }

    /// The mailbox path below this folder, as a folder of the bucket.
    pub fn descend(&self, path: &MailboxPath) -> Result<Self> {
        match (self.0.is_empty(), path.0.is_empty()) {
            (_, true) => Ok(self.clone()),
            (true, false) => Ok(Self(path.0.clone())),
            (false, false) => Self::parse(&format!("{}/{}", self.0, path.0)),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// `bucket/key`, as routes and expectations write it.
impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.key)
    }
}

fn outside() -> Error {
    Error::new(Kind::Refused, "that path is outside your own folder")
}

fn check_component(name: &str) -> Result<()> {
    if name.len() > COMPONENT_BYTES_MAX {
        return Err(invalid(
            "that name is too long (at most 255 bytes for one part of a path)",
        ));
    }
    if name == RESERVED_COMPONENT {
        return Err(Error::new(
            Kind::Refused,
            "that name is reserved by the server",
        ));
    }
    match name.chars().find(|c| is_forbidden(*c)) {
        None => Ok(()),
        Some('\\') => Err(invalid(
            "names may not contain a backslash; use `/` between folders",
        )),
        Some(c) => Err(invalid(format!(
            "names may not contain the invisible character {}",
            c.escape_unicode()
        ))),
    }
}

/// Characters that make two names look the same, or a log line lie.
fn is_forbidden(c: char) -> bool {
    c == '\\'
        || c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn joined(components: &[&str]) -> Result<String> {
    if components.len() > DEPTH_MAX {
        return Err(invalid("that path has too many folders (at most 32)"));
    }
    let text = components.join("/");
    if text.len() > PATH_BYTES_MAX {
        return Err(invalid("that path is too long (at most 1,024 bytes)"));
    }
    Ok(text)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Kind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(path: &[u8], expect: Result<&str, Kind>) {
        let parsed = MailboxPath::parse(path);
        assert_eq!(
            parsed
                .as_ref()
                .map(MailboxPath::as_str)
                .map_err(Error::kind),
            expect
        );
    }

    #[test]
    fn canonical_paths() {
        check(b"/", Ok(""));
        check(b"a.csv", Ok("a.csv"));
        check(b"/a//b/./c/../d.csv", Ok("a/b/d.csv"));
        check(
            "/na\u{ef}ve caf\u{e9}/e\u{301}.csv".as_bytes(),
            Ok("na\u{ef}ve caf\u{e9}/e\u{301}.csv"),
        );
        check(b"/~root/$(id)/-rf", Ok("~root/$(id)/-rf"));
    }

    #[test]
    fn paths_of_a_client_that_sees_its_folder_elsewhere() {
        #[track_caller]
        fn check(path: &str, expect: Result<&str, Kind>, real: &str) {
            let home = Prefix::parse("landing/agency").unwrap();
            let parsed = MailboxPath::parse_at(&home, path.as_bytes());
            let parsed = parsed.as_ref().map(MailboxPath::as_str);
            assert_eq!(parsed.map_err(Error::kind), expect);
            let found = MailboxPath::real_at(&home, path.as_bytes());
            assert_eq!(found.unwrap(), real);
        }
        check("", Ok(""), "/landing/agency");
        check("in/a.csv", Ok("in/a.csv"), "/landing/agency/in/a.csv");
        check("/landing/agency/", Ok(""), "/landing/agency");
        check(
            "/landing/agency/in/../a.csv",
            Ok("a.csv"),
            "/landing/agency/a.csv",
        );
        check("landing", Ok("landing"), "/landing/agency/landing");
        for outside in [
            "/",
            "/a.csv",
            "/landing",
            "/landing/agency/..",
            "/landing/agency2/a.csv",
            "/landing/agency/../agency2",
            "..",
            "../agency2/a.csv",
        ] {
            let real = if outside == "../agency2/a.csv" {
                // From its own folder it leads nowhere else.
                "/landing/agency/agency2/a.csv"
            } else {
                "/landing/agency"
            };
            check(outside, Err(Kind::Refused), real);
        }
    }

    #[test]
    fn hostile_paths() {
        check(b"../agent2/a.csv", Err(Kind::Refused));
        check(b"/a/../../b", Err(Kind::Refused));
        check(b"a\0.csv", Err(Kind::Invalid));
        check(b"a\xff.csv", Err(Kind::Invalid));
        check(b"..\\..\\secret", Err(Kind::Invalid));
        check(b"a\r\nb", Err(Kind::Invalid));
        check("a\u{202e}vsc.exe".as_bytes(), Err(Kind::Invalid));
        check("a\u{200b}.csv".as_bytes(), Err(Kind::Invalid));
        check(&[b'x'; 256], Err(Kind::Invalid));
        check(&[b'x'; 255], Ok(&"x".repeat(255)));
        check(&b"a/".repeat(33), Err(Kind::Invalid));
        check(
            &[
                &[b'y'; 250][..],
                b"/",
                &[b'y'; 250],
                b"/",
                &[b'y'; 250],
                b"/",
                &[b'y'; 250],
                b"/",
                &[b'y'; 250],
            ]
            .concat(),
            Err(Kind::Invalid),
        );
        check(b"/.quaymaster/staging/x", Err(Kind::Refused));
    }

    #[test]
    fn climbing_is_clamped_only_when_asked() {
        assert_eq!(
            MailboxPath::parse_clamped(b"/../x").unwrap().to_string(),
            "/x"
        );
        assert_eq!(MailboxPath::parse_clamped(b"/..").unwrap().to_string(), "/");
    }

    #[test]
    fn a_sibling_with_the_same_beginning_is_not_below() {
        let north = Prefix::parse("agent1").unwrap();
        assert!(ObjectKey::parse("agent1/a.csv").unwrap().is_below(&north));
        assert!(!ObjectKey::parse("agent10/a.csv").unwrap().is_below(&north));
        assert!(!ObjectKey::parse("agent1").unwrap().is_below(&north));
    }

    proptest! {
        #[test]
        fn a_parsed_path_never_leaves_its_mailbox(path in "[a./\\\\~\u{0}é-]{0,40}") {
            if let Ok(path) = MailboxPath::parse(path.as_bytes()) {
                let home = Prefix::parse("home/north").unwrap();
                prop_assert!(home.descend(&path).unwrap().is_within(&home));
                prop_assert_eq!(MailboxPath::parse(path.to_string().as_bytes()).unwrap(), path);
            }
        }
    }
}
