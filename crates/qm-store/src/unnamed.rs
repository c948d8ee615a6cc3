//! Keys of an object store that no path can name: others may put anything there.

use qm_core::name::Prefix;

/// So many of one folder are told by name.
const TOLD_MAX: usize = 64;

/// Those of one folder.
#[derive(Debug, Default)]
pub(crate) struct Unnamed {
    count: usize,
    first: Option<String>,
    untold: Vec<String>,
}

impl Unnamed {
    /// One more: its path below the bucket's place. A folder has a `/` behind, which is no part of its
    /// name.
    pub(crate) fn add(&mut self, path: &str) {
        let name = path.strip_suffix('/');
        let name = name.filter(|name| !name.is_empty() && !name.ends_with('/'));
        let name = name.unwrap_or(path);
        if self.count < TOLD_MAX {
            self.untold.push(name.to_owned());
        }
        self.first.get_or_insert_with(|| name.to_owned());
        self.count += 1;
    }

    /// Those that are told, once.
    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.untold)
    }

    /// At the end of a listing.
    pub(crate) fn warn(&self, folder: &Prefix) {
        if let Some(first) = &self.first {
            tracing::warn!(
                %folder,
                count = self.count,
                first = %first.escape_debug(),
                "keys that break the rules for names are not shown"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_told_once() {
        let mut unnamed = Unnamed::default();
        for path in ["a//", "x /", "./", "/", "b\\c"] {
            unnamed.add(path);
        }
        assert_eq!(unnamed.take(), ["a//", "x ", ".", "/", "b\\c"]);
        for number in 0..2 * TOLD_MAX {
            unnamed.add(&number.to_string());
        }
        assert_eq!(unnamed.take().len(), TOLD_MAX - 5);
        unnamed.add("late");
        assert_eq!(unnamed.take(), [""; 0]);
    }
}
