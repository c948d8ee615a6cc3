//! XML as it comes out of a workbook, looked over before a parser sees it: parsers hold a whole tag,
//! text or comment in memory, some compare each attribute of a tag with each other, and one copies what
//! is said once for each that refers to it. Where a tag ends is where the parser has it end.

/// What a tag may be long: Excel's longest are a tenth.
const TAG_BYTES: usize = 16 * 1024;
/// What a text or a comment may be long: a cell has 32,767 characters.
const RUN_BYTES: usize = 1024 * 1024;
/// What a cell's value may be long with all markup in it: as many characters, each in a format of its own.
const VALUE_BYTES: usize = 4 * 1024 * 1024;
/// Elements within each other, whose names are held: people's have a tenth.
const DEPTH: usize = 256;

/// What the first tag of shared texts may promise: its reader makes room for as many.
const TEXTS: usize = 4_000_000;
/// Sheets, each of which gets a copy of its path: a workbook may have ten thousand parts.
const SHEETS: usize = 4_000;
/// What the longest format of a number comes to, or the longest name of a font, with a copy for each format of cells.
const COPIED_BYTES: usize = 32 * 1024 * 1024;
/// Elements that a reader keeps one by one, whatever part of a workbook they are in.
const KEPT: [&[u8]; 3] = [b"sheet", b"definedName", b"Relationship"];
/// Elements whose content is held until they end, whatever it is cut by.
const VALUES: [&[u8]; 4] = [b"t", b"v", b"is", b"si"];
/// Prefixes and all, no more of them are begun within each other.
const VALUES_OPEN: usize = 8;

/// The state between two bytes.
#[derive(Debug, Default)]
pub(super) struct Markup {
    within: Within,
    /// Of the run at hand.
    length: usize,
    /// Of all so far.
    total: usize,
    /// The tag at hand.
    tag: Vec<u8>,
    /// The last bytes of a comment.
    last: [u8; 3],
    /// Elements that have not ended.
    depth: usize,
    /// Those of them with a value, by their names as written, and where they began.
    values: Vec<(Vec<u8>, usize)>,
    copied: Copied,
    /// Tags so far.
    pub(super) tags: u64,
    /// Whether a reader keeps any of them.
    pub(super) is_kept: bool,
}

/// What is copied, and for how many.
#[derive(Debug, Default)]
struct Copied {
    sheets: usize,
    formats: usize,
    longest_bytes: usize,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Within {
    #[default]
    Text,
    Tag,
    /// Within a tag, up to this quote.
    Quoted(u8),
    Instruction,
    Comment,
    Data,
}

impl Markup {
    /// False if it is nothing that a workbook has.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.byte(*byte))
    }

    /// True if a reader makes much more of it than there is.
    pub(super) fn grows(&self) -> bool {
        let copied = &self.copied;
        copied.sheets > SHEETS || copied.formats.saturating_mul(copied.longest_bytes) > COPIED_BYTES
    }

    fn byte(&mut self, byte: u8) -> bool {
        self.length += 1;
        self.total += 1;
        match self.within {
            Within::Text if byte == b'<' => {
                self.tags += 1;
                self.begin(Within::Tag);
                self.values_can_be_held()
            }
            Within::Text => self.length <= RUN_BYTES,
            Within::Tag if byte == b'>' => {
                self.begin(Within::Text);
                self.ends_well()
            }
            Within::Tag | Within::Quoted(_) => {
                self.tag.push(byte);
                self.goes_on(byte) && self.length <= TAG_BYTES
            }
            Within::Instruction | Within::Comment | Within::Data => {
                self.last = [self.last[1], self.last[2], byte];
                let end: &[u8] = match self.within {
                    Within::Instruction => b"?>",
                    Within::Comment => b"-->",
                    Within::Data | Within::Text | Within::Tag | Within::Quoted(_) => b"]]>",
                };
                if self.last.ends_with(end) {
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

    /// A byte of a tag that is not its last.
    fn goes_on(&mut self, byte: u8) -> bool {
        if let Within::Quoted(quote) = self.within {
            if byte == quote {
                self.within = Within::Tag;
            }
            return true;
        }
        match self.tag.as_slice() {
            b"?" => self.begin(Within::Instruction),
            b"!--" => self.begin(Within::Comment),
            b"![CDATA[" => self.begin(Within::Data),
            // A parser would look for an end that need not come.
            tag if tag.starts_with(b"!") => {
                return b"!--".starts_with(tag) || b"![CDATA[".starts_with(tag);
            }
            _ if matches!(byte, b'"' | b'\'') => self.within = Within::Quoted(byte),
            _ => {}
        }
        true
    }

    /// Asked wherever markup begins, be it a tag or not: up to the next, or to the part's end, there is
    /// no more than a run.
    fn values_can_be_held(&self) -> bool {
        let mut values = self.values.iter();
        values.all(|(_, began)| self.total - began <= VALUE_BYTES)
    }

    /// The tag is whole.
    fn ends_well(&mut self) -> bool {
        if let Some(name) = self.tag.strip_prefix(b"/") {
            let blanks = name.iter().rev().take_while(|byte| is_blank(**byte));
            let name = &name[..name.len() - blanks.count()];
            self.depth = self.depth.saturating_sub(1);
            self.values.retain(|(value, _)| value.as_slice() != name);
            return true;
        }
        let tag = self.tag.strip_suffix(b"/").unwrap_or(&self.tag);
        let name = tag.split(|byte| is_blank(*byte)).next().unwrap_or_default();
        let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        self.is_kept |= KEPT.contains(&local);
        self.copied.note(local, tag.len());
        if tag.len() == self.tag.len() {
            self.depth += 1;
            if VALUES.contains(&local) && self.values.iter().all(|(value, _)| value != name) {
                self.values.push((name.to_vec(), self.total));
            }
        }
        self.depth <= DEPTH
            && self.values.len() <= VALUES_OPEN
            && (local != b"sst" || promised(tag) <= TEXTS)
    }
}

impl Copied {
    fn note(&mut self, name: &[u8], tag_bytes: usize) {
        match name {
            b"sheet" => self.sheets += 1,
            b"xf" => self.formats += 1,
            b"numFmt" | b"name" => self.longest_bytes = self.longest_bytes.max(tag_bytes),
            _ => {}
        }
    }
}

/// What ends a name.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The largest number in `uniqueCount="…"`: it may be there more than once.
fn promised(tag: &[u8]) -> usize {
    let numbers = memchr::memmem::find_iter(tag, b"uniqueCount").map(|at| {
        let mut quoted = tag[at..].split(|byte| matches!(byte, b'"' | b'\''));
        let digits = quoted.nth(1).unwrap_or_default().iter();
        digits
            .filter(|byte| byte.is_ascii_digit())
            .fold(0, |number: usize, digit| {
                number
                    .saturating_mul(10)
                    .saturating_add(usize::from(digit - b'0'))
            })
    });
    numbers.max().unwrap_or_default()
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
    fn markup_ends_where_the_parser_has_it_end() {
        let promise = "<sst uniqueCount='4000001'>";
        check(&format!("<a b=\"{promise}\"/>"), true);
        check(&format!("<a b='></a><!--'>{promise}"), false);
        check(&format!("<a b=\"><![CDATA[\">{promise}"), false);
        check(&format!("<? > <!-- ?>{promise}"), false);
        check(&format!("<? > {promise} ?>"), true);
        check("<sst xuniqueCount=\"1\" uniqueCount=\"4000001\">", false);
        check("<!-x>", false);
        check("<![x]>", false);
        check("<!ENTITY>", false);
    }

    #[test]
    fn what_is_never_ended_is_no_markup() {
        check(&"<a>".repeat(DEPTH), true);
        check(&"<a>".repeat(DEPTH + 1), false);
        check(&"<a b=\"</a>\"></a><a/>".repeat(2 * DEPTH), true);
        let piece = format!("{}<b/>", "x".repeat(1000));
        let long = piece.repeat(VALUE_BYTES / piece.len() + 1);
        for name in ["t", "v", "x:t", "is", "si"] {
            check(&format!("<{name} a=\"b\">{long}</{name}>"), false);
            check(&format!("<{name}/>{long}"), true);
            check(&format!("<{name}></{name} >{long}<{name}>"), true);
            // Another's end.
            check(
                &format!("<{name}></y:{name}></{name} x>{long}</{name}>"),
                false,
            );
        }
        check(&format!("<a>{long}</a>"), true);
        let run = "x".repeat(RUN_BYTES - 100);
        for cut in ["<!---->", "<![CDATA[]]>", "<?x?>"] {
            let piece = format!("{run}{cut}");
            check(&format!("<t>{}", piece.repeat(4)), true);
            check(&format!("<t>{}", piece.repeat(5)), false);
            check(&format!("<a>{}", piece.repeat(5)), true);
        }
        let many: Vec<String> = (0..=VALUES_OPEN).map(|at| format!("<x{at}:t>")).collect();
        check(&many.concat(), false);
    }

    #[test]
    fn what_is_copied_for_each_of_many_grows() {
        let grows = |text: &str| {
            let mut markup = Markup::default();
            assert!(markup.pass(text.as_bytes()));
            markup.grows()
        };
        assert!(!grows(&"<sheet/>".repeat(SHEETS)));
        assert!(grows(&"<x:sheet/>".repeat(SHEETS + 1)));
        let format = |bytes: usize| format!("<numFmt formatCode=\"{}\"/>", "0".repeat(bytes));
        let formats = "<xf/>".repeat(60_000);
        assert!(!grows(&(format(500) + &formats)));
        assert!(grows(&(format(1000) + &formats)));
        assert!(grows(&(formats + &format(1000))));
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
