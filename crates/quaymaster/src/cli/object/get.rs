//! `quaymaster object get`

use anyhow::{Context as _, bail};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

use super::progress::{Progress, size};
use super::pump::{self, Counter};
use super::remote::Remote;
use super::tree::Tree;
use crate::cli::explain;
use qm_sftp::client::Client;

/// What a new file may be for; the user's own mask takes from it.
const NEW_FILE_MODE: u32 = 0o666;

pub(super) async fn one(
    client: &mut Client,
    progress: &Progress,
    from: &Remote,
    to: Option<PathBuf>,
) -> anyhow::Result<()> {
    from.check_in_bucket()?;
    let to = to.unwrap_or_else(|| ".".into());
    if to.as_os_str() == "-" {
        fetch(client, progress, from, io::stdout()).await?;
        return Ok(());
    }
    let to = if to.is_dir() {
        to.join(from.name())
    } else {
        to
    };
    let size_bytes = if to.exists() && !to.is_file() {
        // A pipe or a device is no name that something could be moved to.
        let target = File::options().write(true).open(&to);
        let target = target.with_context(|| format!("opening {}", to.display()))?;
        fetch(client, progress, from, target).await?
    } else {
        fetch_whole(client, progress, from, &to).await?
    };
    progress.done(&format!("got {}  {}", to.display(), size(size_bytes)));
    Ok(())
}

/// All that is below `from`, below the folder `to`.
pub(super) async fn all(
    client: &mut Client,
    progress: &Progress,
    from: &Remote,
    to: Option<PathBuf>,
) -> anyhow::Result<()> {
    if from.as_str().is_empty() {
        bail!("name a bucket; `quaymaster object ls` lists them");
    }
    let to = to.unwrap_or_else(|| from.name().into());
    let tree = Tree::read(client, from).await?;
    make_folder(&to)?;
    for folder in &tree.folders {
        make_folder(&to.join(below(from, folder)?))?;
    }
    for (file, _) in &tree.files {
        let target = to.join(below(from, file)?);
        let size_bytes = fetch_whole(client, progress, file, &target).await?;
        progress.done(&format!("got {}  {}", target.display(), size(size_bytes)));
    }
    let total = size(tree.size_bytes());
    progress.done(&format!("{} files, {total}", tree.files.len()));
    Ok(())
}

/// The part of a name that is below a folder: names of the other side have no `..`.
fn below<'a>(folder: &Remote, place: &'a Remote) -> anyhow::Result<&'a Path> {
    let rest = place.as_str().strip_prefix(folder.as_str());
    let rest = rest.and_then(|rest| rest.strip_prefix('/'));
    rest.map(Path::new)
        .with_context(|| format!("{place} is not in {folder}"))
}

fn make_folder(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))
}

/// Fetches into a nameless place beside `to`, and gives it the name when it is whole and durable.
async fn fetch_whole(
    client: &mut Client,
    progress: &Progress,
    from: &Remote,
    to: &Path,
) -> anyhow::Result<u64> {
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let temporary = new_file_in(folder.unwrap_or_else(|| Path::new(".")))
        .with_context(|| format!("writing {}", to.display()))?;
    let file = temporary.as_file().try_clone()?;
    let size_bytes = fetch(client, progress, from, file).await?;
    let finish = move || -> io::Result<()> {
        temporary.as_file().sync_all()?;
        temporary.persist(to).map_err(|error| error.error)?;
        Ok(())
    };
    finish().with_context(|| format!("writing {}", to.display()))?;
    Ok(size_bytes)
}

/// Gone when dropped before it got its name, also by Ctrl-C.
fn new_file_in(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".quaymaster-")
        .suffix(".part")
        .permissions(Permissions::from_mode(NEW_FILE_MODE))
        .tempfile_in(folder)
}

async fn fetch(
    client: &mut Client,
    progress: &Progress,
    from: &Remote,
    to: impl io::Write + Send + 'static,
) -> anyhow::Result<u64> {
    let opened = client.open_file(from.as_str()).await.map_err(explain);
    let (file, size_bytes) = opened.with_context(|| from.to_string())?;
    let counter = Counter::default();
    let sink = pump::sink(to, counter.clone());
    let reading = client.read_into(&file, 0..size_bytes, &sink.sender);
    let read = progress
        .during(from.as_str(), &counter, Some(size_bytes), reading)
        .await;
    // First: why it could not be written is why no more was read.
    sink.finish().await.context("writing what was fetched")?;
    read.map_err(explain).with_context(|| from.to_string())?;
    let closed = client.close(file).await.map_err(explain);
    closed.with_context(|| from.to_string())?;
    Ok(size_bytes)
}
