//! How columns keep their values, and what they cannot take.

use qm_core::config::ColumnType;
use qm_rows::{Cell, Decimal};
use tokio_postgres::types::Oid;

use super::encode::uuid;
use crate::sql::text::digits;

/// A column as it keeps its values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kept {
    Text,
    /// So many characters at most.
    Characters(u32),
    Uuid,
    Boolean,
    Int2,
    Int4,
    Int8,
    /// All digits, or so many before and behind the point.
    Numeric(Option<(i32, i32)>),
    Float4,
    Float8,
    Date,
    Timestamp,
}

/// The types whose binary form is written.
pub(super) fn kept_as(oid: Oid, modifier: i32, name: &str) -> Option<Kept> {
    // Types of varying length count four bytes of their own.
    let length = u32::try_from(modifier - 4).ok();
    Some(match (oid, name) {
        (25, _) => Kept::Text,
        (1043 | 1042, _) => length.map_or(Kept::Text, Kept::Characters),
        (_, "citext") => Kept::Text,
        (2950, _) => Kept::Uuid,
        (16, _) => Kept::Boolean,
        (21, _) => Kept::Int2,
        (23, _) => Kept::Int4,
        (20, _) => Kept::Int8,
        (1700, _) => Kept::Numeric(numeric(modifier)),
        (700, _) => Kept::Float4,
        (701, _) => Kept::Float8,
        (1082, _) => Kept::Date,
        (1114 | 1184, _) => Kept::Timestamp,
        (_, _) => return None,
    })
}

/// Digits before and behind the point of `numeric(precision, scale)`. The scale has 11 bits and a sign.
fn numeric(modifier: i32) -> Option<(i32, i32)> {
    let packed = modifier.checked_sub(4).filter(|packed| *packed >= 0)?;
    let (precision, scale) = ((packed >> 16) & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024);
    Some((precision - scale, scale))
}

pub(super) fn takes(kept: Kept) -> Vec<ColumnType> {
    match kept {
        Kept::Text | Kept::Characters(_) | Kept::Uuid => vec![ColumnType::Text],
        Kept::Boolean => vec![ColumnType::Boolean],
        Kept::Int2 | Kept::Int4 | Kept::Int8 => vec![ColumnType::Integer],
        Kept::Numeric(_) => vec![ColumnType::Integer, ColumnType::Decimal],
        Kept::Float4 | Kept::Float8 => vec![ColumnType::Decimal],
        Kept::Date => vec![ColumnType::Date],
        Kept::Timestamp => vec![ColumnType::Timestamp],
    }
}

/// True if the column does not take every value of its type.
pub(super) fn is_narrow(kept: Kept) -> bool {
    match kept {
        Kept::Characters(_) | Kept::Uuid | Kept::Int2 | Kept::Int4 | Kept::Numeric(Some(_)) => true,
        Kept::Text
        | Kept::Boolean
        | Kept::Int8
        | Kept::Numeric(None)
        | Kept::Float4
        | Kept::Float8
        | Kept::Date
        | Kept::Timestamp => false,
    }
}

/// Why the column cannot take the value.
pub(super) fn refusal(cell: Cell<'_>, kept: Kept) -> Option<String> {
    match (cell, kept) {
        (Cell::Text(text), Kept::Uuid) => uuid(text).is_none().then(|| "not a UUID".to_owned()),
        (Cell::Text(text), Kept::Characters(most)) => {
            let is_longer = text.len() > most as usize && text.chars().count() > most as usize;
            is_longer.then(|| format!("longer than the {most} characters of the table's column"))
        }
        (Cell::Integer(value), Kept::Int2) => out_of_range(i16::try_from(value).is_err()),
        (Cell::Integer(value), Kept::Int4) => out_of_range(i32::try_from(value).is_err()),
        (Cell::Integer(value), Kept::Numeric(Some(places))) => {
            let mantissa = i128::from(value);
            too_long(Decimal { mantissa, scale: 0 }, places)
        }
        (Cell::Decimal(value), Kept::Numeric(Some(places))) => too_long(value, places),
        (_, _) => None,
    }
}

fn out_of_range(is: bool) -> Option<String> {
    is.then(|| "larger than the table's column can hold".to_owned())
}

fn too_long(value: Decimal, (before, behind): (i32, i32)) -> Option<String> {
    if value.mantissa == 0 {
        return None;
    }
    let mut scale = i32::from(value.scale);
    let mut rest = value.mantissa;
    let all = i32::try_from(digits(value)).unwrap_or(i32::MAX);
    if all - scale > before {
        let most = before.max(0);
        return Some(format!(
            "more than the {most} digits before the point of the table's column"
        ));
    }
    // Zeros at the end are no digits that could be lost.
    while scale > behind && rest % 10 == 0 {
        rest /= 10;
        scale -= 1;
    }
    let most = behind.max(0);
    (scale > behind)
        .then(|| format!("more than the {most} digits behind the point of the table's column"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(modifier: i32, expect: Option<(i32, i32)>) {
        assert_eq!(numeric(modifier), expect);
    }

    #[test]
    fn digits_of_numeric_columns() {
        check(-1, None);
        check((10 << 16 | 2) + 4, Some((8, 2)));
        check((5 << 16) + 4, Some((5, 0)));
        // numeric(2, -3): thousands.
        check((2 << 16 | (-3 & 0x7ff)) + 4, Some((5, -3)));
    }

    #[track_caller]
    fn check_refusal(cell: Cell<'_>, kept: Kept, expect: bool) {
        assert_eq!(refusal(cell, kept).is_some(), expect, "{cell:?} {kept:?}");
        assert!(!expect || is_narrow(kept));
    }

    #[test]
    fn what_a_column_cannot_take() {
        let price = Kept::Numeric(Some((8, 2)));
        for (mantissa, scale, expect) in [
            (99_999_999, 0, false),
            (100_000_000, 0, true),
            (1299, 2, false),
            (12_990, 3, false),
            (12_999, 3, true),
            (0, 9, false),
        ] {
            check_refusal(Cell::Decimal(Decimal { mantissa, scale }), price, expect);
        }
        check_refusal(Cell::Integer(32_768), Kept::Int2, true);
        check_refusal(Cell::Integer(-32_768), Kept::Int2, false);
        check_refusal(Cell::Integer(1 << 31), Kept::Int4, true);
        check_refusal(Cell::Integer(1 << 31), Kept::Int8, false);
        check_refusal(Cell::Text("äöü"), Kept::Characters(3), false);
        check_refusal(Cell::Text("äöüß"), Kept::Characters(3), true);
        check_refusal(Cell::Text("x"), Kept::Uuid, true);
        let id = "123e4567-E89B-12d3-a456-426614174000";
        check_refusal(Cell::Text(id), Kept::Uuid, false);
        check_refusal(Cell::Null, Kept::Int2, false);
    }
}
