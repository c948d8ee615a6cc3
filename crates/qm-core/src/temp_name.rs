//! Names that clients upload under before they rename to the real one. A file under a temp name
//! is never an arrival; policy looks at the final name.

/// Prefixes and suffixes an account treats as temp names, beside the built-in ones.
///
/// Sources: `WinSCP` `.filepart`, rclone `.<8 hex>.partial`, lftp `.in.`, Spring `.writing`,
/// `NiFi` and others a leading dot, Nextcloud `.ocTransferId<n>.part`, editors a trailing `~`.
const SUFFIXES: [&str; 7] = [
    ".filepart",
    ".partial",
    ".part",
    ".writing",
    ".tmp",
    ".temp",
    "~",
];
/// lftp's, before the bare leading dot so that more than the dot is cut.
const LFTP_PREFIX: &str = ".in.";

/// The final name that a temp name stands for, or `None` when `name` is a real name already.
/// `extra` are further suffixes of the account.
pub fn final_name<'a>(name: &'a str, extra: &[String]) -> Option<&'a str> {
    let suffixes = || {
        SUFFIXES
            .iter()
            .copied()
            .chain(extra.iter().map(String::as_str))
    };
    let (stem, mut is_temp) = match suffixes().find_map(|suffix| stem_of(name, suffix)) {
        Some(stem) => (cut_client_marks(stem), true),
        None => (name, false),
    };
    let stem = match stem
        .strip_prefix(LFTP_PREFIX)
        .or_else(|| stem.strip_prefix('.'))
    {
        Some(rest) => {
            is_temp = true;
            rest
        }
        None => stem,
    };
    is_temp.then_some(if stem.is_empty() { name } else { stem })
}

/// True if `name` (one component) is a temp name.
pub fn is_temp(name: &str, extra: &[String]) -> bool {
    final_name(name, extra).is_some()
}

/// Names under which a client may have uploaded what it will rename to `name`; those with a random
/// part are not among them.
pub fn candidates(name: &str, extra: &[String]) -> Vec<String> {
    let suffixes = SUFFIXES
        .iter()
        .copied()
        .chain(extra.iter().map(String::as_str));
    let prefixes = [LFTP_PREFIX, "."].map(|prefix| format!("{prefix}{name}"));
    suffixes
        .map(|suffix| format!("{name}{suffix}"))
        .chain(prefixes)
        .collect()
}

/// Suffixes are compared in any ASCII case, as Windows clients do.
fn stem_of<'a>(name: &'a str, suffix: &str) -> Option<&'a str> {
    let cut = name.len().checked_sub(suffix.len())?;
    let tail = name.get(cut..)?;
    tail.eq_ignore_ascii_case(suffix)
        .then(|| name.get(..cut))
        .flatten()
}

/// rclone adds `.<8 hex>` before `.partial`, Nextcloud `.ocTransferId<digits>` before `.part`.
fn cut_client_marks(stem: &str) -> &str {
    let Some((base, mark)) = stem.rsplit_once('.') else {
        return stem;
    };
    let is_rclone = mark.len() == 8 && mark.bytes().all(|b| b.is_ascii_hexdigit());
    let is_nextcloud = mark
        .strip_prefix("ocTransferId")
        .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    if (is_rclone || is_nextcloud) && !base.is_empty() {
        base
    } else {
        stem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expect: Option<&str>) {
        assert_eq!(final_name(name, &[".wip".to_owned()]), expect, "{name}");
    }

    #[test]
    fn clients_temp_names() {
        check("a.csv.filepart", Some("a.csv"));
        check("a.csv.FILEPART", Some("a.csv"));
        check("a.csv.1f2e3d4c.partial", Some("a.csv"));
        check(".in.a.csv", Some("a.csv"));
        check(".a.csv", Some("a.csv"));
        check("a.csv.tmp", Some("a.csv"));
        check("a.csv~", Some("a.csv"));
        check("a.csv.wip", Some("a.csv"));
        check("a.csv.ocTransferId123.part", Some("a.csv"));
        check(".a.csv.tmp", Some("a.csv"));
        check(".tmp", Some(".tmp"));
    }

    #[test]
    fn every_candidate_is_a_temp_name_of_the_name() {
        let extra = [".wip".to_owned()];
        for candidate in candidates("a.csv", &extra) {
            assert_eq!(final_name(&candidate, &extra), Some("a.csv"), "{candidate}");
        }
    }

    #[test]
    fn real_names() {
        check("a.csv", None);
        check("report.partial.csv", None);
        check("filepart", None);
        check("é", None);
    }
}
