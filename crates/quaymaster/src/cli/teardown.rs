//! `quaymaster teardown`: removes what install made, unless that would lose a file.

use anyhow::{Context as _, bail};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};

use super::configuration;
use super::install::{BINARY, BUCKET, CONFIG, DATA, Machine, SECRETS, UNIT_FILE};
use qm_core::config::BucketPlace;
use qm_core::name::RESERVED_COMPONENT;

#[derive(Args)]
pub(crate) struct TeardownOptions {
    /// Tear down what was installed below this folder
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    root: PathBuf,
}

pub(crate) fn run(options: &TeardownOptions) -> anyhow::Result<()> {
    let machine = Machine::at(&options.root)?;
    for folder in bucket_folders(&machine)? {
        if let Some(file) = first_file(&folder)? {
            bail!(
                "the bucket in {} is not empty: {} is there\n  help: move its files away first; nothing was removed",
                folder.display(),
                file.display()
            );
        }
    }
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
    Ok(())
}

/// The buckets of the installed configuration, and install's own.
fn bucket_folders(machine: &Machine) -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = vec![machine.path(BUCKET)];
    if machine.path(CONFIG).exists() && !machine.is_own_config() {
        let config = configuration::load(&machine.path(CONFIG))?.config;
        folders.extend(
            config
                .buckets
                .into_values()
                .filter_map(|bucket| match bucket.place {
                    BucketPlace::Directory(folder) => Some(folder),
                    BucketPlace::S3(_) | BucketPlace::Gcs(_) | BucketPlace::Azure(_) => None,
                }),
        );
    }
    folders.retain(|folder| folder.is_dir());
    Ok(folders)
}

/// The first file of the bucket that is not ours; versions that are kept count as files.
fn first_file(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let is_ours = folder.ends_with(RESERVED_COMPONENT);
        if is_ours && (entry.file_name() == "staging" || entry.file_name() == "lock") {
            continue;
        }
        if !entry.file_type()?.is_dir() {
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
    fn only_what_a_partner_sent_makes_a_bucket_full() {
        let bucket = tempfile::tempdir().unwrap();
        let make = |file: &str| {
            let path = bucket.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            path
        };
        fs::create_dir_all(bucket.path().join("north/empty")).unwrap();
        make(".quaymaster/lock");
        make(".quaymaster/staging/01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(first_file(bucket.path()).unwrap(), None);
        let kept = make(".quaymaster/kept/01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(first_file(bucket.path()).unwrap(), Some(kept.clone()));
        fs::remove_file(kept).unwrap();
        let sent = make("north/lock");
        assert_eq!(first_file(bucket.path()).unwrap(), Some(sent));
    }
}
