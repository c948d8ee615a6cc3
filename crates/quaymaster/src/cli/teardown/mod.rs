//! `quaymaster teardown`: removes what install made, unless that would lose a file.

mod stores;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::configuration;
use super::install::{BINARY, BUCKET, CONFIG, DATA, Machine, SECRETS, UNIT_FILE};
use crate::node::DataLock;
use qm_core::config::{BucketPlace, Config};
use qm_core::name::RESERVED_COMPONENT;

#[derive(Args)]
pub(crate) struct TeardownOptions {
    /// Tear down what was installed below this folder
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    root: PathBuf,
}

pub(crate) async fn run(options: &TeardownOptions) -> anyhow::Result<()> {
    let machine = Machine::at(&options.root)?;
    let config = configured(&machine)?;
    // A node that would not be torn down is not stopped either.
    refuse_full(&machine, config.as_ref()).await?;
    // What it answered for meanwhile would be removed: its buckets are looked at again.
    let is_stopped = machine.stop_service()?;
    let locks = refuse_losses(&machine, config.as_ref()).await;
    let (_locks, left) = locks.map_err(|error| {
        if is_stopped {
            with_way_back(&error)
        } else {
            error
        }
    })?;
    machine
        .systemctl(&["disable", "--now", "quaymaster"])
        .or_else(|error| {
            // Never enabled is as good as disabled.
            if machine.path(UNIT_FILE).exists() {
                Err(error)
            } else {
                Ok(())
            }
        })?;
    for file in [UNIT_FILE, BINARY] {
        remove(&machine.path(file))?;
    }
    machine.systemctl(&["daemon-reload"])?;
    for folder in [DATA, BUCKET, SECRETS] {
        remove(&machine.path(folder))?;
    }
    if machine.is_own_config() {
        remove(&machine.path(CONFIG))?;
    } else if machine.path(CONFIG).exists() {
        println!(
            "kept      {} (it was edited)",
            machine.path(CONFIG).display()
        );
    }
    machine.remove_user();
    for left in left {
        println!("left      {left}");
    }
    Ok(())
}

/// The installed configuration; also install's own may have further buckets, in `conf.d`.
fn configured(machine: &Machine) -> anyhow::Result<Option<Config>> {
    let file = machine.path(CONFIG);
    if !file.exists() {
        return Ok(None);
    }
    Ok(Some(configuration::load(&file)?.config))
}

/// Refuses while somebody works in a data folder or a bucket may hold a file. Who has the locks that
/// this returns keeps nodes away; beside them, what [`refuse_full`] returns.
async fn refuse_losses(
    machine: &Machine,
    config: Option<&Config>,
) -> anyhow::Result<(Vec<DataLock>, Vec<String>)> {
    let mut locks = Vec::new();
    for data in data_folders(machine, config) {
        locks.extend(take(&data)?);
    }
    let left = refuse_full(machine, config).await?;
    Ok((locks, left))
}

/// Refuses while a bucket may hold a file; what else would be left where teardown does not reach.
async fn refuse_full(machine: &Machine, config: Option<&Config>) -> anyhow::Result<Vec<String>> {
    refuse_full_folders(machine, config)?;
    match config {
        Some(config) => stores::refuse_full(machine, config).await,
        None => Ok(Vec::new()),
    }
}

fn with_way_back(error: &anyhow::Error) -> anyhow::Error {
    anyhow!("{error:#}\n  the node was stopped; `systemctl start quaymaster` starts it again")
}

/// Those that are there, by their real places: one that is named twice would look taken.
fn data_folders(machine: &Machine, config: Option<&Config>) -> BTreeSet<PathBuf> {
    let configured = config.map(|config| machine.of_machine(&config.node.data));
    let named = configured.into_iter().chain([machine.path(DATA)]);
    named
        .filter_map(|folder| fs::canonicalize(folder).ok())
        .collect()
}

/// Nothing if no node ever ran there: what root made, a node could not use.
fn take(data: &Path) -> anyhow::Result<Option<DataLock>> {
    if !DataLock::was_taken(data) {
        return Ok(None);
    }
    DataLock::try_take(data)?.map(Some).or_else(|process| {
        bail!(
            "process {process} works in the data folder {}\n  help: stop that node first; nothing was removed",
            data.display()
        )
    })
}

fn refuse_full_folders(machine: &Machine, config: Option<&Config>) -> anyhow::Result<()> {
    let mut folders = configured_folders(machine, config);
    // A node marks each bucket it opens: without the mark it is another folder, as the one below a
    // mount.
    let is_marked = |folder: &PathBuf| folder.join(RESERVED_COMPONENT).is_dir();
    let has_run = data_folders(machine, config)
        .iter()
        .any(|data| DataLock::was_taken(data));
    if has_run && let Some(folder) = folders.iter().find(|folder| !is_marked(folder)) {
        bail!(
            "whether the bucket in {} is empty cannot be seen: it is not there, or not mounted\n  help: mount \
             it, or take it out of the configuration if its files are not wanted; nothing was removed",
            folder.display()
        );
    }
    folders.push(machine.path(BUCKET));
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        if let Some(file) = first_file(folder)? {
            bail!(
                "the bucket in {} is not empty: {} is there\n  help: move its files away first; nothing was removed",
                folder.display(),
                file.display()
            );
        }
    }
    Ok(())
}

/// The folders of the configuration's buckets.
fn configured_folders(machine: &Machine, config: Option<&Config>) -> Vec<PathBuf> {
    let buckets = config
        .into_iter()
        .flat_map(|config| config.buckets.values());
    let folders = buckets.filter_map(|bucket| match &bucket.place {
        BucketPlace::Directory(folder) => Some(machine.of_machine(folder)),
        BucketPlace::S3(_) | BucketPlace::Gcs(_) | BucketPlace::Azure(_) => None,
    });
    folders.collect()
}

/// The first file of the bucket that is not ours; versions that are kept count as files.
fn first_file(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let is_folder = entry.file_type()?.is_dir();
        // Locks and marks lie there, and what nobody was answered for.
        let is_ours = folder.ends_with(RESERVED_COMPONENT);
        if is_ours && (!is_folder || entry.file_name() == "staging") {
            continue;
        }
        if !is_folder {
            return Ok(Some(entry.path()));
        }
        if let Some(file) = first_file(&entry.path())? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

fn remove(path: &Path) -> anyhow::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    removed.with_context(|| format!("removing {}", path.display()))?;
    println!("removed   {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_refused_learns_that_the_node_was_stopped() {
        let told = with_way_back(&anyhow!("not empty").context("asking")).to_string();
        assert!(told.starts_with("asking: not empty\n"), "{told}");
        assert!(told.contains("systemctl start quaymaster"), "{told}");
    }

    #[test]
    fn paths_of_the_configuration_are_of_the_machine() {
        let machine = Machine::at(Path::new("/a/root")).unwrap();
        for (path, found) in [
            ("/srv/landing", "/a/root/srv/landing"),
            ("/a/root/srv/landing", "/a/root/srv/landing"),
        ] {
            assert_eq!(machine.of_machine(Path::new(path)), Path::new(found));
        }
    }

    #[test]
    fn only_what_a_partner_sent_makes_a_bucket_full() {
        let bucket = tempfile::tempdir().unwrap();
        let make = |file: &str| {
            let path = bucket.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        };
        fs::create_dir_all(bucket.path().join("north/empty")).unwrap();
        for mark in ["lock", "deposits.lock", "sealed"] {
            make(&format!(".quaymaster/{mark}"));
        }
        make(".quaymaster/staging/01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(first_file(bucket.path()).unwrap(), None);
        let kept = make(".quaymaster/kept/01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(first_file(bucket.path()).unwrap(), Some(kept.clone()));
        fs::remove_file(kept).unwrap();
        let sent = make("north/lock");
        assert_eq!(first_file(bucket.path()).unwrap(), Some(sent));
    }
}
