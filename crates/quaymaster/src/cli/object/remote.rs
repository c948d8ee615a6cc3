//! Names on the other side: `BUCKET/KEY`.

use anyhow::{Context as _, bail};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::cli::explain;
use qm_core::name::MailboxPath;
use qm_core::ports::bucket::EntryKind;
use qm_core::ports::mailbox::Existing;
use qm_core::{Error, Kind};
use qm_sftp::client::Client;

/// A bucket, a folder or a file; the root, with all buckets, if empty.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Remote {
    path: String,
    /// Written with `/` behind.
    is_folder: bool,
}

impl FromStr for Remote {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(Self {
            path: MailboxPath::parse(text.as_bytes())?.as_str().to_owned(),
            is_folder: text.ends_with('/'),
        })
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl Remote {
    pub(super) fn as_str(&self) -> &str {
        &self.path
    }

    pub(super) fn bucket(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// The last part.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// What it is in: of a file its folder.
    pub(super) fn parent(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(parent, _)| parent)
    }

    /// True for a name in a bucket, false for a bucket itself and for the root.
    pub(super) fn is_in_bucket(&self) -> bool {
        self.path.contains('/')
    }

    /// A name below this one.
    pub(super) fn join(&self, below: &str) -> anyhow::Result<Self> {
        format!("{}/{below}", self.path).parse().map_err(explain)
    }

    /// An error that says what cannot be done unless this is a name in a bucket.
    pub(super) fn check_in_bucket(&self) -> anyhow::Result<()> {
        if self.is_in_bucket() {
            return Ok(());
        }
        bail!(
            "`{self}` names no file\n  help: name one as BUCKET/KEY; `quaymaster object ls` lists the buckets"
        )
    }

    /// The name that something called `name` gets here: this one, or below it if it is a folder.
    pub(super) async fn landing(&self, client: &mut Client, name: &str) -> anyhow::Result<Self> {
        if self.path.is_empty() {
            bail!("name a bucket; `quaymaster object ls` lists them");
        }
        let is_folder = self.is_folder
            || !self.is_in_bucket()
            || match client.stat(&self.path).await {
                Ok(entry) => entry.kind == EntryKind::Folder,
                Err(error) if error.kind() == Kind::NotFound => false,
                Err(error) => return Err(explain(error)).context(self.to_string()),
            };
        if is_folder {
            self.join(name)
        } else {
            Ok(self.clone())
        }
    }
}

/// What happens to a file that is there.
pub(super) fn existing(overwrite: bool) -> Existing {
    if overwrite {
        Existing::Replace
    } else {
        Existing::Refuse
    }
}

/// The last part of a path of this machine, as a name on the other side.
pub(super) fn local_name(path: &Path) -> anyhow::Result<&str> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.with_context(|| {
        format!(
            "{} has no name that a bucket can take\n  help: say which: BUCKET/KEY",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, path, bucket, parent, name, is_folder) in [
            ("landing", "landing", "landing", "", "landing", false),
            ("landing/", "landing", "landing", "", "landing", true),
            (
                "/landing//a b+ü.csv",
                "landing/a b+ü.csv",
                "landing",
                "landing",
                "a b+ü.csv",
                false,
            ),
            (
                "landing/in/",
                "landing/in",
                "landing",
                "landing",
                "in",
                true,
            ),
            (
                "landing/in/../a",
                "landing/a",
                "landing",
                "landing",
                "a",
                false,
            ),
            ("", "", "", "", "", false),
        ] {
            let remote: Remote = text.parse().unwrap();
            assert_eq!(remote.as_str(), path);
            assert_eq!(
                (remote.bucket(), remote.parent(), remote.name()),
                (bucket, parent, name)
            );
            assert_eq!(remote.is_folder, is_folder, "{text}");
            assert_eq!(remote.is_in_bucket(), path.contains('/'));
        }
        for text in ["..", "landing/../..", "landing/a\\b", "landing/a\nb"] {
            assert!(text.parse::<Remote>().is_err(), "{text}");
        }
    }
}
