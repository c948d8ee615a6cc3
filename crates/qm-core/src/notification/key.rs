//! Keys as S3 writes them into notifications: `+` is a space, `%XX` a byte of UTF-8.

use std::fmt::Write as _;

/// The key; `None` if the text is no such encoding of UTF-8.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => bytes.push(digit(rest.next()?)? << 4 | digit(rest.next()?)?),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).ok()
}

/// The text that [`decode`] reads.
pub(super) fn encode(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'*' => {
                text.push(char::from(byte));
            }
            b' ' => text.push('+'),
            other => {
                let _ = write!(text, "%{other:02X}");
            }
        }
    }
    text
}

fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expect: Option<&str>) {
        assert_eq!(decode(text).as_deref(), expect, "{text}");
    }

    #[test]
    fn keys_are_decoded_as_s3_encodes_them() {
        check("my+file%2B1.csv", Some("my file+1.csv"));
        check("a%20b", Some("a b"));
        check("caf%C3%A9/e%CC%81.csv", Some("café/e\u{301}.csv"));
        check("café", Some("café"));
        check("k/", Some("k/"));
        check("100%25", Some("100%"));
        check("%2525", Some("%25"));
        check("", Some(""));
        check("100%", None);
        check("%4", None);
        check("%zz", None);
        check("%+1", None);
        check("%ff", None);
        check("%C3", None);
    }

    proptest! {
        #[test]
        fn every_key_survives(key in "\\PC{0,40}") {
            prop_assert_eq!(decode(&encode(&key)), Some(key));
        }
    }
}
