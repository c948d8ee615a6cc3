//! Bytes that do not fit into memory wait in files. They are sealed with a key that only this
//! process knows, and the files have no name: nothing in clear touches the disk, and what a crash
//! leaves is nothing.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::client::SpilledBytes;
use crate::errors::io_error;
use qm_core::{Error, Kind, Result};

/// Sealed and opened as a whole: what SFTP clients write at once is mostly half of it or less.
const BLOCK_BYTES: usize = 64 * 1024;
const TAG_BYTES: usize = 16;
const SUFFIX: &str = ".spill";

/// The folder of the spill files.
pub(crate) struct SpillFolder {
    path: PathBuf,
    next: AtomicU64,
}

impl SpillFolder {
    /// Makes the folder, and removes files that an earlier process had no time to unname.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let opened = || -> std::io::Result<()> {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)?;
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().ends_with(SUFFIX) {
                    remove(&entry.path())?;
                }
            }
            Ok(())
        };
        opened().map_err(|error| {
            io_error("open the spill folder")(error).with("folder", path.display())
        })?;
        Ok(Self {
            path: path.to_owned(),
            next: AtomicU64::new(0),
        })
    }

    /// A new file. Blocks.
    pub(crate) fn create(&self) -> Result<SpillFile> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("{number}{SUFFIX}"));
        let made = || -> std::io::Result<File> {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            remove(&path)?;
            Ok(file)
        };
        let file = made().map_err(io_error("make a spill file"))?;
        Ok(SpillFile(Mutex::new(Blocks {
            file,
            cipher: fresh_key()?,
            sealings: 0,
            stored: Vec::new(),
            open: None,
            size_bytes: 0,
        })))
    }
}

/// One file of random access. Every call may block.
pub(crate) struct SpillFile(Mutex<Blocks>);

impl SpillFile {
    /// Writes anywhere; what was never written reads as zeros.
    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut blocks = self.0.lock();
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() {
            let (index, within) = block_of(at)?;
            let (now, later) = rest.split_at(rest.len().min(BLOCK_BYTES - within));
            let is_whole = now.len() == BLOCK_BYTES;
            let plain = blocks.open_for_writing(index, is_whole)?;
            if plain.len() < within + now.len() {
                plain.resize(within + now.len(), 0);
            }
            plain[within..within + now.len()].copy_from_slice(now);
            at += now.len() as u64;
            blocks.size_bytes = blocks.size_bytes.max(at);
            rest = later;
        }
        Ok(())
    }
}

impl SpilledBytes for SpillFile {
    fn size_bytes(&self) -> u64 {
        self.0.lock().size_bytes
    }

    fn read_at(&self, offset: u64, length: usize) -> Result<Bytes> {
        let blocks = self.0.lock();
        let mut read = BytesMut::with_capacity(length);
        while read.len() < length {
            let (index, within) = block_of(offset + read.len() as u64)?;
            let wanted = (length - read.len()).min(BLOCK_BYTES - within);
            let end = read.len() + wanted;
            blocks.read(index, |plain| {
                let there = plain.get(within..).unwrap_or_default();
                read.extend_from_slice(&there[..wanted.min(there.len())]);
            })?;
            read.resize(end, 0);
        }
        Ok(read.freeze())
    }
}

struct Blocks {
    file: File,
    cipher: LessSafeKey,
    /// How often the key sealed a block: the nonce, never used twice.
    sealings: u64,
    stored: Vec<Option<Stored>>,
    /// The block that is being written, in clear: writes come mostly one behind the other.
    open: Option<(usize, Vec<u8>)>,
    size_bytes: u64,
}

/// A sealed block in the file.
#[derive(Clone, Copy)]
struct Stored {
    nonce: u64,
    length: usize,
}

impl Blocks {
    fn open_for_writing(&mut self, index: usize, is_written_whole: bool) -> Result<&mut Vec<u8>> {
        let plain = match self.open.take() {
            Some((open, plain)) if open == index => plain,
            other => {
                let mut plain = Vec::with_capacity(BLOCK_BYTES + TAG_BYTES);
                if !is_written_whole {
                    self.read(index, |stored| plain.extend_from_slice(stored))?;
                }
                if let Some((open, written)) = other {
                    self.store(open, written)?;
                }
                plain
            }
        };
        Ok(&mut self.open.insert((index, plain)).1)
    }

    fn store(&mut self, index: usize, mut block: Vec<u8>) -> Result<()> {
        let length = block.len();
        self.sealings += 1;
        let nonce = self.sealings;
        self.cipher
            .seal_in_place_append_tag(nonce_of(nonce), Aad::from(index.to_be_bytes()), &mut block)
            .map_err(|error| broken("seal a spilled block").source(error))?;
        self.file
            .write_all_at(&block, place_of(index))
            .map_err(io_error("write a spill file"))?;
        if self.stored.len() <= index {
            self.stored.resize(index + 1, None);
        }
        self.stored[index] = Some(Stored { nonce, length });
        Ok(())
    }

    fn read(&self, index: usize, take: impl FnOnce(&[u8])) -> Result<()> {
        if let Some((open, plain)) = &self.open
            && *open == index
        {
            take(plain);
            return Ok(());
        }
        let Some(Some(stored)) = self.stored.get(index) else {
            take(&[]);
            return Ok(());
        };
        let mut block = vec![0; stored.length + TAG_BYTES];
        self.file
            .read_exact_at(&mut block, place_of(index))
            .map_err(io_error("read a spill file"))?;
        let plain = self
            .cipher
            .open_in_place(
                nonce_of(stored.nonce),
                Aad::from(index.to_be_bytes()),
                &mut block,
            )
            .map_err(|error| broken("open a spilled block").source(error))?;
        take(plain);
        Ok(())
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn fresh_key() -> Result<LessSafeKey> {
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key)
        .and_then(|()| UnboundKey::new(&AES_256_GCM, &key))
        .map(LessSafeKey::new)
        .map_err(|error| broken("make a key for a spill file").source(error))
}

fn nonce_of(sealings: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&sealings.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn block_of(offset: u64) -> Result<(usize, usize)> {
    let offset = usize::try_from(offset).map_err(|error| broken("spill").source(error))?;
    Ok((offset / BLOCK_BYTES, offset % BLOCK_BYTES))
}

fn place_of(index: usize) -> u64 {
    (index * (BLOCK_BYTES + TAG_BYTES)) as u64
}

fn broken(operation: &'static str) -> Error {
    Error::new(
        Kind::Unavailable,
        "the server lost a part of the file; please send it again",
    )
    .during(operation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_folder_is_ours_and_nothing_in_it_has_a_name() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("spill");
        let folder = SpillFolder::open(&path).unwrap();
        fs::write(path.join("7.spill"), "left by a crash").unwrap();
        fs::write(path.join("notes.txt"), "of the operator").unwrap();
        let file = folder.create().unwrap();
        file.write_at(0, b"bytes").unwrap();
        drop(folder);
        SpillFolder::open(&path).unwrap();
        let names: Vec<_> = fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["notes.txt"]);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert_eq!(&file.read_at(0, 5).unwrap()[..], b"bytes");
        let mode = file.0.lock().file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn nothing_in_clear_touches_the_disk_and_changes_are_found() {
        let root = tempfile::tempdir().unwrap();
        let file = SpillFolder::open(root.path()).unwrap().create().unwrap();
        let text = b"a secret of the partner. ".repeat(10_000);
        file.write_at(0, &text).unwrap();
        let disk = file.0.lock().file.try_clone().unwrap();
        let mut raw = vec![0; usize::try_from(disk.metadata().unwrap().len()).unwrap()];
        disk.read_exact_at(&mut raw, 0).unwrap();
        assert!(raw.len() > BLOCK_BYTES);
        assert!(
            !raw.windows(16)
                .any(|window| text[..100].windows(16).any(|w| w == window))
        );
        assert_eq!(&file.read_at(0, text.len()).unwrap()[..], text);
        disk.write_all_at(&[raw[100] ^ 1], 100).unwrap();
        assert_eq!(file.read_at(0, 10).unwrap_err().kind(), Kind::Unavailable);
        assert_eq!(
            &file.read_at(BLOCK_BYTES as u64, 10).unwrap()[..],
            &text[BLOCK_BYTES..BLOCK_BYTES + 10],
            "the next block is whole"
        );
    }

    #[test]
    fn a_full_disk_is_said() {
        let root = tempfile::tempdir().unwrap();
        let file = SpillFolder::open(root.path()).unwrap().create().unwrap();
        file.0.lock().file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let refusal = file.write_at(0, &vec![1; 3 * BLOCK_BYTES]).unwrap_err();
        assert_eq!(refusal.kind(), Kind::Limit);
        assert!(refusal.public_message().contains("no space left"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            writes in prop::collection::vec((0_usize..300_000, 1_usize..150_000, any::<u8>()), 1..12),
        ) {
            let root = tempfile::tempdir().unwrap();
            let file = SpillFolder::open(root.path()).unwrap().create().unwrap();
            let mut model = Vec::new();
            for (offset, length, byte) in writes {
                file.write_at(offset as u64, &vec![byte; length]).unwrap();
                if model.len() < offset + length {
                    model.resize(offset + length, 0);
                }
                model[offset..offset + length].fill(byte);
            }
            prop_assert_eq!(file.size_bytes(), model.len() as u64);
            prop_assert_eq!(&file.read_at(0, model.len()).unwrap()[..], &model[..]);
            let middle = model.len() / 3;
            prop_assert_eq!(&file.read_at(middle as u64, 1_000.min(model.len() - middle)).unwrap()[..], &model[middle..model.len().min(middle + 1_000)]);
        }
    }
}
