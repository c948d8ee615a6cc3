//! Decimal numbers, kept exactly.

use qm_core::config::DecimalMark;

use super::{quoted, sign};
use crate::Decimal;

/// As many digits as 128 bits hold of any value, and as databases agree on.
const DIGITS: u32 = 38;

/// `-1234.50`, `1.5e3`; without separators of thousands, which could be marks of somebody else.
pub(super) fn read(text: &str, mark: DecimalMark) -> Result<Decimal, String> {
    let mark = match mark {
        DecimalMark::Point => b'.',
        DecimalMark::Comma => b',',
    };
    let (is_negative, unsigned) = sign(text.as_bytes());
    let not_a_number = || {
        let hint = match mark {
            b'.' if text.contains(',') => "; its decimal mark would be a point",
            b',' if text.contains('.') => "; its decimal mark would be a comma",
            _ => "",
        };
        format!("{} is not a decimal number{hint}", quoted(text))
    };
    let mut digits = Digits::default();
    let mut has_digit = false;
    let mut is_fraction = false;
    let mut exponent = 0;
    for (at, byte) in unsigned.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            has_digit = true;
            digits.take(digit, is_fraction);
        } else if *byte == mark && !is_fraction {
            is_fraction = true;
        } else if matches!(byte, b'e' | b'E') && has_digit {
            exponent = exponent_of(&unsigned[at + 1..]).ok_or_else(not_a_number)?;
            break;
        } else {
            return Err(not_a_number());
        }
    }
    if !has_digit {
        return Err(not_a_number());
    }
    let too_long = || {
        format!(
            "{} has more than {DIGITS} digits, the most that a decimal number may have",
            quoted(text)
        )
    };
    let decimal = digits.shifted(exponent).ok_or_else(too_long)?;
    Ok(Decimal {
        mantissa: if is_negative {
            -decimal.mantissa
        } else {
            decimal.mantissa
        },
        scale: decimal.scale,
    })
}

/// Beyond this no shift leaves 38 digits.
const EXPONENT: i32 = 4096;

fn exponent_of(bytes: &[u8]) -> Option<i32> {
    let (is_negative, digits) = sign(bytes);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0, |size: i32, digit| {
        (size * 10 + i32::from(digit - b'0')).min(EXPONENT)
    });
    Some(if is_negative { -size } else { size })
}

/// Digits so far: while they fit into 64 bits, they are counted there, which is many times faster.
#[derive(Default)]
struct Digits {
    low: u64,
    high: Option<u128>,
    /// How many, leading zeros not counted.
    significant: u32,
    scale: u32,
}

impl Digits {
    fn take(&mut self, digit: u8, is_fraction: bool) {
        if self.significant > 0 || digit > 0 {
            self.significant = self.significant.saturating_add(1);
        }
        if is_fraction {
            self.scale = self.scale.saturating_add(1);
        }
        match self.high {
            None if self.significant <= 18 => self.low = self.low * 10 + u64::from(digit),
            None => self.high = Some(u128::from(self.low) * 10 + u128::from(digit)),
            // What is beyond is only counted: the number is refused, or a zero that is cut off.
            Some(high) if self.significant <= DIGITS => {
                self.high = Some(high * 10 + u128::from(digit));
            }
            Some(_) if digit == 0 && is_fraction => {
                self.significant -= 1;
                self.scale -= 1;
            }
            Some(_) => self.significant = u32::MAX,
        }
    }

    fn shifted(self, exponent: i32) -> Option<Decimal> {
        if self.significant > DIGITS {
            return None;
        }
        let mut mantissa =
            i128::try_from(self.high.unwrap_or_else(|| u128::from(self.low))).ok()?;
        let mut scale = i64::from(self.scale) - i64::from(exponent);
        if mantissa == 0 {
            scale = scale.clamp(0, i64::from(DIGITS));
        }
        while scale > i64::from(DIGITS) && mantissa % 10 == 0 {
            mantissa /= 10;
            scale -= 1;
        }
        if scale < 0 {
            let zeros = u32::try_from(-scale).ok()?;
            if self.significant.checked_add(zeros)? > DIGITS {
                return None;
            }
            mantissa *= 10_i128.pow(zeros);
            scale = 0;
        }
        let scale = u8::try_from(scale).ok()?;
        (u32::from(scale) <= DIGITS).then_some(Decimal { mantissa, scale })
    }
}
