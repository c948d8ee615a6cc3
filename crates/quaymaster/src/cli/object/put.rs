//! `quaymaster object put`

use anyhow::{Context as _, bail};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::progress::{Progress, left_out, size};
use super::pump::{self, Counter};
use super::remote::{Remote, local_name};
use crate::cli::explain;
use qm_core::Kind;
use qm_core::ports::mailbox::Existing;
use qm_sftp::client::Client;

pub(super) async fn one(
    client: &mut Client,
    progress: &Progress,
    from: &Path,
    to: &Remote,
    existing: Existing,
) -> anyhow::Result<()> {
    if from.as_os_str() == "-" {
        to.check_in_bucket()?;
        let from = Source {
            content: Box::new(io::stdin()),
            size_bytes: None,
        };
        return send(client, progress, from, to, existing).await;
    }
    if from.is_dir() {
        bail!(
            "{} is a folder\n  help: -r puts all that is in it",
            from.display()
        );
    }
    let source = Source::open(from)?;
    let to = to.landing(client, local_name(from)?).await?;
    send(client, progress, source, &to, existing).await
}

/// All that is below the folder `from`, below `to`. A file that is there and not to be replaced
/// does not keep the others from being put.
pub(super) async fn all(
    client: &mut Client,
    progress: &Progress,
    from: &Path,
    to: &Remote,
    existing: Existing,
) -> anyhow::Result<()> {
    if to.as_str().is_empty() {
        bail!("name a bucket; `quaymaster object ls` lists them");
    }
    let found = Found::below(from)?;
    for folder in &found.folders {
        let place = to.join(folder)?;
        make_folders(client, place.as_str()).await?;
    }
    let mut there = 0;
    for (path, below) in &found.files {
        let place = to.join(below)?;
        if existing == Existing::Refuse && is_there(client, &place).await? {
            left_out(&format!("{place} is there already"));
            there += 1;
            continue;
        }
        send(client, progress, Source::open(path)?, &place, existing).await?;
    }
    if there > 0 {
        bail!(
            "{there} of {} files were there already\n  help: --overwrite replaces them",
            found.files.len()
        );
    }
    Ok(())
}

/// What is sent.
struct Source {
    content: Box<dyn Read + Send>,
    /// Of a file: so much is sent and no less.
    size_bytes: Option<u64>,
}

impl Source {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let open = || -> io::Result<Self> {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            Ok(if metadata.is_file() {
                let size_bytes = metadata.len();
                Self {
                    // What is appended meanwhile is not in it.
                    content: Box::new(file.take(size_bytes)),
                    size_bytes: Some(size_bytes),
                }
            } else {
                Self {
                    content: Box::new(file),
                    size_bytes: None,
                }
            })
        };
        open().with_context(|| format!("reading {}", path.display()))
    }
}

async fn send(
    client: &mut Client,
    progress: &Progress,
    from: Source,
    to: &Remote,
    existing: Existing,
) -> anyhow::Result<()> {
    to.check_in_bucket()?;
    make_folders(client, to.parent()).await?;
    let file = match client.create(to.as_str(), existing, from.size_bytes).await {
        Ok(file) => file,
        Err(error) => {
            let is_taken = existing == Existing::Refuse
                && error.kind() == Kind::Refused
                && is_there(client, to).await?;
            let help = if is_taken {
                "\n  help: --overwrite replaces it"
            } else {
                ""
            };
            bail!("{to}: {:#}{help}", explain(error));
        }
    };
    let counter = Counter::default();
    let mut source = pump::source(from.content, counter.clone());
    let writing = client.write_from(&file, &mut source);
    let written = progress
        .during(to.as_str(), &counter, from.size_bytes, writing)
        .await;
    let sent_bytes = written.map_err(explain).with_context(|| to.to_string())?;
    // The session ends with this error, and what was sent is dropped with it.
    if from
        .size_bytes
        .is_some_and(|size_bytes| size_bytes != sent_bytes)
    {
        bail!("{to}: the file became shorter while it was sent; nothing was put");
    }
    let closed = client.close(file).await.map_err(explain);
    closed.with_context(|| to.to_string())?;
    progress.done(&format!("put {to}  {}", size(sent_bytes)));
    Ok(())
}

async fn make_folders(client: &mut Client, folder: &str) -> anyhow::Result<()> {
    let made = client.make_folders(folder).await.map_err(explain);
    made.with_context(|| folder.to_owned())
}

async fn is_there(client: &mut Client, place: &Remote) -> anyhow::Result<bool> {
    match client.stat(place.as_str()).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == Kind::NotFound => Ok(false),
        Err(error) => Err(explain(error)).with_context(|| place.to_string()),
    }
}

/// Files and folders below a folder of this machine, with their names below it.
#[derive(Default)]
struct Found {
    files: Vec<(PathBuf, String)>,
    folders: Vec<String>,
}

impl Found {
    fn below(root: &Path) -> anyhow::Result<Self> {
        let mut found = Self::default();
        found.collect(root, "")?;
        Ok(found)
    }

    fn collect(&mut self, folder: &Path, prefix: &str) -> anyhow::Result<()> {
        let reading = || format!("reading {}", folder.display());
        let entries = fs::read_dir(folder).with_context(reading)?;
        let mut entries: Vec<fs::DirEntry> =
            entries.collect::<io::Result<_>>().with_context(reading)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let below = format!("{prefix}{}", local_name(&path)?);
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.folders.push(below.clone());
                self.collect(&path, &format!("{below}/"))?;
            } else if kind.is_file() {
                self.files.push((path, below));
            } else {
                left_out(&format!("{} is no file", path.display()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_left_out_and_names_are_in_order() {
        let root = tempfile::tempdir().unwrap();
        for file in ["b.csv", "a/1 + ü.csv", "a/z"] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        fs::create_dir(root.path().join("empty")).unwrap();
        std::os::unix::fs::symlink("/", root.path().join("link")).unwrap();
        let found = Found::below(root.path()).unwrap();
        let names: Vec<&str> = found
            .files
            .iter()
            .map(|(_, below)| below.as_str())
            .collect();
        assert_eq!(names, ["a/1 + ü.csv", "a/z", "b.csv"]);
        assert_eq!(found.folders, ["a", "empty"]);
    }
}
