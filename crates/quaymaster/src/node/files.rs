//! The data folder: ledger, lock, host key, node id. Only its owner reads it.

use anyhow::{Context as _, bail};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::Path;

use super::operator;
use crate::system::{RandomIdentifiers, SystemClock};
use qm_core::ports::clock::{Clock as _, Identifiers as _};
use qm_sftp::HostKey;

const HOST_KEY: &str = "host_key_ed25519";
const NODE_ID: &str = "node_id";

/// Refuses root where the data folder is another user's: what root made there, the node could not
/// use.
pub(crate) fn refuse_root(data: &Path) -> anyhow::Result<()> {
    // What is not there yet is nobody's.
    let Ok(found) = fs::metadata(data) else {
        return Ok(());
    };
    if found.uid() == 0 || !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = operator::user_for_sudo(found.uid());
    bail!(
        "the files in {} belong to {owner}, and what root made there its node could not use\n  help: run this as \
         that user: sudo -u '{owner}' quaymaster …",
        data.display()
    )
}

/// Makes the folder, closed to others.
pub(crate) fn make_data_folder(data: &Path) -> anyhow::Result<()> {
    refuse_root(data)?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("making the data folder {}", data.display()))
}

/// The host key; made at the first start, never shipped.
pub(super) fn host_key(data: &Path) -> anyhow::Result<HostKey> {
    let path = data.join(HOST_KEY);
    if !path.exists() {
        let key = HostKey::generate().map_err(crate::cli::explain)?;
        let pem = key.to_pem().map_err(crate::cli::explain)?;
        write_private(&path, pem.as_bytes())?;
        return Ok(key);
    }
    let mode = fs::metadata(&path)?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!(
            "others can read the host key {}\n  help: chmod 600 {0}",
            path.display()
        );
    }
    let pem = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    HostKey::parse(&pem)
        .map_err(crate::cli::explain)
        .with_context(|| format!("reading {}", path.display()))
}

/// What tells this node's messages from another's; the same over restarts.
pub(super) fn node_id(data: &Path) -> anyhow::Result<String> {
    let path = data.join(NODE_ID);
    if !path.exists() {
        let id = RandomIdentifiers.version(SystemClock.now()).to_string();
        write_private(&path, id.as_bytes())?;
    }
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// Whole or not at all: a crash must not leave half a key.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let temporary = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        path.parent()
            .map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    };
    write().with_context(|| format!("writing {}", path.display()))
}
