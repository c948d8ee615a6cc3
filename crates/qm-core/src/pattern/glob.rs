//! `*` and `?` within one name.

use std::fmt;

/// One component of a pattern, or a pattern over file names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Glob(Vec<Token>);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token {
    Literal(char),
    AnyChar,
    AnyText,
}

impl Glob {
    /// `*` and `?` are wildcards; there is no way to write them as themselves.
    pub(crate) fn parse(text: &str) -> Self {
        let token = |c| match c {
            '*' => Token::AnyText,
            '?' => Token::AnyChar,
            other => Token::Literal(other),
        };
        Self(text.chars().map(token).collect())
    }

    /// The name itself, without wildcards.
    pub(crate) fn literal(name: &str) -> Self {
        Self(name.chars().map(Token::Literal).collect())
    }

    /// True if it matches the whole name.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.overlaps(&Self::literal(name))
    }

    /// True if some name matches both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let is_star = |t: &Token| *t == Token::AnyText;
        reach(
            &self.0,
            &other.0,
            |l, r| match (l, r) {
                (Token::Literal(l), Token::Literal(r)) => l == r,
                _ => true,
            },
            is_star,
            is_star,
        )
    }

    /// True if every name that `other` matches is matched by `self`; a `false` may be wrong.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        reach(
            &self.0,
            &other.0,
            |w, n| match (w, n) {
                (Token::Literal(w), Token::Literal(n)) => w == n,
                (Token::AnyChar, Token::Literal(_) | Token::AnyChar) => true,
                _ => false,
            },
            |t| *t == Token::AnyText,
            |_| false,
        )
    }

    /// True without wildcards.
    pub(crate) fn is_literal(&self) -> bool {
        self.0.iter().all(|t| matches!(t, Token::Literal(_)))
    }

    /// What follows the last `.`, if every match has the same there.
    pub(crate) fn extension(&self) -> Option<String> {
        let dot = self.0.iter().rposition(|t| *t == Token::Literal('.'))?;
        let tail = Self(self.0.get(dot + 1..)?.to_vec());
        (!tail.0.is_empty() && tail.is_literal()).then(|| tail.to_string().to_lowercase())
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        self.0.iter().try_for_each(|token| {
            f.write_char(match token {
                Token::Literal(c) => *c,
                Token::AnyChar => '?',
                Token::AnyText => '*',
            })
        })
    }
}

/// Whether the two sequences can be walked to their ends together: one element of each by
/// `step`, or, where one side repeats, any number of elements of the other. Quadratic in their
/// lengths.
pub(super) fn reach<T>(
    left: &[T],
    right: &[T],
    step: impl Fn(&T, &T) -> bool,
    left_repeats: impl Fn(&T) -> bool,
    right_repeats: impl Fn(&T) -> bool,
) -> bool {
    let mut reached = vec![vec![false; right.len() + 1]; left.len() + 1];
    reached[0][0] = true;
    for i in 0..=left.len() {
        for j in 0..=right.len() {
            if !reached[i][j] {
                continue;
            }
            if i < left.len() && left_repeats(&left[i]) {
                reached[i + 1][j] = true;
                if j < right.len() {
                    reached[i][j + 1] = true;
                }
            }
            if j < right.len() && right_repeats(&right[j]) {
                reached[i][j + 1] = true;
                if i < left.len() {
                    reached[i + 1][j] = true;
                }
            }
            if i < left.len() && j < right.len() && step(&left[i], &right[j]) {
                reached[i + 1][j + 1] = true;
            }
        }
    }
    reached[left.len()][right.len()]
}
