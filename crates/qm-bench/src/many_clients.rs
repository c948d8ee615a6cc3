//! Many clients at once, each in a session of its own.

use anyhow::Result;
use std::path::Path;

use crate::client::{quoted, run_at_once};
use crate::measure::{Sample, put, timed};
use crate::plan::{CLIENTS, Cipher};
use crate::server::Server;

/// What all of them get.
pub(crate) const SHARED: &str = "share";

/// Each sends the file under a name of its own.
pub(crate) fn send(server: &Server, file: &Path) -> Result<Sample> {
    let remote = |client| server.remote_folder.join(format!("{SHARED}-{client}"));
    let batches: Vec<String> = (0..CLIENTS)
        .map(|client| put(file, &remote(client)))
        .collect();
    let sample = timed(server, || run_at_once(&server.target, &batches))?;
    let remove = |client| format!("rm {}\n", quoted(&remote(client)));
    let batch: String = (0..CLIENTS).map(remove).collect();
    server.target.run(Cipher::Aes128Gcm, &batch)?;
    Ok(sample)
}

/// All of them get the same file.
pub(crate) fn get(server: &Server, folder: &Path) -> Result<Sample> {
    let local = |client| folder.join(format!("received-{client}"));
    let share = server.remote_folder.join(SHARED);
    let batch = |client| format!("get {} {}\n", quoted(&share), quoted(&local(client)));
    let batches: Vec<String> = (0..CLIENTS).map(batch).collect();
    let sample = timed(server, || run_at_once(&server.target, &batches))?;
    for client in 0..CLIENTS {
        std::fs::remove_file(local(client))?;
    }
    Ok(sample)
}
