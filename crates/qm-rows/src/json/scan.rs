//! Where a value of JSON ends, without reading what it is.

/// The state between two bytes of a value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    depth: u32,
    within: Within,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Within {
    /// Nothing yet, or structure.
    #[default]
    Structure,
    Text,
    /// After a backslash.
    Escape,
    /// A number or a word.
    Word,
    /// Structure, at the beginning of a line.
    LineStart,
    /// No value: all up to the end of the line.
    Line,
}

/// How a value ends when its brackets do not say so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Layout {
    /// It is in an array: by a bracket, or never.
    Array,
    /// One after another: at the latest where the next one begins a line. One that is broken takes
    /// no other along.
    Lines,
}

/// How far a value goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    /// Up to here, where it is whole.
    At(usize),
    /// Beyond the bytes.
    Later,
}

impl Scan {
    /// Through what is no value.
    pub(super) fn line() -> Self {
        Self {
            depth: 0,
            within: Within::Line,
        }
    }

    /// Goes on through a value.
    pub(super) fn step(&mut self, bytes: &[u8], layout: Layout) -> End {
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            match self.within {
                Within::Text => {
                    let rest = &bytes[at..];
                    let Some(found) = memchr::memchr3(b'"', b'\\', b'\n', rest) else {
                        return End::Later;
                    };
                    at += found;
                    match bytes[at] {
                        b'\\' => self.within = Within::Escape,
                        // No text goes over the end of a line.
                        b'\n' if layout == Layout::Lines => return End::At(at),
                        b'\n' => {}
                        _ => {
                            self.within = Within::Structure;
                            if self.depth == 0 {
                                return End::At(at + 1);
                            }
                        }
                    }
                }
                Within::Escape => self.within = Within::Text,
                Within::Line => {
                    let end = memchr::memchr(b'\n', &bytes[at..]);
                    return end.map_or(End::Later, |end| End::At(at + end));
                }
                Within::Word if self.depth == 0 => {
                    if matches!(byte, b',' | b']' | b'}' | b'{' | b'[' | b'"')
                        || byte.is_ascii_whitespace()
                    {
                        return End::At(at);
                    }
                }
                Within::Structure | Within::Word | Within::LineStart => {
                    let is_next = self.within == Within::LineStart && byte == b'{';
                    if is_next && layout == Layout::Lines {
                        return End::At(at);
                    }
                    if let Some(end) = self.structure(byte, at) {
                        return End::At(end);
                    }
                }
            }
            at += 1;
        }
        End::Later
    }

    /// The value's end, if this byte is its last or the first after it.
    fn structure(&mut self, byte: u8, at: usize) -> Option<usize> {
        self.within = Within::Structure;
        match byte {
            b'"' => self.within = Within::Text,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    return Some(at + 1);
                }
            }
            b'\n' => self.within = Within::LineStart,
            _ if self.depth == 0 => self.within = Within::Word,
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &str, layout: Layout, expect: End) {
        assert_eq!(
            Scan::default().step(bytes.as_bytes(), layout),
            expect,
            "{bytes}"
        );
        let mut scan = Scan::default();
        let piecewise =
            bytes
                .bytes()
                .enumerate()
                .find_map(|(at, byte)| match scan.step(&[byte], layout) {
                    End::At(end) => Some(at + end),
                    End::Later => None,
                });
        assert_eq!(
            piecewise.map_or(End::Later, End::At),
            expect,
            "{bytes}, byte by byte"
        );
    }

    #[test]
    fn a_value_ends_where_its_brackets_or_its_line_do() {
        for layout in [Layout::Array, Layout::Lines] {
            check(r#"{"a":1},"#, layout, End::At(7));
            check(r#"{"a":"}"} "#, layout, End::At(9));
            check(r#"{"a":"\"}"}"#, layout, End::At(11));
            check(r#"{"a":[{"b":[]}]}{"#, layout, End::At(16));
            check(r#""x" "#, layout, End::At(3));
            check("12,", layout, End::At(2));
            check("null\n", layout, End::At(4));
            check(r#"{"a":1"#, layout, End::Later);
            check("{\n  \"a\": {\n    \"b\": 1\n  }\n}", layout, End::At(27));
        }
        check("{\"a\":\n{\"b\":1}}", Layout::Array, End::At(14));
        check("{\"a\":1\n{\"b\":1}", Layout::Lines, End::At(7));
        check("{\"a\n\":1}", Layout::Array, End::At(8));
        check("{\"a\n\":1}", Layout::Lines, End::At(3));
    }
}
