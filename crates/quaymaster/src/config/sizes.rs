//! Sizes and bandwidths, from text to bytes.

use qm_core::size::{self, FILE_BYTES_MAX, split_unit, unit_bytes};
use std::ops::RangeInclusive;

use super::problem::Fault;
use super::tree::{Item, Value};
use super::values::wrong_kind;

/// Below, nothing would ever get there; above, it is no limit.
const BANDWIDTHS: RangeInclusive<u64> = 1 << 10..=1 << 40;

/// A size in bytes, as a number or as `1KiB`.
pub(super) fn size(item: &Item) -> Result<u64, Fault> {
    let help =
        "write a number of bytes, or a number and its unit (KiB, MiB, GiB, TiB), as in `1KiB`";
    let (bytes, found) = match &item.value {
        Value::Whole { digits, radix } => (u64::from_str_radix(digits, *radix).ok(), digits),
        Value::Text(text) => (size::parse(text), text),
        other @ (Value::Fraction
        | Value::Truth(_)
        | Value::Moment(_)
        | Value::List(_)
        | Value::Table(_)) => return Err(wrong_kind("a size", other).help(help)),
    };
    let Some(bytes) = bytes else {
        return Err(Fault::new(format!("`{}` is not a size", found.escape_debug())).help(help));
    };
    if bytes > FILE_BYTES_MAX {
        return Err(Fault::new("no file is that large").help("at most 5TiB"));
    }
    Ok(bytes)
}

/// Bytes a second, `10MiB/s`.
pub(super) fn bandwidth(item: &Item) -> Result<u64, Fault> {
    let help = "write a size and `/s`, as in `10 MiB/s`";
    let Value::Text(text) = &item.value else {
        return Err(wrong_kind("a text in quotes", &item.value).help(help));
    };
    let bad = || Fault::new(format!("`{}` is not a bandwidth", text.escape_debug())).help(help);
    let size = text.strip_suffix("/s").ok_or_else(bad)?;
    let (number, unit) = split_unit(size);
    let number: u64 = number.parse().map_err(|_| bad())?;
    let bytes = unit_bytes(unit.trim_start()).ok_or_else(bad)?;
    number
        .checked_mul(bytes)
        .filter(|bytes| BANDWIDTHS.contains(bytes))
        .ok_or_else(|| {
            Fault::new(format!("`{text}` is out of range")).help("use `1KiB/s` to `1TiB/s`")
        })
}
