//! What is pushed: files of many sizes, some under a name that was just used.

use anyhow::{Context as _, Result};
use qm_e2e::{Random, World};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// Few enough that a content's first byte tells which it is.
const PUSHES: u8 = 200;
/// Further apart than there are pushes, and a push's number is added: the size tells which version of
/// a name is there.
const SIZES: [u64; 7] = [1, 300, 3_000, 40_000, 300_000, 1_000_000, 3_000_000];
/// One of so many gets a name that was just used.
const NEW_FOR_ONE_USED: u64 = 4;

/// The pushes in the order in which they are uploaded.
pub(super) struct Plan {
    /// A file for each push, by its number.
    contents: PathBuf,
    names: Vec<String>,
    sizes_bytes: Vec<u64>,
}

impl Plan {
    /// Writes what is to be uploaded, and the list of it.
    pub(super) fn write(world: &World, random: &mut Random) -> Result<Self> {
        let mut plan = Self {
            contents: world.local("contents"),
            names: Vec::new(),
            sizes_bytes: Vec::new(),
        };
        for number in 0..PUSHES {
            let is_used = number > 2 && random.below(NEW_FOR_ONE_USED) == 0;
            let name = if is_used {
                let back = 1 + usize::try_from(random.below(3))?;
                plan.names[plan.names.len() - back].clone()
            } else {
                format!("file-{number}.bin")
            };
            let draw = usize::try_from(random.below(SIZES.len() as u64))?;
            let size_bytes = match SIZES[draw] {
                1 if !is_used => 1,
                size_bytes => size_bytes + u64::from(number),
            };
            let mut content = vec![number];
            while (content.len() as u64) < size_bytes {
                content.extend_from_slice(&random.number().to_le_bytes());
            }
            content.truncate(usize::try_from(size_bytes)?);
            world.write_local(&format!("contents/{number}"), content)?;
            plan.names.push(name);
            plan.sizes_bytes.push(size_bytes);
        }
        fs::write(plan.list(), plan.names.join("\n")).context("writing the list of pushes")?;
        Ok(plan)
    }

    /// The names in the order of the pushes, a line each.
    pub(super) fn list(&self) -> PathBuf {
        self.contents.join("list")
    }

    pub(super) fn contents(&self) -> PathBuf {
        self.contents.clone()
    }

    pub(super) fn count(&self) -> usize {
        self.names.len()
    }

    /// The last push under each name.
    pub(super) fn newest(&self) -> BTreeMap<&str, usize> {
        let numbered = self.names.iter().enumerate();
        numbered
            .map(|(number, name)| (name.as_str(), number))
            .collect()
    }

    pub(super) fn size_bytes(&self, number: usize) -> u64 {
        self.sizes_bytes[number]
    }

    /// Which push's content these bytes are, whole, if they may be under this name.
    pub(super) fn push_of(&self, name: &str, bytes: &[u8]) -> Result<Option<usize>> {
        let Some(number) = bytes.first().map(|number| usize::from(*number)) else {
            return Ok(None);
        };
        if self.names.get(number).is_none_or(|named| named != name) {
            return Ok(None);
        }
        let content = fs::read(self.contents.join(number.to_string()))?;
        Ok((content == bytes).then_some(number))
    }
}
