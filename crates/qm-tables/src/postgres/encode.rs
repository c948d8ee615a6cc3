//! Rows in the binary form of COPY.

use qm_rows::{Cell, Decimal, Row};

use super::kept::Kept;
use crate::sql::text::write_decimal;

/// What every stream begins with: signature, flags, length of an extension.
pub(super) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What it ends with.
pub(super) const TRAILER: &[u8] = &[0xff, 0xff];

/// Days from 1970-01-01 to 2000-01-01, where the server begins to count.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;
/// Four digits are one of the server's.
const BASE: u128 = 10_000;
const DIGITS: usize = 4;

/// What every row of a load has besides its cells.
#[derive(Clone, Debug)]
pub(super) enum Fixed {
    Number(i64),
    Text(String),
}

/// Appends a row: its cells, then what is fixed.
pub(super) fn row(row: &Row<'_>, kept: &[Kept], fixed: &[Fixed], to: &mut Vec<u8>) {
    let count = i16::try_from(kept.len()).unwrap_or(i16::MAX);
    to.extend_from_slice(&count.to_be_bytes());
    let mut kept = kept.iter();
    for (cell, kept) in row.cells().zip(&mut kept) {
        value(cell, *kept, to);
    }
    for (fixed, kept) in fixed.iter().zip(kept) {
        match fixed {
            Fixed::Number(number) => value(Cell::Integer(*number), *kept, to),
            Fixed::Text(text) => value(Cell::Text(text), *kept, to),
        }
    }
}

fn value(cell: Cell<'_>, kept: Kept, to: &mut Vec<u8>) {
    match (cell, kept) {
        (Cell::Null, _) => to.extend_from_slice(&(-1_i32).to_be_bytes()),
        (Cell::Text(text), Kept::Uuid) => match uuid(text) {
            Some(bytes) => field(&bytes, to),
            // Refused before it comes here; the server says so as well.
            None => field(text.as_bytes(), to),
        },
        (Cell::Text(text), _) => field(text.as_bytes(), to),
        (Cell::Integer(value), Kept::Int2) => {
            field(&i16::try_from(value).unwrap_or(i16::MAX).to_be_bytes(), to);
        }
        (Cell::Integer(value), Kept::Int4) => {
            field(&i32::try_from(value).unwrap_or(i32::MAX).to_be_bytes(), to);
        }
        (Cell::Integer(value), Kept::Numeric(_)) => {
            let mantissa = i128::from(value);
            numeric(Decimal { mantissa, scale: 0 }, to);
        }
        (Cell::Integer(value), _) => field(&value.to_be_bytes(), to),
        (Cell::Decimal(value), Kept::Float4) => {
            let number: f32 = float(value).parse().unwrap_or_default();
            field(&number.to_be_bytes(), to);
        }
        (Cell::Decimal(value), Kept::Float8) => {
            let number: f64 = float(value).parse().unwrap_or_default();
            field(&number.to_be_bytes(), to);
        }
        (Cell::Decimal(value), _) => numeric(value, to),
        (Cell::Boolean(value), _) => field(&[u8::from(value)], to),
        (Cell::Date(days), _) => field(&days.saturating_sub(EPOCH_DAYS).to_be_bytes(), to),
        (Cell::Timestamp(micros), _) => {
            field(&micros.saturating_sub(EPOCH_MICROS).to_be_bytes(), to);
        }
    }
}

fn field(bytes: &[u8], to: &mut Vec<u8>) {
    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(bytes);
}

/// As text, from which the nearest number that the processor has is read.
fn float(value: Decimal) -> String {
    let mut text = String::new();
    write_decimal(value, &mut text);
    text
}

/// Count of digits to the base 10,000, weight of the first, sign, digits behind the point, digits.
fn numeric(value: Decimal, to: &mut Vec<u8>) {
    const NEGATIVE: u16 = 0x4000;
    let scale = usize::from(value.scale);
    let behind = scale.div_ceil(DIGITS);
    // The point falls between two digits: the last may have up to three zeros that are not written.
    let pad = 10_u128.pow(u32::try_from(behind * DIGITS - scale).unwrap_or_default());
    // From the last to the first; 39 digits of ten and the zeros fill eleven.
    let mut digits = [0_u16; 12];
    let mut count = 0;
    let mut rest = value.mantissa.unsigned_abs();
    let mut push = |digit: u128| {
        digits[count] = u16::try_from(digit).unwrap_or_default();
        count += 1;
        count
    };
    let mut so_far = 0;
    if pad > 1 {
        so_far = push(rest % (BASE / pad) * pad);
        rest /= BASE / pad;
    }
    // Most numbers have no more than 64 bits, which are divided much faster.
    while rest > u128::from(u64::MAX) {
        so_far = push(rest % BASE);
        rest /= BASE;
    }
    let mut rest = u64::try_from(rest).unwrap_or_default();
    while rest > 0 || so_far < behind {
        so_far = push(u128::from(rest % 10_000));
        rest /= 10_000;
    }
    let digits = digits.get(..so_far).unwrap_or_default();
    let leading = digits.iter().rev().take_while(|digit| **digit == 0).count();
    let trailing = digits.iter().take_while(|digit| **digit == 0).count();
    let kept = digits.get(trailing..so_far - leading).unwrap_or_default();
    let signed = |number: usize| i16::try_from(number).unwrap_or_default();
    let weight = if kept.is_empty() {
        0
    } else {
        signed(so_far - leading) - signed(behind) - 1
    };
    let sign = if value.mantissa < 0 { NEGATIVE } else { 0 };
    let length = i32::try_from(8 + 2 * kept.len()).unwrap_or_default();
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(&signed(kept.len()).to_be_bytes());
    to.extend_from_slice(&weight.to_be_bytes());
    to.extend_from_slice(&sign.to_be_bytes());
    to.extend_from_slice(&u16::from(value.scale).to_be_bytes());
    for digit in kept.iter().rev() {
        to.extend_from_slice(&digit.to_be_bytes());
    }
}

/// The 16 bytes of a UUID as the server writes them, in any case.
pub(super) fn uuid(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut found = [0; 16];
    let mut at = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let half = u8::try_from(char::from(*byte).to_digit(16)?).ok()?;
        found[at / 2] = (found[at / 2] << 4) | half;
        at += 1;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mantissa: i128, scale: u8, expect: (i16, i16, i16, &[i16])) {
        let mut bytes = Vec::new();
        numeric(Decimal { mantissa, scale }, &mut bytes);
        let words: Vec<i16> = bytes[4..]
            .chunks(2)
            .map(|pair| i16::from_be_bytes([pair[0], pair[1]]))
            .collect();
        let (weight, sign, behind, digits) = expect;
        let mut expected = vec![digits.len().try_into().unwrap(), weight, sign, behind];
        expected.extend(digits);
        assert_eq!(words, expected, "{mantissa} {scale}");
        let length: i32 = (words.len() * 2).try_into().unwrap();
        assert_eq!(bytes[..4], length.to_be_bytes());
    }

    #[test]
    fn numbers_as_the_server_sends_them() {
        check(0, 2, (0, 0, 2, &[]));
        check(1299, 2, (0, 0, 2, &[12, 9900]));
        check(-5, 2, (-1, 0x4000, 2, &[500]));
        check(10_000, 0, (1, 0, 0, &[1]));
        check(123_456_789, 0, (2, 0, 0, &[1, 2345, 6789]));
        check(1, 8, (-2, 0, 8, &[1]));
        check(1, 5, (-2, 0, 5, &[1000]));
        check(12_345_678, 4, (0, 0, 4, &[1234, 5678]));
        let most = 99_999_999_999_999_999_999_999_999_999_999_999_999;
        let nines = [
            9, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9000,
        ];
        check(most, 1, (9, 0, 1, &nines));
        let small = [99, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999];
        check(
            most,
            38,
            (
                -1,
                0,
                38,
                &[9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9900],
            ),
        );
        check(most, 0, (9, 0, 0, &small));
    }
}
