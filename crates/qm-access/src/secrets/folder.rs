//! A folder with one file a secret.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::checked;
use super::name::TAGS_SUFFIX;
use super::tags::{self, Tags};
use qm_core::ports::access::Secret;
use qm_core::{Error, Kind, Result};

/// More is not a password, a token or a key but a wrong file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// Read or write by group or others.
const OPEN_TO_OTHERS: u32 = 0o077;
/// Tags may be read by all, but whoever writes them says what a secret is used for.
const WRITTEN_BY_OTHERS: u32 = 0o022;

/// A folder with one file a secret, as systemd credentials and container secrets are. Beside the
/// file `NAME` of a secret for lookups, `NAME.tags` has its tags, one `key=value` a line.
#[derive(Clone, Debug)]
pub struct FolderSecrets {
    folder: PathBuf,
}

impl FolderSecrets {
    /// The files of this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The secret in the file of that name, if it carries the tags; `None` if there is no such
    /// file. The name was checked.
    pub(super) async fn find(&self, name: &str, required: &Tags) -> Result<Option<Secret>> {
        let (path, name, required) = (self.file_of(name), name.to_owned(), required.clone());
        tokio::task::spawn_blocking(move || read(&path, &name, &required))
            .await
            .map_err(|error| {
                Error::new(Kind::Bug, "reading a secret broke off")
                    .during("read a secret")
                    .source(error)
            })?
    }

    pub(super) fn file_of(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn read(path: &Path, name: &str, required: &Tags) -> Result<Option<Secret>> {
    let Some(file) = open(path, OPEN_TO_OTHERS, "600", "secret's file")? else {
        return Ok(None);
    };
    if !required.is_empty() {
        let mut of_tags = path.as_os_str().to_owned();
        of_tags.push(TAGS_SUFFIX);
        let of_tags = PathBuf::from(of_tags);
        let help = format!(
            "write it as a line into the file {} if the secret may be used here",
            of_tags.display()
        );
        tags::check(name, &read_tags(&of_tags)?, required, help)?;
    }
    let text = text(path, file, "secret's file")?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    checked(name, Secret::new(text.to_owned())).map(Some)
}

fn read_tags(path: &Path) -> Result<Tags> {
    let Some(file) = open(path, WRITTEN_BY_OTHERS, "644", "file of tags")? else {
        return Ok(Tags::new());
    };
    let text = text(path, file, "file of tags")?;
    tags::parse(text.lines()).map_err(|line| {
        unusable(path, "file of tags", &format!("has no tag in line {line}"))
            .help("write one `key=value` a line, each key once")
    })
}

/// `None` if there is none; an error if its permissions have one of `forbidden`.
fn open(path: &Path, forbidden: u32, mode: &str, what: &str) -> Result<Option<File>> {
    let fail = |error| Error::io("read a secret", error).with("file", path.display());
    // Asked before opening: opening a pipe would wait for its writer.
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => {
            return Err(unusable(path, what, "is not a file"));
        }
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(fail(error)),
    }
    let file = File::open(path).map_err(fail)?;
    let found = file.metadata().map_err(fail)?.permissions().mode();
    if found & forbidden != 0 {
        let why = format!(
            "may be read or changed by others (mode {:o})",
            found & 0o777
        );
        let error = unusable(path, what, &why);
        return Err(error.help(format!("chmod {mode} {}", path.display())));
    }
    Ok(Some(file))
}

fn text(path: &Path, file: File, what: &str) -> Result<String> {
    let mut bytes = Vec::new();
    file.take(SECRET_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::io("read a secret", error).with("file", path.display()))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > SECRET_BYTES_MAX) {
        return Err(unusable(path, what, "is longer than 64 KiB"));
    }
    String::from_utf8(bytes).map_err(|_| unusable(path, what, "is not UTF-8 text"))
}

fn unusable(path: &Path, what: &str, why: &str) -> Error {
    Error::new(
        Kind::Invalid,
        format!("the {what} {} {why}", path.display()),
    )
}
