//! What is asked, and the body that goes nowhere.

use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeMap;
use std::io::{BufRead, Read, copy, sink};

const METADATA: &str = "x-amz-meta-";

#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    /// Behind the name of the bucket.
    pub(super) key: String,
    query: BTreeMap<String, String>,
    pub(super) metadata: Vec<(String, String)>,
    /// As it comes.
    body_bytes: u64,
    /// Without what frames it.
    content_bytes: Option<u64>,
    /// It sends its body when it is told to.
    pub(super) is_expectant: bool,
    pub(super) is_copy: bool,
}

impl Request {
    /// `None` behind the last one.
    pub(super) fn read(from: &mut impl BufRead) -> Result<Option<Self>> {
        let mut first = String::new();
        if from.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let mut words = first.split_whitespace();
        let method = words.next().context("a request has a method")?;
        let target = words.next().context("a request has a target")?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let key = path.trim_start_matches('/').split_once('/');
        let mut request = Self {
            method: method.to_owned(),
            key: decoded(key.map_or("", |(_, key)| key)),
            query: query.split('&').map(parameter).collect(),
            ..Self::default()
        };
        loop {
            let mut line = String::new();
            ensure!(from.read_line(&mut line)? > 0, "a request broke off");
            if line.trim_end().is_empty() {
                return Ok(Some(request));
            }
            let (name, value) = line.split_once(':').context("a header has a name")?;
            request.note(&name.to_ascii_lowercase(), value.trim())?;
        }
    }

    fn note(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "content-length" => self.body_bytes = value.parse()?,
            "x-amz-decoded-content-length" => self.content_bytes = Some(value.parse()?),
            "transfer-encoding" => bail!("a body does not say how long it is"),
            "expect" => self.is_expectant = true,
            "x-amz-copy-source" => self.is_copy = true,
            _ if name.starts_with(METADATA) => {
                self.metadata.push((name.to_owned(), value.to_owned()));
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn discard_body(&self, from: &mut impl Read) -> Result<()> {
        let read = copy(&mut from.take(self.body_bytes), &mut sink())?;
        ensure!(read == self.body_bytes, "a body broke off");
        Ok(())
    }

    pub(super) fn has(&self, parameter: &str) -> bool {
        self.query.contains_key(parameter)
    }

    pub(super) fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub(super) fn content_bytes(&self) -> u64 {
        self.content_bytes.unwrap_or(self.body_bytes)
    }
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
