//! Values of the configuration, from text to type. Each says what would be right.

use ipnet::IpNet;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use qm_core::expectation::Days;
use qm_core::retry::RetryPolicy;
use qm_core::size::split_unit;
use qm_core::template::Template;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::problem::{Fault, WithoutHelp};
use super::suggest;
use super::tree::{Item, Value};

/// No pause, grace or keeping time is meant to be longer; it also keeps sums of times in range.
const DURATION_MAX: Duration = Duration::from_hours(366 * 24);
/// More attempts than anybody waits for.
const PAUSES_MAX: usize = 50;

/// A text that says something.
pub(super) fn text(item: &Item) -> Result<&str, Fault> {
    let Value::Text(text) = &item.value else {
        return Err(wrong_kind("a text in quotes", &item.value).help("write one text in quotes"));
    };
    if text.trim().is_empty() {
        return Err(Fault::new("the text is empty")
            .help("write something between the quotes, or leave the key out"));
    }
    Ok(text)
}

/// A whole number.
pub(super) fn whole(item: &Item, range: RangeInclusive<u32>) -> Result<u32, Fault> {
    let help = format!("use a number from {} to {}", range.start(), range.end());
    let Value::Whole { digits, radix } = &item.value else {
        return Err(wrong_kind("a whole number", &item.value).help(help));
    };
    u32::from_str_radix(digits, *radix)
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| Fault::new(format!("{digits} is out of range")).help(help))
}

/// One of some words.
pub(super) fn word<T: Copy>(item: &Item, words: &[(&'static str, T)]) -> Result<T, Fault> {
    let text = text(item)?;
    words
        .iter()
        .find(|(word, _)| *word == text)
        .map(|(_, meaning)| *meaning)
        .ok_or_else(|| {
            let known = words.iter().map(|(word, _)| *word);
            Fault::new(format!("`{}` is not known here", text.escape_debug()))
                .help(suggest::remedy(text, known, "known are"))
        })
}

/// A time span, `30m`.
pub(super) fn duration(item: &Item) -> Result<Duration, Fault> {
    let help = "write a number and its unit (ms, s, m, h or d), as in `30m` or `24h`";
    if let Value::Whole { digits, .. } = &item.value {
        return Err(Fault::new(format!("{digits} has no unit")).help(help));
    }
    let text = text(item)?;
    let bad = || Fault::new(format!("`{}` is not a time span", text.escape_debug())).help(help);
    let (number, unit) = split_unit(text);
    let number: u64 = number.parse().map_err(|_| bad())?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(bad()),
    };
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .filter(|span| *span <= DURATION_MAX)
        .ok_or_else(|| Fault::new(format!("`{text}` is too long")).help("at most a year (366d)"))
}

/// A time span that is not zero.
pub(super) fn positive_duration(item: &Item) -> Result<Duration, Fault> {
    match duration(item)? {
        Duration::ZERO => Err(Fault::new("zero is not enough").help("write at least `1s`")),
        span => Ok(span),
    }
}

/// Yes or no.
pub(super) fn truth(item: &Item) -> Result<bool, Fault> {
    if let Value::Truth(truth) = &item.value {
        return Ok(*truth);
    }
    Err(wrong_kind("true or false", &item.value).help("without quotes"))
}

/// A time of day, `17:00`.
pub(super) fn time(item: &Item) -> Result<Time, Fault> {
    // TOML has times of its own, which need no quotes.
    let text = if let Value::Moment(moment) = &item.value {
        moment
    } else {
        text(item)?
    };
    time_of(text).ok_or_else(|| {
        Fault::new(format!("`{}` is not a time of day", text.escape_debug())).help(
            "write hours and minutes, `17:00`, or with seconds, `17:00:05`; the last is `23:59:59`",
        )
    })
}

fn time_of(text: &str) -> Option<Time> {
    let mut parts = [0_i8; 3];
    let mut count = 0;
    for part in text.split(':') {
        let is_two_digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        *parts.get_mut(count).filter(|_| is_two_digits)? = part.parse().ok()?;
        count += 1;
    }
    let [hour, minute, second] = parts;
    (count >= 2)
        .then(|| Time::new(hour, minute, second, 0).ok())
        .flatten()
}

/// The IANA name of a time zone.
pub(super) fn zone(item: &Item) -> Result<String, Fault> {
    let text = text(item)?;
    let known = TimeZone::get(text).ok();
    if let Some(name) = known.as_ref().and_then(TimeZone::iana_name) {
        return Ok(name.to_owned());
    }
    let fault = Fault::new(format!("`{}` is not a time zone", text.escape_debug()));
    let names: Vec<String> = jiff::tz::db()
        .available()
        .map(|name| name.as_str().to_owned())
        .collect();
    Err(
        match suggest::nearest(text, names.iter().map(String::as_str)) {
            Some(name) => fault.help(format!("did you mean `{name}`?")),
            None => fault.help("write the IANA name, as in `Europe/Dublin`"),
        },
    )
}

/// Days of the week.
pub(super) fn days(item: &Item) -> Result<Days, Fault> {
    let text = text(item)?;
    Days::parse(text).ok_or_else(|| {
        Fault::new(format!("`{}` names no days", text.escape_debug()))
            .help("write `daily`, `weekdays`, or `weekly:` and days, as in `weekly:fri` or `weekly:mon,thu`")
    })
}

/// An address to listen on; port 0 lets the system choose.
pub(super) fn socket_address(item: &Item) -> Result<SocketAddr, Fault> {
    let text = text(item)?;
    text.parse().map_err(|_| {
        Fault::new(format!(
            "`{}` is not an IP address with a port",
            text.escape_debug()
        ))
        .help("write `0.0.0.0:2022`, `127.0.0.1:2022` or `[::]:2022`")
    })
}

/// A network, `203.0.113.0/24`.
pub(super) fn network(item: &Item) -> Result<IpNet, Fault> {
    let text = text(item)?;
    if let Ok(address) = text.parse::<IpAddr>() {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        return Err(Fault::new(format!("`{text}` is an address, not a network"))
            .help(format!("for this one address write `{text}/{bits}`")));
    }
    let network: IpNet = text.parse().map_err(|_| {
        Fault::new(format!("`{}` is not a network", text.escape_debug()))
            .help("write it in CIDR form, as in `203.0.113.0/24` or `2001:db8::/32`")
    })?;
    if network.trunc() != network {
        return Err(Fault::new(format!(
            "`{text}` has bits behind its /{}",
            network.prefix_len()
        ))
        .help(format!("the network is `{}`", network.trunc())));
    }
    Ok(network)
}

/// Permission bits, `"0664"`.
pub(super) fn mode(item: &Item) -> Result<u32, Fault> {
    let help = "write octal digits in quotes, as in \"0664\"";
    let bits = match &item.value {
        Value::Text(text) => {
            let is_octal =
                (3..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            is_octal
                .then(|| u32::from_str_radix(text, 8).ok())
                .flatten()
        }
        Value::Whole { digits, radix: 8 } => u32::from_str_radix(digits, 8).ok(),
        // 664 without quotes is decimal and would mean 1230.
        Value::Whole { .. }
        | Value::Fraction
        | Value::Truth(_)
        | Value::Moment(_)
        | Value::List(_)
        | Value::Table(_) => {
            return Err(wrong_kind("a text of octal digits", &item.value).help(help));
        }
    };
    let bits = bits.ok_or_else(|| Fault::new("these are no octal permissions").help(help))?;
    if bits & !0o777 != 0 {
        return Err(Fault::new("only read, write and execute can be set")
            .help("use at most \"0777\": set-user-id, set-group-id and sticky are not offered"));
    }
    Ok(bits)
}

/// When to try again: a preset, or the pauses.
pub(super) fn retry(item: &Item) -> Result<RetryPolicy, Fault> {
    let help = "write `lambda` (3 attempts: now, +1 min, +2 min), `camel` (4: now, +10, +20, +40 min), or the pauses, as in [\"1m\", \"10m\"]";
    match &item.value {
        Value::Text(text) => match text.as_str() {
            "lambda" => Ok(RetryPolicy::lambda()),
            "camel" => Ok(RetryPolicy::camel()),
            other => Err(
                Fault::new(format!("`{}` is not a way to retry", other.escape_debug())).help(help),
            ),
        },
        Value::List(items) if items.len() > PAUSES_MAX => {
            Err(Fault::new(format!("more than {PAUSES_MAX} pauses"))
                .help(format!("write {PAUSES_MAX} at most")))
        }
        Value::List(items) => items
            .iter()
            .map(duration)
            .collect::<Result<_, _>>()
            .map(RetryPolicy::pauses),
        other @ (Value::Whole { .. }
        | Value::Fraction
        | Value::Truth(_)
        | Value::Moment(_)
        | Value::Table(_)) => Err(wrong_kind("a preset or a list of pauses", other).help(help)),
    }
}

/// Names made of an arrival, `archive/{name}`.
pub(super) fn template(item: &Item) -> Result<Template, Fault> {
    Ok(Template::parse(text(item)?)?)
}

/// A TCP port.
pub(super) fn port(item: &Item) -> Result<u16, Fault> {
    let port = whole(item, 1..=u32::from(u16::MAX))?;
    u16::try_from(port).map_err(|_| Fault::new("not a port").help("use a number from 1 to 65535"))
}

/// Texts by names that their author chose, `{ service = "push" }`.
pub(super) fn tags(item: &Item) -> Result<BTreeMap<String, String>, Fault> {
    let help = "write `{ key = \"value\" }`";
    let Value::Table(table) = &item.value else {
        return Err(wrong_kind("a table of tags", &item.value).help(help));
    };
    if table.entries.is_empty() {
        return Err(Fault::new("no tag is in it").help("put one into it, or leave the key out"));
    }
    table
        .entries
        .iter()
        .map(|(tag, entry)| match &entry.item.value {
            Value::Text(value) => Ok((tag.clone(), value.clone())),
            other @ (Value::Whole { .. }
            | Value::Fraction
            | Value::Truth(_)
            | Value::Moment(_)
            | Value::List(_)
            | Value::Table(_)) => {
                let message = format!("`{}` is {}, not a text", tag.escape_debug(), other.kind());
                Err(Fault::new(message).help(help))
            }
        })
        .collect()
}

/// Another kind of value than the one that is needed.
pub(super) fn wrong_kind(wanted: &str, found: &Value) -> WithoutHelp {
    Fault::new(format!("{wanted} is needed, not {}", found.kind()))
}
