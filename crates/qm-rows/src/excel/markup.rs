//! XML as it comes out of a workbook, looked over before a parser sees it: parsers hold a whole tag,
//! text or comment in memory, and some compare each attribute of a tag with each other.

/// What a tag may be long: Excel's longest are a tenth.
const TAG_BYTES: usize = 16 * 1024;
/// What a text or a comment may be long: a cell has 32,767 characters.
const RUN_BYTES: usize = 1024 * 1024;

/// The state between two bytes.
#[derive(Debug, Default)]
pub(super) struct Markup {
    within: Within,
    /// Of the run at hand.
    length: usize,
    /// Its last bytes, or the first of a tag.
    window: [u8; 9],
    pub(super) tags: u64,
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
            Within::Tag => {
                if let Some(place) = self.window.get_mut(self.length - 1) {
                    *place = byte;
                }
                let begun = &self.window[..self.length.min(self.window.len())];
                if begun == b"!--" {
                    self.begin(Within::Comment);
                } else if begun == b"![CDATA[" {
                    self.begin(Within::Data);
                } else if begun.eq_ignore_ascii_case(b"!doctype") {
                    return false;
                } else if byte == b'>' {
                    self.begin(Within::Text);
                }
                self.length <= TAG_BYTES
            }
            Within::Comment | Within::Data => {
                self.window.rotate_left(1);
                self.window[8] = byte;
                let end: &[u8] = if self.within == Within::Comment {
                    b"-->"
                } else {
                    b"]]>"
                };
                if self.window.ends_with(end) {
                    self.begin(Within::Text);
                }
                self.length <= RUN_BYTES
            }
        }
    }

    fn begin(&mut self, within: Within) {
        self.within = within;
        self.length = 0;
        self.window = [0; 9];
    }
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
        check("<!DOCTYPE x [<!ENTITY y \"z\">]>", false);
        check("<!doctype x>", false);
    }
}
