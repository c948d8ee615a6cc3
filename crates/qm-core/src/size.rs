//! Sizes as people write them.

/// The largest file we take, as S3's largest object.
pub const FILE_BYTES_MAX: u64 = 5 << 40;

/// The bytes of `1024` or `1KiB`; `None` for what is no size. Of one that is beyond counting, the
/// largest that can be counted.
pub fn parse(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text);
    let number: u64 = number.parse().ok()?;
    unit_bytes(unit).map(|bytes| number.saturating_mul(bytes))
}

/// The digits at the front, and what follows them.
pub fn split_unit(text: &str) -> (&str, &str) {
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(at)
}

/// How many bytes a unit has; without any it is one.
pub fn unit_bytes(unit: &str) -> Option<u64> {
    match unit {
        "" | "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        "TiB" => Some(1 << 40),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expect) in [
            ("0", Some(0)),
            ("17", Some(17)),
            ("17B", Some(17)),
            ("2KiB", Some(2048)),
            ("5TiB", Some(FILE_BYTES_MAX)),
            ("18446744073709551615TiB", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("KiB", None),
            ("1 KiB", None),
            ("1kb", None),
            ("-1", None),
            ("1.5KiB", None),
        ] {
            assert_eq!(parse(text), expect, "{text}");
        }
    }
}
