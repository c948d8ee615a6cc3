//! XML as it comes out of a workbook, looked over before a parser sees it: parsers hold a whole tag,
//! text or comment in memory, and some compare each attribute of a tag with each other.

/// What a tag may be long: Excel's longest are a tenth.
const TAG_BYTES: usize = 16 * 1024;
/// What a text or a comment may be long: a cell has 32,767 characters.
const RUN_BYTES: usize = 1024 * 1024;

/// What the first tag of shared texts may promise: its reader makes room for as many.
const TEXTS: usize = 4_000_000;
/// Elements that a reader keeps one by one, whatever part of a workbook they are in.
const KEPT: [&[u8]; 3] = [b"sheet", b"definedName", b"Relationship"];

/// The state between two bytes.
#[derive(Debug, Default)]
pub(super) struct Markup {
    within: Within,
    /// Of the run at hand.
    length: usize,
    /// The tag at hand.
    tag: Vec<u8>,
    /// The last bytes of a comment.
    last: [u8; 3],
    /// Tags so far.
    pub(super) tags: u64,
    /// Whether a reader keeps any of them.
    pub(super) is_kept: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Within {
    #[default]
    Text,
    Tag,
    Comment,
    Data,
}

impl Markup {
    /// False if it is nothing that a workbook has.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.byte(*byte))
    }

    fn byte(&mut self, byte: u8) -> bool {
        self.length += 1;
        match self.within {
            Within::Text => {
                if byte == b'<' {
                    self.tags += 1;
                    self.begin(Within::Tag);
                }
                self.length <= RUN_BYTES
            }
            Within::Tag if byte == b'>' => {
                self.begin(Within::Text);
                self.ends_well()
            }
            Within::Tag => {
                self.tag.push(byte);
                match self.tag.as_slice() {
                    b"!--" => self.begin(Within::Comment),
                    b"![CDATA[" => self.begin(Within::Data),
                    tag if tag.eq_ignore_ascii_case(b"!doctype") => return false,
                    _ => {}
                }
                self.length <= TAG_BYTES
            }
            Within::Comment | Within::Data => {
                self.last = [self.last[1], self.last[2], byte];
                let end = if self.within == Within::Comment {
                    b"-->"
                } else {
                    b"]]>"
                };
                if self.last == *end {
                    self.begin(Within::Text);
                }
                self.length <= RUN_BYTES
            }
        }
    }

    fn begin(&mut self, within: Within) {
        self.within = within;
        self.length = 0;
        self.last = [0; 3];
        if within == Within::Tag {
            self.tag.clear();
        }
    }

    /// The tag is whole.
    fn ends_well(&mut self) -> bool {
        let end = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'/';
        let name = self.tag.split(end).next().unwrap_or_default();
        let name = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        self.is_kept |= KEPT.contains(&name);
        name != b"sst" || promised(&self.tag).is_none_or(|texts| texts <= TEXTS)
    }
}

/// The number in `uniqueCount="…"`.
fn promised(tag: &[u8]) -> Option<usize> {
    let at = memchr::memmem::find(tag, b"uniqueCount")?;
    let mut quoted = tag[at..].split(|byte| matches!(byte, b'"' | b'\''));
    let digits = quoted.nth(1)?.iter().filter(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number: usize, digit| {
        number
            .saturating_mul(10)
            .saturating_add(usize::from(digit - b'0'))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: bool) {
        assert_eq!(Markup::default().pass(text.as_bytes()), expect);
    }

    #[test]
    fn no_tag_text_or_comment_is_longer_than_a_workbook_has() {
        let long = "x".repeat(RUN_BYTES - 1);
        check(
            "<?xml version=\"1.0\"?><a b=\"c\"><!-- > --><![CDATA[<>]]></a>",
            true,
        );
        check(&format!("<a>{long}</a>"), true);
        check(&format!("<a>{long}xx</a>"), false);
        check(&format!("<a {} />", "b".repeat(TAG_BYTES - 10)), true);
        check(&format!("<a {} />", "b".repeat(TAG_BYTES)), false);
        check(&format!("<!-- {} > {long} -->", ">"), false);
        check(&format!("<![CDATA[ > {long}"), false);
        check("<sst count=\"1\" uniqueCount=\"4000000\"/>", true);
        check("<a:sst uniqueCount = ' 4000001'>", false);
        check("<sst uniqueCount=\"99999999999999999999999\">", false);
        check("<!DOCTYPE x [<!ENTITY y \"z\">]>", false);
        check("<!doctype x>", false);
    }

    #[test]
    fn what_a_reader_keeps_is_seen_in_any_part() {
        for (text, expect) in [
            ("<sheets><a:sheet name=\"x\"/></sheets>", true),
            ("<definedName>x</definedName>", true),
            (
                "<worksheet><sheetData><sheetView/></sheetData></worksheet>",
                false,
            ),
        ] {
            let mut markup = Markup::default();
            assert!(markup.pass(text.as_bytes()));
            assert_eq!(markup.is_kept, expect, "{text}");
        }
    }
}
