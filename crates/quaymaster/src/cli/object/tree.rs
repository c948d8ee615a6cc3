//! All that is below a folder on the other side.

use crate::cli::explain;
use qm_core::ports::bucket::{Entry, EntryKind};
use qm_sftp::client::Client;

use super::remote::Remote;

/// What is below a folder, by name; folders stand before what is in them.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) files: Vec<(Remote, Entry)>,
    pub(super) folders: Vec<Remote>,
}

impl Tree {
    pub(super) async fn read(client: &mut Client, root: &Remote) -> anyhow::Result<Self> {
        let mut tree = Self::default();
        let mut waiting = vec![root.clone()];
        while let Some(folder) = waiting.pop() {
            for entry in sorted(client, &folder).await? {
                // A name that is none here is nothing that a bucket of ours has.
                let place = folder.join(&entry.name)?;
                match entry.kind {
                    EntryKind::File => tree.files.push((place, entry)),
                    EntryKind::Folder => waiting.push(place),
                }
            }
            if folder != *root {
                tree.folders.push(folder);
            }
        }
        tree.files.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        Ok(tree)
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.files.iter().map(|(_, entry)| entry.size_bytes).sum()
    }
}

/// A folder's entries by name.
pub(super) async fn sorted(client: &mut Client, folder: &Remote) -> anyhow::Result<Vec<Entry>> {
    let listed = client.list(folder.as_str()).await;
    let mut entries = listed.map_err(|error| explain(error).context(folder.to_string()))?;
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}
