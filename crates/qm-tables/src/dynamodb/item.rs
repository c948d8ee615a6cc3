//! A row as an item: every value typed as DynamoDB types it.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp, civil};
use qm_core::{Error, Kind, Result};
use qm_rows::{Cell, Decimal, Row};
use std::collections::HashMap;

/// Attributes by name.
pub(super) type Item = HashMap<String, AttributeValue>;

/// DynamoDB's limit of an item, names counted.
const ITEM_BYTES: usize = 400 * 1024;
/// Its limits of the values of a key: the partition's, and that within it.
const KEY_BYTES: [usize; 2] = [2048, 1024];

/// A row that has an item of its own.
pub(super) struct KeyedItem {
    /// All attributes.
    pub(super) item: Item,
    /// What makes it the same row as another.
    pub(super) key: Vec<u8>,
    /// About what it weighs.
    pub(super) size_bytes: usize,
    /// Which row of the file it is.
    pub(super) number: u64,
}

/// The row's item. `keys` are the positions of the table's key among `columns`.
pub(super) fn item(columns: &[String], keys: &[usize], row: &Row<'_>) -> Result<KeyedItem> {
    let mut item = Item::with_capacity(columns.len() + 1);
    let mut size_bytes = 0;
    for (name, cell) in columns.iter().zip(row.cells()) {
        let value = value(cell)?;
        size_bytes += name.len() + weight(&value);
        item.insert(name.clone(), value);
    }
    Ok(KeyedItem {
        item,
        key: row_identity(keys, row)?,
        size_bytes,
        number: row.number,
    })
}

/// The column at fault and the reason, if DynamoDB would not take the row.
pub(super) fn refusal(
    columns: &[String],
    keys: &[usize],
    row: &Row<'_>,
) -> Option<(usize, String)> {
    let mut size_bytes = 0;
    let mut largest = (0, 0);
    for (at, (name, cell)) in columns.iter().zip(row.cells()).enumerate() {
        let cell_bytes = match cell {
            Cell::Text(text) => text.len(),
            // More than any of them takes.
            Cell::Null
            | Cell::Integer(_)
            | Cell::Decimal(_)
            | Cell::Boolean(_)
            | Cell::Date(_)
            | Cell::Timestamp(_) => 32,
        };
        size_bytes += name.len() + cell_bytes;
        largest = largest.max((cell_bytes, at));
    }
    for (at, limit) in keys.iter().zip(KEY_BYTES) {
        let reason = match row.cell(*at) {
            Cell::Text("") | Cell::Null => "the key is empty".to_owned(),
            Cell::Text(text) if text.len() > limit => {
                format!(
                    "the key has {} bytes, and DynamoDB takes {limit}",
                    text.len()
                )
            }
            Cell::Text(_)
            | Cell::Integer(_)
            | Cell::Decimal(_)
            | Cell::Boolean(_)
            | Cell::Date(_)
            | Cell::Timestamp(_) => continue,
        };
        return Some((*at, reason));
    }
    (size_bytes > ITEM_BYTES).then(|| {
        let reason = format!("the row has {size_bytes} bytes, and DynamoDB takes {ITEM_BYTES}");
        (largest.1, reason)
    })
}

/// What makes an item of the table the same row as another: the values of its key.
pub(super) fn identity<'a>(item: &Item, names: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut key = Vec::new();
    for name in names {
        if let Some(value) = item.get(name) {
            // Other types of keys are refused before a row is looked at.
            let _ = identify(value, &mut key);
        }
    }
    key
}

/// The same without an item.
pub(super) fn row_identity(keys: &[usize], row: &Row<'_>) -> Result<Vec<u8>> {
    let mut key = Vec::new();
    for index in keys {
        identify(&value(row.cell(*index))?, &mut key)
            .ok_or_else(|| not_a_key(row, &format!("column {}", index + 1)))?;
    }
    Ok(key)
}

/// True if both have the same attributes; `but` is none of them.
pub(super) fn same(left: &Item, right: &Item, but: Option<&str>) -> bool {
    let count =
        |item: &Item| item.len() - usize::from(but.is_some_and(|but| item.contains_key(but)));
    count(left) == count(right)
        && left.iter().all(|(name, value)| {
            but == Some(name.as_str()) || right.get(name).is_some_and(|other| equal(value, other))
        })
}

fn equal(left: &AttributeValue, right: &AttributeValue) -> bool {
    match (left, right) {
        // It gives numbers back in a form of its own.
        (AttributeValue::N(left), AttributeValue::N(right)) => {
            left == right || plain(left) == plain(right)
        }
        (left, right) => left == right,
    }
}

/// False if it is no value that a key can have, or an empty one.
fn identify(value: &AttributeValue, key: &mut Vec<u8>) -> Option<()> {
    let (tag, text) = if let AttributeValue::N(number) = value {
        (b'N', plain(number))
    } else {
        let text = value.as_s().ok().filter(|text| !text.is_empty())?;
        (b'S', text.clone())
    };
    key.push(tag);
    key.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
    key.extend(text.bytes());
    Some(())
}

fn value(cell: Cell<'_>) -> Result<AttributeValue> {
    Ok(match cell {
        Cell::Null => AttributeValue::Null(true),
        Cell::Text(text) => AttributeValue::S(text.to_owned()),
        Cell::Integer(value) => AttributeValue::N(value.to_string()),
        Cell::Decimal(value) => AttributeValue::N(digits(value)),
        Cell::Boolean(value) => AttributeValue::Bool(value),
        Cell::Date(days) => AttributeValue::S(date(days)?.to_string()),
        Cell::Timestamp(micros) => {
            let at =
                Timestamp::from_microsecond(micros).map_err(|error| no_time().source(error))?;
            AttributeValue::S(at.to_string())
        }
    })
}

fn date(days: i32) -> Result<civil::Date> {
    civil::date(1970, 1, 1)
        .checked_add(SignedDuration::from_hours(24 * i64::from(days)))
        .map_err(|error| no_time().source(error))
}

fn no_time() -> Error {
    Error::new(Kind::Bug, "a time out of range was read as one")
}

/// Without zeros that mean nothing, as DynamoDB gives it back.
fn digits(value: Decimal) -> String {
    let digits = value.mantissa.unsigned_abs().to_string();
    let scale = usize::from(value.scale);
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value.mantissa < 0 { "-" } else { "" };
    plain(&format!("{sign}{whole}.{fraction}"))
}

/// A number as text, one form for each: no exponent if it has none, no zeros at its ends.
fn plain(number: &str) -> String {
    let (sign, rest) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number.strip_prefix('+').unwrap_or(number)),
    };
    let (digits, exponent) = match rest.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().unwrap_or(0)),
        None => (rest, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let digits = format!("{whole}{fraction}");
    // Where the point is, from the left of the digits.
    let point = i64::try_from(whole.len()).unwrap_or(0) + i64::from(exponent);
    let zeros = digits.len() - digits.trim_start_matches('0').len();
    let significant = digits.trim_matches('0');
    if significant.is_empty() {
        return "0".to_owned();
    }
    let point = point - i64::try_from(zeros).unwrap_or(0);
    let length = i64::try_from(significant.len()).unwrap_or(0);
    // DynamoDB's numbers end 130 digits from the point; what claims more is not spelled out.
    if !(-200..=200).contains(&point) {
        return format!("{sign}0.{significant}e{point}");
    }
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    if point <= 0 {
        format!("{sign}0.{}{significant}", zeros(-point))
    } else if point >= length {
        format!("{sign}{significant}{}", zeros(point - length))
    } else {
        let (whole, fraction) = significant.split_at(usize::try_from(point).unwrap_or(0));
        format!("{sign}{whole}.{fraction}")
    }
}

/// As DynamoDB counts: text by its bytes, two digits of a number a byte.
fn weight(value: &AttributeValue) -> usize {
    if let AttributeValue::S(text) = value {
        text.len()
    } else if let AttributeValue::N(number) = value {
        number.len() / 2 + 2
    } else {
        1
    }
}

fn not_a_key(row: &Row<'_>, column: &str) -> Error {
    Error::new(
        Kind::Invalid,
        format!(
            "row {} cannot be an item of DynamoDB: its key `{column}` is neither text nor a number, or empty",
            row.number
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_dynamodb_types_them() {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let number = |text: &str| AttributeValue::N(text.to_owned());
        let decimal = |mantissa, scale| Cell::Decimal(Decimal { mantissa, scale });
        let widest = 10_i128.pow(38) - 1;
        for (cell, expect) in [
            (Cell::Null, AttributeValue::Null(true)),
            (Cell::Text(""), text("")),
            (Cell::Text("$12.99 "), text("$12.99 ")),
            (Cell::Integer(i64::MIN), number("-9223372036854775808")),
            (Cell::Integer(0), number("0")),
            (decimal(150, 2), number("1.5")),
            (decimal(-5, 3), number("-0.005")),
            (decimal(1200, 0), number("1200")),
            (decimal(-120_000, 2), number("-1200")),
            (decimal(0, 5), number("0")),
            (
                decimal(widest, 38),
                number(&format!("0.{}", "9".repeat(38))),
            ),
            (decimal(widest, 0), number(&"9".repeat(38))),
            (Cell::Boolean(false), AttributeValue::Bool(false)),
            (Cell::Date(0), text("1970-01-01")),
            (Cell::Date(-1), text("1969-12-31")),
            (Cell::Date(20_787), text("2026-11-30")),
            (Cell::Timestamp(1_500_000), text("1970-01-01T00:00:01.5Z")),
        ] {
            assert_eq!(value(cell).unwrap(), expect, "{cell:?}");
        }
    }

    #[test]
    fn numbers_are_equal_however_they_are_written() {
        for (left, right, expect) in [
            ("1.5", "1.50", true),
            ("1.5", "15e-1", true),
            ("100", "1E+2", true),
            ("-0", "0.00", true),
            ("0010", "10", true),
            ("+7", "7", true),
            ("0.001", "1e-3", true),
            ("1e500", "10e499", true),
            ("1e500", "1e501", false),
            ("1", "-1", false),
            ("1.5", "15", false),
            ("10", "1", false),
        ] {
            let [left, right] = [left, right].map(|text| AttributeValue::N(text.to_owned()));
            assert_eq!(equal(&left, &right), expect, "{left:?} {right:?}");
        }
        let text = |text: &str| AttributeValue::S(text.to_owned());
        assert!(!equal(&text("1.5"), &text("1.50")));
    }

    #[test]
    fn items_are_the_same_but_for_one_attribute() {
        let item = |pairs: &[(&str, &str)]| -> Item {
            let pairs = pairs.iter();
            pairs
                .map(|(name, text)| ((*name).to_owned(), AttributeValue::S((*text).to_owned())))
                .collect()
        };
        let old = item(&[("ID", "1"), ("Title", "x"), ("seq", "4")]);
        for (new, but, expect) in [
            (
                item(&[("ID", "1"), ("Title", "x"), ("seq", "4")]),
                None,
                true,
            ),
            (
                item(&[("ID", "1"), ("Title", "x"), ("seq", "5")]),
                None,
                false,
            ),
            (
                item(&[("ID", "1"), ("Title", "x"), ("seq", "5")]),
                Some("seq"),
                true,
            ),
            (item(&[("ID", "1"), ("Title", "x")]), Some("seq"), true),
            (item(&[("ID", "1"), ("Title", "x")]), None, false),
            (item(&[("ID", "1"), ("Other", "x")]), Some("seq"), false),
            (
                item(&[("ID", "1"), ("Title", "x"), ("more", "")]),
                Some("seq"),
                false,
            ),
        ] {
            assert_eq!(same(&old, &new, but), expect, "{new:?}");
            assert_eq!(same(&new, &old, but), expect, "{new:?}");
        }
    }

    #[test]
    fn keys_of_two_parts_do_not_run_into_each_other() {
        let key = |a: &str, b: &str| {
            let item = [("a", a), ("b", b)]
                .map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned())));
            identity(&Item::from(item), ["a", "b"])
        };
        assert_ne!(key("12", "3"), key("1", "23"));
        assert_eq!(key("1", "23"), key("1", "23"));
    }
}
