//! Values as text that databases and people read.

use qm_rows::{Cell, Decimal};
use std::fmt::Write as _;

/// Appends the value; nothing for null.
pub(crate) fn write_cell(cell: Cell<'_>, to: &mut String) {
    match cell {
        Cell::Null => {}
        Cell::Text(text) => to.push_str(text),
        // Writing to a string does not fail.
        Cell::Integer(value) => {
            let _ = write!(to, "{value}");
        }
        Cell::Decimal(value) => write_decimal(value, to),
        Cell::Boolean(value) => to.push_str(if value { "true" } else { "false" }),
        Cell::Date(days) => write_date(i64::from(days), to),
        Cell::Timestamp(micros) => write_timestamp(micros, to),
    }
}

/// All digits, and those behind the point as many as there are.
pub(crate) fn write_decimal(value: Decimal, to: &mut String) {
    // A sign, a zero and a point beside 39 digits.
    let mut text = [0; 42];
    let mut at = text.len();
    let mut put = |byte| {
        at -= 1;
        text[at] = byte;
        at
    };
    let scale = u32::from(value.scale);
    let mut behind = 0;
    let mut rest = value.mantissa.unsigned_abs();
    let mut start;
    loop {
        // 64 bits are divided much faster than 128, and most numbers have no more.
        let digit = if let Ok(few) = u64::try_from(rest) {
            rest = u128::from(few / 10);
            few % 10
        } else {
            let digit = rest % 10;
            rest /= 10;
            u64::try_from(digit).unwrap_or_default()
        };
        start = put(b'0' + u8::try_from(digit).unwrap_or_default());
        behind += 1;
        if behind == scale {
            start = put(b'.');
        }
        if rest == 0 && behind > scale {
            break;
        }
    }
    if value.mantissa < 0 {
        start = put(b'-');
    }
    push(text.get(start..).unwrap_or_default(), to);
}

/// How many digits it has, zeros in front aside.
pub(crate) fn digits(value: Decimal) -> u32 {
    value
        .mantissa
        .unsigned_abs()
        .checked_ilog10()
        .map_or(1, |log| log + 1)
}

/// `2026-11-30`.
pub(crate) fn write_date(days: i64, to: &mut String) {
    let (year, month, day) = civil(days);
    if (0..=9999).contains(&year) {
        pair(year / 100, to);
        pair(year % 100, to);
    } else {
        let _ = write!(to, "{year:05}");
    }
    to.push('-');
    pair(month, to);
    to.push('-');
    pair(day, to);
}

/// `2026-11-30 12:00:00`, with six more digits if it is no full second.
pub(crate) fn write_timestamp(micros: i64, to: &mut String) {
    const SECOND: i64 = 1_000_000;
    const DAY: i64 = 86_400 * SECOND;
    write_date(micros.div_euclid(DAY), to);
    let of_day = micros.rem_euclid(DAY);
    let (seconds, rest) = (of_day / SECOND, of_day % SECOND);
    for (before, number) in [
        (' ', seconds / 3600),
        (':', seconds / 60 % 60),
        (':', seconds % 60),
    ] {
        to.push(before);
        pair(number, to);
    }
    if rest != 0 {
        let _ = write!(to, ".{rest:06}");
    }
}

/// Two digits.
fn pair(number: i64, to: &mut String) {
    let number = u8::try_from(number).unwrap_or_default();
    push(&[b'0' + number / 10, b'0' + number % 10], to);
}

fn push(digits: &[u8], to: &mut String) {
    to.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

/// Year, month and day of days since 1970-01-01 in the Gregorian calendar, by eras of 400 years that
/// begin on the first of March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cell: Cell<'_>, expect: &str) {
        let mut text = String::new();
        write_cell(cell, &mut text);
        assert_eq!(text, expect);
    }

    fn decimal(mantissa: i128, scale: u8) -> Cell<'static> {
        Cell::Decimal(Decimal { mantissa, scale })
    }

    #[test]
    fn numbers() {
        check(decimal(1299, 2), "12.99");
        check(decimal(-5, 2), "-0.05");
        check(decimal(0, 2), "0.00");
        check(decimal(-7, 0), "-7");
        check(decimal(100, 1), "10.0");
        check(
            decimal(99_999_999_999_999_999_999_999_999_999_999_999_999, 38),
            "0.99999999999999999999999999999999999999",
        );
        check(Cell::Integer(i64::MIN), "-9223372036854775808");
    }

    #[test]
    fn days_and_moments() {
        check(Cell::Date(0), "1970-01-01");
        check(Cell::Date(-1), "1969-12-31");
        check(Cell::Date(20_787), "2026-11-30");
        check(Cell::Date(11_016), "2000-02-29");
        check(Cell::Date(-719_528), "0000-01-01");
        check(Cell::Date(2_932_896), "9999-12-31");
        check(Cell::Timestamp(0), "1970-01-01 00:00:00");
        check(Cell::Timestamp(-1), "1969-12-31 23:59:59.999999");
        check(
            Cell::Timestamp(1_796_040_000_500_000),
            "2026-11-30 12:00:00.500000",
        );
    }
}
