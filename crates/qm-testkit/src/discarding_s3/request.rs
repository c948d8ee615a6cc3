//! What is asked, and the body that goes nowhere.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, copy, sink};
use std::ops::Range;

const METADATA: &str = "x-amz-meta-";

pub(super) struct Request {
    pub(super) method: String,
    pub(super) bucket: String,
    /// Empty if the bucket itself is meant.
    pub(super) key: String,
    query: BTreeMap<String, String>,
    /// By their names in small letters.
    headers: BTreeMap<String, String>,
    /// As it comes.
    body_bytes: u64,
    /// Without what frames it.
    pub(super) content_bytes: u64,
}

impl Request {
    /// `None` behind the last one.
    pub(super) fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut first = String::new();
        if from.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let mut words = first.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(broken("a request lacks its method or its target"));
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (bucket, key) = place(path);
        let headers = headers(from)?;
        if headers.contains_key("transfer-encoding") {
            return Err(broken("a body does not say how long it is"));
        }
        let number = |name: &str| {
            let value = headers.get(name).map(|value| value.parse::<u64>());
            value.transpose().map_err(io::Error::other)
        };
        let body_bytes = number("content-length")?.unwrap_or_default();
        let content_bytes = number("x-amz-decoded-content-length")?.unwrap_or(body_bytes);
        Ok(Some(Self {
            method: method.to_owned(),
            bucket,
            key,
            query: query.split('&').map(parameter).collect(),
            headers,
            body_bytes,
            content_bytes,
        }))
    }

    pub(super) fn discard_body(&self, from: &mut impl Read) -> io::Result<()> {
        let read = copy(&mut from.take(self.body_bytes), &mut sink())?;
        if read < self.body_bytes {
            return Err(broken("a body broke off"));
        }
        Ok(())
    }

    /// It sends its body when it is told to.
    pub(super) fn is_expectant(&self) -> bool {
        self.headers.contains_key("expect")
    }

    pub(super) fn has(&self, parameter: &str) -> bool {
        self.query.contains_key(parameter)
    }

    pub(super) fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Bucket and key.
    pub(super) fn place(&self) -> (String, String) {
        (self.bucket.clone(), self.key.clone())
    }

    /// Bucket and key of what is copied, if something is.
    pub(super) fn copy_source(&self) -> Option<(String, String)> {
        self.header("x-amz-copy-source").map(place)
    }

    pub(super) fn metadata(&self) -> Vec<(String, String)> {
        self.headers
            .iter()
            .filter(|(name, _)| name.starts_with(METADATA))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Which bytes of an object a header means, all if it is not there; `None` if it cannot be read,
    /// or not all of them are there.
    pub(super) fn range(&self, header: &str, size_bytes: u64) -> Option<Range<u64>> {
        let Some(text) = self.header(header) else {
            return Some(0..size_bytes);
        };
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let range = first.parse::<u64>().ok()?..last.parse::<u64>().ok()?.checked_add(1)?;
        (range.start < range.end && range.end <= size_bytes).then_some(range)
    }
}

/// Up to the empty line.
fn headers(from: &mut impl BufRead) -> io::Result<BTreeMap<String, String>> {
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err(broken("a request broke off"));
        }
        if line.trim_end().is_empty() {
            return Ok(headers);
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err(broken("a header lacks its name"));
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}

fn broken(how: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, how)
}

/// Bucket and key.
fn place(path: &str) -> (String, String) {
    let path = decoded(path.trim_start_matches('/'));
    let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
    (bucket.to_owned(), key.to_owned())
}

fn parameter(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (decoded(name), decoded(value))
}

/// Without the `%` of addresses.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits: Vec<u8> = rest.by_ref().take(2).collect();
        let digits = String::from_utf8_lossy(&digits);
        bytes.extend(u8::from_str_radix(&digits, 16).ok());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
