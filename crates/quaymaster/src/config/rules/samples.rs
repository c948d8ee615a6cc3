//! Objects that a pattern matches, to try names that are made of them.

use qm_core::id::PartnerName;
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::pattern::Pattern;
use qm_core::template::Facts;

/// What a wildcard stands for.
const WORD: &str = "example";
/// How many parts `**` stands for, the likeliest first; so many that names that ask for a deep one
/// find it.
const DEPTHS: [usize; 4] = [1, 0, 2, 8];

/// Some of the paths that the pattern matches; all of them have its fixed parts.
pub(super) fn samples(pattern: &Pattern) -> Vec<ObjectPath> {
    let text = pattern.to_string();
    let Some((_, pattern_of_key)) = text.split_once('/') else {
        return Vec::new();
    };
    let of_depth = |depth: usize| {
        let components: Vec<String> = pattern_of_key
            .split('/')
            .flat_map(|component| match component {
                "**" => vec![WORD.to_owned(); depth],
                glob => vec![glob.replace('*', WORD).replace('?', "x")],
            })
            .collect();
        let key = ObjectKey::parse(&components.join("/")).ok()?;
        let bucket = pattern.bucket().clone();
        Some(ObjectPath { bucket, key }).filter(|path| pattern.matches(path))
    };
    let mut found: Vec<ObjectPath> = DEPTHS.into_iter().filter_map(of_depth).collect();
    found.dedup();
    found
}

/// Calls `name` with the facts of each sample.
pub(super) fn each<T>(
    pattern: &Pattern,
    name: impl Fn(&Facts<'_>) -> qm_core::Result<T>,
) -> Vec<(ObjectPath, qm_core::Result<T>)> {
    let partner = PartnerName::parse(WORD).ok();
    samples(pattern)
        .into_iter()
        .map(|path| {
            let named = name(&Facts {
                path: &path,
                partner: partner.as_ref(),
                arrived_at: jiff::Timestamp::UNIX_EPOCH,
            });
            (path, named)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_a_pattern() {
        for (pattern, expect) in [
            ("b/in/*.csv", vec!["in/example.csv"]),
            ("b/in/a?.csv", vec!["in/ax.csv"]),
            ("b/x/done.flag", vec!["x/done.flag"]),
        ] {
            let found = samples(&Pattern::parse(pattern).unwrap());
            let keys: Vec<&str> = found.iter().map(|path| path.key.as_str()).collect();
            assert_eq!(keys, expect, "{pattern}");
        }
        let deep = samples(&Pattern::parse("b/**/*.csv").unwrap());
        assert_eq!(deep.len(), DEPTHS.len());
        assert_eq!(deep[1].key.as_str(), "example.csv");
    }
}
