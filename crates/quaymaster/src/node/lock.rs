//! One node a data folder.

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

const FILE: &str = "node.lock";

/// Held while the node runs; the kernel releases it however the process ends.
pub(crate) struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the folder; says who has it otherwise.
    pub(crate) fn take(data: &Path) -> anyhow::Result<Self> {
        Self::try_take(data)?.or_else(|process| {
            bail!(
                "another node (process {process}) already uses the data folder {}\n  help: stop it first, or give \
                 this node a `data` folder of its own",
                data.display()
            )
        })
    }

    /// True if a node has ever run on the folder.
    pub(crate) fn was_taken(data: &Path) -> bool {
        data.join(FILE).exists()
    }

    /// Takes the folder, or says which process has it.
    pub(crate) fn try_take(data: &Path) -> anyhow::Result<Result<Self, String>> {
        let path = data.join(FILE);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut owner = String::new();
            file.read_to_string(&mut owner).unwrap_or_default();
            return Ok(Err(owner.trim().to_owned()));
        }
        file.set_len(0)?;
        write!(file, "{}", std::process::id())?;
        Ok(Ok(Self { _file: file }))
    }
}
