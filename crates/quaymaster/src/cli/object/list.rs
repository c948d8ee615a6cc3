//! `quaymaster object ls`

use std::io::Write as _;

use super::remote::Remote;
use super::tree::{Tree, sorted};
use crate::cli::{explain, table};
use anyhow::Context as _;
use qm_core::ports::bucket::{Entry, EntryKind};
use qm_sftp::client::Client;

/// How it is listed.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) long: bool,
    pub(super) recursive: bool,
}

pub(super) async fn run(client: &mut Client, place: &Remote, form: Form) -> anyhow::Result<()> {
    let found = client.stat(place.as_str()).await.map_err(explain);
    let found = found.with_context(|| place.to_string())?;
    let entries: Vec<(String, Entry)> = if found.kind == EntryKind::File {
        vec![(place.name().to_owned(), found)]
    } else if form.recursive {
        let tree = Tree::read(client, place).await?;
        let named = tree.files.into_iter();
        named
            .map(|(place, entry)| (place.to_string(), entry))
            .collect()
    } else {
        let named = sorted(client, place).await?.into_iter();
        named.map(|entry| (shown(&entry), entry)).collect()
    };
    if form.long {
        print_long(&entries);
    } else {
        let mut out = std::io::stdout().lock();
        for (name, _) in &entries {
            // Whoever closes the pipe, as `head` does, has seen enough.
            let _ = writeln!(out, "{}", table::plain(name));
        }
    }
    Ok(())
}

fn print_long(entries: &[(String, Entry)]) {
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|(name, entry)| match entry.kind {
            EntryKind::File => vec![
                entry.size_bytes.to_string(),
                table::time(entry.modified),
                name.clone(),
            ],
            EntryKind::Folder => vec!["-".to_owned(), "-".to_owned(), name.clone()],
        })
        .collect();
    table::print(&["BYTES", "MODIFIED", "NAME"], &rows);
}

fn shown(entry: &Entry) -> String {
    match entry.kind {
        EntryKind::File => entry.name.clone(),
        EntryKind::Folder => format!("{}/", entry.name),
    }
}
