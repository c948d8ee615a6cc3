//! Just enough of Rust's lexical structure to tell code, comments and string literals apart.

/// A source file taken apart.
#[derive(Debug, Default)]
pub(crate) struct RustSource {
    /// The source with comments and literals blanked out; lines keep their numbers.
    pub(crate) code: String,
    /// Comments with the line each begins at.
    pub(crate) comments: Vec<(usize, String)>,
    /// String literals with the line each begins at, escapes as written.
    pub(crate) strings: Vec<(usize, String)>,
}

impl RustSource {
    /// Takes `text` apart. Source that rustc would refuse gives something, never a panic.
    pub(crate) fn parse(text: &str) -> Self {
        let mut lexer = Lexer {
            chars: text.chars().collect(),
            at: 0,
            line: 1,
            source: Self::default(),
        };
        while lexer.step() {}
        lexer.source
    }

    /// Lines of code with their numbers, from 1.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(i, line)| (i + 1, line))
    }

    /// The functions that the test runner calls.
    pub(crate) fn test_names(&self) -> impl Iterator<Item = &str> {
        self.code.split([';', '{', '}']).filter_map(test_name)
    }
}

/// The name of the function that begins here, if it is a test and not left out.
fn test_name(head: &str) -> Option<&str> {
    let attributes = head.split("#[").skip(1);
    let paths: Vec<&str> = attributes
        .filter_map(|attribute| attribute.split(['(', '=', ']']).next())
        .map(str::trim)
        .collect();
    let is_test = |path: &&str| *path == "test" || path.ends_with("::test");
    if !paths.iter().any(is_test) || paths.contains(&"ignore") {
        return None;
    }
    let mut words = head.split_whitespace().skip_while(|word| *word != "fn");
    let name = words.nth(1)?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()
        .filter(|name| !name.is_empty())
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    source: RustSource,
}

impl Lexer {
    /// Consumes one piece; false at the end.
    fn step(&mut self) -> bool {
        let Some(c) = self.peek(0) else {
            return false;
        };
        match (c, self.peek(1)) {
            ('/', Some('/')) => self.line_comment(),
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => self.string(0, Escapes::Backslash),
            ('\'', _) => self.quote(),
            ('r' | 'b' | 'c', _) if !self.is_inside_word() => {
                if !self.prefixed_literal() {
                    self.keep();
                }
            }
            _ => self.keep(),
        }
        true
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn is_inside_word(&self) -> bool {
        self.at
            .checked_sub(1)
            .and_then(|before| self.chars.get(before))
            .is_some_and(|c| c.is_alphanumeric() || *c == '_')
    }

    fn keep(&mut self) {
        if let Some(c) = self.advance() {
            self.source.code.push(c);
        }
    }

    fn blank(&mut self) -> Option<char> {
        let c = self.advance()?;
        self.source.code.push(if c == '\n' { '\n' } else { ' ' });
        Some(c)
    }

    fn advance(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn line_comment(&mut self) {
        let line = self.line;
        let mut text = String::new();
        while self.peek(0).is_some_and(|c| c != '\n') {
            text.extend(self.blank());
        }
        self.source.comments.push((line, text));
    }

    fn block_comment(&mut self) {
        let line = self.line;
        let mut text = String::new();
        let mut depth = 0_usize;
        while let Some(c) = self.peek(0) {
            let pair = (c, self.peek(1));
            text.extend(self.blank());
            match pair {
                ('/', Some('*')) => {
                    depth += 1;
                    text.extend(self.blank());
                }
                ('*', Some('/')) => {
                    depth -= 1;
                    text.extend(self.blank());
                    if depth == 0 {
                        break;
                    }
                }
                _ => {}
            }
        }
        self.source.comments.push((line, text));
    }

    /// `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `c"…"`, `b'…'`; false if it is a word after all.
    fn prefixed_literal(&mut self) -> bool {
        let mut ahead = 0;
        if matches!(self.peek(0), Some('b' | 'c')) {
            ahead += 1;
        }
        let is_raw = self.peek(ahead) == Some('r');
        if is_raw {
            ahead += 1;
        }
        let mut hashes = 0;
        while is_raw && self.peek(ahead) == Some('#') {
            ahead += 1;
            hashes += 1;
        }
        match self.peek(ahead) {
            Some('"') => {
                for _ in 0..ahead {
                    self.blank();
                }
                let escapes = if is_raw {
                    Escapes::None
                } else {
                    Escapes::Backslash
                };
                self.string(hashes, escapes);
                true
            }
            Some('\'') if ahead == 1 && !is_raw => {
                self.blank();
                self.quote();
                true
            }
            _ => false,
        }
    }

    /// From the opening quote to the closing one with its hashes.
    fn string(&mut self, hashes: usize, escapes: Escapes) {
        let line = self.line;
        let mut text = String::new();
        self.blank();
        while let Some(c) = self.peek(0) {
            if c == '\\' && escapes == Escapes::Backslash {
                text.extend(self.blank());
                text.extend(self.blank());
                continue;
            }
            if c == '"' && (1..=hashes).all(|i| self.peek(i) == Some('#')) {
                for _ in 0..=hashes {
                    self.blank();
                }
                break;
            }
            text.extend(self.blank());
        }
        self.source.strings.push((line, text));
    }

    /// A character literal, or the start of a lifetime.
    fn quote(&mut self) {
        let is_escape = self.peek(1) == Some('\\');
        if !is_escape && self.peek(2) != Some('\'') {
            self.keep();
            return;
        }
        self.blank();
        if is_escape {
            self.blank();
        }
        self.blank();
        while self.peek(0).is_some_and(|c| c != '\'' && c != '\n') {
            self.blank();
        }
        self.blank();
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Escapes {
    Backslash,
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, code: &str, comments: &[(usize, &str)], strings: &[(usize, &str)]) {
        let parsed = RustSource::parse(source);
        let squeezed: Vec<&str> = parsed.code.split_whitespace().collect();
        assert_eq!(squeezed.join(" "), code);
        let own = |found: &[(usize, &str)]| -> Vec<(usize, String)> {
            found.iter().map(|(l, t)| (*l, (*t).to_owned())).collect()
        };
        assert_eq!(parsed.comments, own(comments));
        assert_eq!(parsed.strings, own(strings));
        assert_eq!(parsed.code.lines().count(), source.lines().count());
    }

    #[test]
    fn pieces() {
        check("let a = 1; // why", "let a = 1;", &[(1, "// why")], &[]);
        check(
            "a /* x /* y */ z\n */ b",
            "a b",
            &[(1, "/* x /* y */ z\n */")],
            &[],
        );
        check("f(\"a // b\")", "f( )", &[], &[(1, "a // b")]);
        check("\n\"say \\\"hi\\\"\" x", "x", &[], &[(2, "say \\\"hi\\\"")]);
        check("r#\"a \" b\"# c", "c", &[], &[(1, "a \" b")]);
        check("br\"\\\" c", "c", &[], &[(1, "\\")]);
        check("c\"x\" b\"y\" z", "z", &[], &[(1, "x"), (1, "y")]);
        check("f('\"', '\\'', b'\"') + g", "f( , , ) + g", &[], &[]);
        check(
            "fn f<'a>(x: &'a str) {}",
            "fn f<'a>(x: &'a str) {}",
            &[],
            &[],
        );
        check("bar\"s\" r#type", "bar r#type", &[], &[(1, "s")]);
        check("\"never closed", "", &[], &[(1, "never closed")]);
    }

    #[test]
    fn tests_are_told_by_their_attributes() {
        let source = RustSource::parse(
            "use x::y;
#[tokio::test(flavor = \"{;\", worker_threads = 2)]
async fn on_two_threads() -> Outcome { helper([0_u8; 4]) }
#[test] // of types
#[expect(lint, reason = \"fn\")]
pub(crate) fn generic<T>() {}
#[cfg(test)]
mod tests { fn helper() {} }
struct S { f: fn(u8) -> u8 }
#[test]
fn $name() {}
#[test]
#[ignore = \"slow\"]
fn left_out() {}
#[attest]
fn attested() {}
",
        );
        let found: Vec<&str> = source.test_names().collect();
        assert_eq!(found, ["on_two_threads", "generic"]);
    }
}
