//! Whether a number is shown as a number, a date or a duration.

/// How a format of cells shows numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shown {
    Number,
    Date,
    Duration,
}

impl Shown {
    /// By the number of a format that files need not describe.
    pub(super) fn builtin(format: u16) -> Self {
        match format {
            14..=22 | 27..=36 | 45 | 47 | 50..=58 => Self::Date,
            46 => Self::Duration,
            _ => Self::Number,
        }
    }

    /// By its description: a letter of a date that is no text, `[h]` and the like for durations.
    pub(super) fn of(format: &str) -> Self {
        let mut characters = format.chars();
        while let Some(character) = characters.next() {
            match character.to_ascii_lowercase() {
                '"' => {
                    characters.by_ref().find(|end| *end == '"');
                }
                '\\' | '_' | '*' => {
                    characters.next();
                }
                '[' => {
                    let within: String =
                        characters.by_ref().take_while(|end| *end != ']').collect();
                    let within = within.to_ascii_lowercase();
                    if !within.is_empty() && within.chars().all(|c| matches!(c, 'h' | 'm' | 's')) {
                        return Self::Duration;
                    }
                }
                'y' | 'm' | 'd' | 'h' | 's' => return Self::Date,
                // What follows is for negative numbers.
                ';' => return Self::Number,
                _ => {}
            }
        }
        Self::Number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_shows_dates_if_a_letter_of_them_is_no_text() {
        for (format, expect) in [
            ("General", Shown::Number),
            ("0.00E+00", Shown::Number),
            ("[Red]#,##0 \"days\"", Shown::Number),
            ("0\\d", Shown::Number),
            ("#,##0_m;d", Shown::Number),
            ("yyyy-mm-dd", Shown::Date),
            ("[$-409]d\\-mmm", Shown::Date),
            ("AM/PM", Shown::Date),
            ("[h]:mm:ss", Shown::Duration),
        ] {
            assert_eq!(Shown::of(format), expect, "{format}");
        }
    }
}
