//! Somebody at the partner who looks into the folder all the time.

use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::plan::Plan;

/// Others need the processor too; a file stays under its name for much longer.
const PAUSE: Duration = Duration::from_millis(2);

/// Looks until it is asked to end.
pub(super) struct Watcher {
    is_enough: Arc<AtomicBool>,
    thread: JoinHandle<Result<Seen>>,
}

/// What it saw, all of it whole, and under no name an older version after a newer one.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) looks: u64,
    /// Files read.
    pub(super) files: u64,
    names: BTreeMap<String, Last>,
}

#[derive(Eq, PartialEq)]
struct Last {
    number: usize,
    identity: Identity,
}

/// Changes with every write and every rename.
#[derive(Eq, PartialEq)]
struct Identity {
    inode: u64,
    size_bytes: u64,
    changed_at: (i64, i64),
}

impl Watcher {
    pub(super) fn start(folder: PathBuf, plan: Arc<Plan>) -> Self {
        let is_enough = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&is_enough);
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            loop {
                // Asked first: what happened before is still looked at.
                let is_last = end.load(Ordering::Acquire);
                seen.look(&folder, &plan)?;
                if is_last {
                    return Ok(seen);
                }
                std::thread::sleep(PAUSE);
            }
        });
        Self { is_enough, thread }
    }

    /// An error says what was seen that must not be.
    pub(super) fn end(self) -> Result<Seen> {
        self.is_enough.store(true, Ordering::Release);
        let seen = self.thread.join();
        seen.map_err(|_| anyhow::anyhow!("the watcher panicked"))?
    }
}

impl Seen {
    fn look(&mut self, folder: &Path, plan: &Plan) -> Result<()> {
        self.looks += 1;
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            let name = name.to_str().context("our names are text")?;
            if !name.starts_with('.') {
                self.look_at(&folder.join(name), name, plan)?;
            }
        }
        Ok(())
    }

    fn look_at(&mut self, path: &Path, name: &str, plan: &Plan) -> Result<()> {
        let mut file = File::open(path).with_context(|| format!("{name} was there, and is not"))?;
        let facts = file.metadata()?;
        let identity = Identity {
            inode: facts.ino(),
            size_bytes: facts.size(),
            changed_at: (facts.ctime(), facts.ctime_nsec()),
        };
        let last = self.names.get(name);
        if last.is_some_and(|last| last.identity == identity) {
            return Ok(());
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let number = plan.push_of(name, &bytes)?.with_context(|| {
            format!(
                "{name} was seen with {} bytes that are no whole file",
                bytes.len()
            )
        })?;
        if let Some(last) = last {
            ensure!(
                last.number <= number,
                "{name}: push {number} was seen after push {}",
                last.number
            );
        }
        self.files += 1;
        self.names
            .insert(name.to_owned(), Last { number, identity });
        Ok(())
    }
}
