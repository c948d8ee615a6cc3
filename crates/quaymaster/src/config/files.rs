//! Finding and reading the files.

use std::io::{Error, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::problem::Problem;
use super::source::Sources;

/// Ten thousand accounts fit into it; a device or a log named by mistake does not fill memory.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// More files than anybody keeps apart.
const FILES_MAX: usize = 1_000;
/// The folder beside the configuration whose files belong to it.
const FOLDER: &str = "conf.d";

/// What was found.
pub(super) struct Found {
    /// The folder of the first file, absolute.
    pub(super) base: PathBuf,
    pub(super) sources: Sources,
}

/// Reads the file and the `*.toml` files of `conf.d` beside it, by name.
pub(super) fn read(path: &Path) -> Result<Found, Vec<Problem>> {
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let base = std::path::absolute(path)
        .map_err(|error| vec![*unreadable(path, &error)])?
        .parent()
        .map_or_else(|| PathBuf::from("/"), Path::to_path_buf);
    let mut paths = vec![path.to_owned()];
    paths.extend(beside(&folder.join(FOLDER)).map_err(|problem| vec![*problem])?);
    let mut sources = Sources::default();
    let mut problems = Vec::new();
    for path in &paths {
        match text_of(path) {
            Ok(text) => {
                sources.add(path.display().to_string(), text);
            }
            Err(problem) => problems.push(*problem),
        }
    }
    if problems.is_empty() {
        Ok(Found { base, sources })
    } else {
        Err(problems)
    }
}

fn beside(folder: &Path) -> Result<Vec<PathBuf>, Box<Problem>> {
    let unreadable = |error: Error| unreadable(folder, &error);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        let is_ours = path
            .extension()
            .is_some_and(|extension| extension == "toml");
        // An editor's hidden copies are not meant, as `*.toml` in a shell has it.
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if is_ours && !is_hidden {
            paths.push(path);
        }
        if paths.len() > FILES_MAX {
            let message = format!("holds more than {FILES_MAX} files");
            return Err(problem(folder, message, "join some of them"));
        }
    }
    paths.sort();
    Ok(paths)
}

fn text_of(path: &Path) -> Result<String, Box<Problem>> {
    let unreadable = |error: Error| unreadable(path, &error);
    // Asked before opening: opening a pipe would wait for its writer.
    if !path.metadata().map_err(unreadable)?.is_file() {
        let help = "name the file itself, as in `quaymaster check quaymaster.toml`; nothing else may end in .toml in conf.d";
        return Err(problem(path, "is not a file", help));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
        let help =
            "see that it is the configuration; a large one may be spread over files in conf.d";
        return Err(problem(path, "is larger than 8 MiB", help));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error
            .as_bytes()
            .iter()
            .take(valid)
            .filter(|byte| **byte == b'\n')
            .count()
            + 1;
        let message = format!("line {line} is not UTF-8 text");
        problem(path, message, "save the file as UTF-8")
    })
}

pub(super) fn unreadable(path: &Path, error: &Error) -> Box<Problem> {
    let help = if error.kind() == ErrorKind::NotFound {
        "write it there, or say where it is: `-c FILE`, QUAYMASTER_CONFIG, or FILE behind check, plan and apply; \
         `sudo quaymaster install` makes one to begin with"
    } else if error.kind() == ErrorKind::PermissionDenied {
        "run the command as the node's user, or let this user read it"
    } else {
        "see whether other programs can read it, and whether its disk is well"
    };
    problem(path, format!("cannot be read: {error}"), help)
}

fn problem(path: &Path, message: impl Into<String>, help: &str) -> Box<Problem> {
    let file = path.display().to_string();
    Box::new(Problem::of_file(file, message.into(), help.to_owned()))
}
