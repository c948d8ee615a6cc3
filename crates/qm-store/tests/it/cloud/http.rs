//! HTTP as little as the tests need: one request a connection.

use std::io::{Error, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request or an answer: first line, header lines, body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) first_line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn request(method: &str, target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            first_line: format!("{method} {target} HTTP/1.1"),
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub(crate) fn answer(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            first_line: format!("HTTP/1.1 {status} Told by a test"),
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn status(&self) -> u16 {
        let status = self.first_line.split(' ').nth(1);
        status.and_then(|status| status.parse().ok()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn without(&mut self, name: &str) {
        self.headers
            .retain(|(header, _)| !header.eq_ignore_ascii_case(name));
    }

    pub(crate) fn head_bytes(&self) -> Vec<u8> {
        let headers = self.headers.iter();
        let lines: Vec<String> = headers
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        format!("{}\r\n{}\r\n\r\n", self.first_line, lines.join("\r\n")).into_bytes()
    }

    /// Reads one; `None` if the other side closed instead. `is_head` answers have no body.
    pub(crate) async fn read(stream: &mut TcpStream, is_head: bool) -> Result<Option<Self>> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return if bytes.is_empty() {
                    Ok(None)
                } else {
                    Err(Error::other("closed within a head"))
                };
            }
        };
        let body = bytes.split_off(end + 4);
        let head = String::from_utf8(bytes).map_err(Error::other)?;
        let mut lines = head.trim_end().split("\r\n");
        let mut message = Self {
            first_line: lines.next().unwrap_or_default().to_owned(),
            headers: lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body,
        };
        if message
            .header("expect")
            .is_some_and(|expect| expect == "100-continue")
        {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let length = message.header("content-length").map(str::to_owned);
        match length.and_then(|length| length.parse::<usize>().ok()) {
            _ if is_head => {}
            Some(length) => {
                while message.body.len() < length {
                    if stream.read_buf(&mut message.body).await? == 0 {
                        return Err(Error::other("closed within a body"));
                    }
                }
            }
            None if message.first_line.starts_with("HTTP/") => {
                stream.read_to_end(&mut message.body).await?;
                if message.header("transfer-encoding") == Some("chunked") {
                    message.body = joined(&message.body)
                        .ok_or_else(|| Error::other("closed within a chunk"))?;
                }
            }
            None => {}
        }
        Ok(Some(message))
    }

    /// Sends it and reads the answer.
    pub(crate) async fn send(mut self, authority: &str) -> Result<Self> {
        let is_head = self.first_line.starts_with("HEAD ");
        for name in ["host", "connection", "content-length"] {
            self.without(name);
        }
        let length = self.body.len().to_string();
        let request = self
            .with("Host", authority)
            .with("Connection", "close")
            .with("Content-Length", length);
        let mut stream = TcpStream::connect(authority).await?;
        stream.write_all(&request.head_bytes()).await?;
        stream.write_all(&request.body).await?;
        let answer = Self::read(&mut stream, is_head).await?;
        answer.ok_or_else(|| Error::other("no answer"))
    }
}

/// The bytes of a body in chunks.
fn joined(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n")?;
        let length = std::str::from_utf8(&chunks[..end]).ok()?;
        let length = usize::from_str_radix(length, 16).ok()?;
        if length == 0 {
            return Some(bytes);
        }
        bytes.extend_from_slice(chunks.get(end + 2..end + 2 + length)?);
        chunks = chunks.get(end + 4 + length..)?;
    }
}
