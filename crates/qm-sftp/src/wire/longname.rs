//! The line of `ls -l` that READDIR carries and some clients parse.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use qm_core::ports::bucket::{Entry, EntryKind};

/// `ls` shows the time of day of what is younger than half a year, else the year.
const RECENT: SignedDuration = SignedDuration::from_hours(24 * 182);

/// One line, in the columns of `OpenSSH`'s server. Names cannot contain line breaks: they were
/// parsed before they were stored.
pub(super) fn longname(entry: &Entry, now: Timestamp) -> String {
    let kind = match entry.kind {
        EntryKind::File => '-',
        EntryKind::Folder => 'd',
    };
    let age = now.duration_since(entry.modified);
    let format = if age < RECENT && age > -RECENT {
        "%b %e %H:%M"
    } else {
        "%b %e  %Y"
    };
    let time = entry.modified.to_zoned(TimeZone::UTC).strftime(format);
    format!(
        "{kind}{} {:>4} {:<8} {:<8} {:>8} {time} {}",
        permissions(entry.mode),
        1,
        "owner",
        "group",
        entry.size_bytes,
        entry.name,
    )
}

fn permissions(mode: u32) -> String {
    (0..9)
        .map(|index| {
            let is_set = mode & (0o400 >> index) != 0;
            match (is_set, index % 3) {
                (false, _) => '-',
                (true, 0) => 'r',
                (true, 1) => 'w',
                (true, _) => 'x',
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_look_like_ls() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        for (kind, mode, modified, expect) in [
            (
                EntryKind::File,
                0o644,
                "2026-11-05T08:07:00Z",
                "-rw-r--r--    1 owner    group          42 Nov  5 08:07 a b.csv",
            ),
            (
                EntryKind::Folder,
                0o755,
                "2020-01-02T00:00:00Z",
                "drwxr-xr-x    1 owner    group          42 Jan  2  2020 a b.csv",
            ),
        ] {
            let entry = Entry {
                name: "a b.csv".to_owned(),
                kind,
                size_bytes: 42,
                is_sealed: false,
                modified: modified.parse().unwrap(),
                mode,
            };
            assert_eq!(longname(&entry, now), expect);
        }
    }
}
