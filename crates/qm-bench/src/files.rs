//! The files that are sent, and whether what came back is what was sent.

use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write as _};
use std::path::Path;
use tempfile::TempDir;

/// Read and write size for preparing and comparing.
const BLOCK_BYTES: usize = 1 << 20;
/// What the name of a folder begins with; the process follows.
const FOLDER: &str = "qm-bench-";

/// Writes so many bytes that do not repeat and do not compress.
pub(crate) fn fill(path: &Path, size_bytes: u64) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::with_capacity(BLOCK_BYTES, File::create(path)?);
        let mut state = size_bytes;
        let mut left = size_bytes;
        while left > 0 {
            let word = split_mix(&mut state).to_le_bytes();
            let length = left.min(8);
            file.write_all(
                word.get(..usize::try_from(length).unwrap_or(8))
                    .unwrap_or(&word),
            )?;
            left -= length;
        }
        file.flush()
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// Makes a folder with so many files of one byte.
pub(crate) fn fill_folder(folder: &Path, files: u32) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    for number in 0..files {
        let file = folder.join(format!("{number:06}.csv"));
        std::fs::write(&file, "x").with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// Fails unless both files hold the same bytes: a fast server that garbles is not fast.
pub(crate) fn ensure_same(left: &Path, right: &Path) -> Result<()> {
    let open = |path: &Path| -> Result<BufReader<File>> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        Ok(BufReader::with_capacity(BLOCK_BYTES, file))
    };
    let (mut a, mut b) = (open(left)?, open(right)?);
    let (mut from_a, mut from_b) = (vec![0; BLOCK_BYTES], vec![0; BLOCK_BYTES]);
    loop {
        let length = read_block(&mut a, &mut from_a)?;
        let other = read_block(&mut b, &mut from_b)?;
        ensure!(
            length == other && from_a.get(..length) == from_b.get(..other),
            "{} and {} differ",
            left.display(),
            right.display()
        );
        if length == 0 {
            return Ok(());
        }
    }
}

fn read_block(file: &mut impl Read, block: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// `SplitMix64`: the same bytes in every run.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A folder that goes with the value.
pub(crate) fn temporary_folder(parent: &Path) -> Result<TempDir> {
    std::fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    remove_left(parent).with_context(|| format!("tidying {}", parent.display()))?;
    tempfile::Builder::new()
        .prefix(&format!("{FOLDER}{}-", std::process::id()))
        .tempdir_in(parent)
        .with_context(|| format!("making a folder in {}", parent.display()))
}

/// A run that was killed leaves gigabytes, and in memory nobody else gives them back.
fn remove_left(parent: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(FOLDER));
        let process = process.and_then(|rest| rest.split_once('-'));
        let Some((process, _)) = process else {
            continue;
        };
        if !Path::new("/proc").join(process).exists() {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filled_and_compared() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, size_bytes) in [
            ("a", 1_500_003),
            ("b", 1_500_003),
            ("c", 1_500_002),
            ("d", 0),
        ] {
            fill(&path(name), size_bytes).unwrap();
            assert_eq!(std::fs::metadata(path(name)).unwrap().len(), size_bytes);
        }
        ensure_same(&path("a"), &path("b")).unwrap();
        ensure_same(&path("d"), &path("d")).unwrap();
        assert!(ensure_same(&path("a"), &path("c")).is_err());
        assert!(ensure_same(&path("a"), &path("d")).is_err());
        assert!(ensure_same(&path("a"), &path("absent")).is_err());
        let mut bytes = std::fs::read(path("b")).unwrap();
        bytes[1_400_000] ^= 1;
        std::fs::write(path("b"), bytes).unwrap();
        assert!(ensure_same(&path("a"), &path("b")).is_err());
    }

    #[test]
    fn what_a_killed_run_left_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        // No process has this id.
        let left = parent.path().join("qm-bench-4194305-x");
        let other = parent.path().join("somebody-4194305-x");
        for folder in [&left, &other] {
            std::fs::create_dir(folder).unwrap();
        }
        let mine = temporary_folder(parent.path()).unwrap();
        let second = temporary_folder(parent.path()).unwrap();
        assert!(!left.exists() && other.exists());
        assert!(mine.path().exists() && second.path().exists());
    }
}
