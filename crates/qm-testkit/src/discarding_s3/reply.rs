//! What is answered.

pub(super) struct Reply {
    pub(super) status: &'static str,
    pub(super) headers: String,
    pub(super) body: String,
    /// Of an object, behind the body.
    pub(super) zero_bytes: u64,
    /// For HEAD, which is answered without the body that it tells of.
    pub(super) told_bytes: Option<u64>,
}

impl Reply {
    pub(super) fn empty(status: &'static str) -> Self {
        Self {
            status,
            headers: String::new(),
            body: String::new(),
            zero_bytes: 0,
            told_bytes: None,
        }
    }

    pub(super) fn xml(body: String) -> Self {
        Self {
            body,
            ..Self::empty("200 OK")
        }
    }

    pub(super) fn tagged(etag: &str) -> Self {
        Self {
            headers: format!("ETag: {etag}\r\n"),
            ..Self::empty("200 OK")
        }
    }

    pub(super) fn error(status: &'static str, code: &str) -> Self {
        Self {
            body: format!("<Error><Code>{code}</Code></Error>"),
            ..Self::empty(status)
        }
    }

    /// Without the zeros.
    pub(super) fn text(&self) -> String {
        let sent_bytes = self.body.len() as u64 + self.zero_bytes;
        let length = self.told_bytes.unwrap_or(sent_bytes);
        format!(
            "HTTP/1.1 {}\r\n{}Content-Length: {length}\r\n\r\n{}",
            self.status, self.headers, self.body
        )
    }
}
