//! Where the reader is, as an editor would show it.

/// Where the reader is.
pub(super) struct Place {
    /// From 1.
    line: u64,
    /// Of the next byte.
    offset: u64,
    /// The last byte was a carriage return: a line feed goes with it.
    after_return: bool,
}

impl Place {
    pub(super) fn start() -> Self {
        Self {
            line: 1,
            offset: 0,
            after_return: false,
        }
    }

    pub(super) fn line(&self) -> u64 {
        self.line
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes without line breaks, or whose line breaks are counted later.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.offset += bytes as u64;
        if bytes > 0 {
            self.after_return = false;
        }
    }

    /// The last piece of a row, with its line break; line breaks of the pieces before it.
    pub(super) fn pass_row(&mut self, last: &[u8], line_breaks: u64) {
        self.pass(last.len());
        self.line += line_breaks + memchr::memchr_iter(b'\n', last).count() as u64;
        if last.ends_with(b"\r") {
            self.line += 1;
            self.after_return = true;
        }
    }

    /// Passes line breaks: they end the row before, or are lines with nothing on them.
    pub(super) fn skip_blank(&mut self, bytes: &[u8]) -> usize {
        let breaks = bytes.iter().take_while(|b| matches!(b, b'\n' | b'\r'));
        let blank = breaks.count();
        for byte in &bytes[..blank] {
            let is_return = *byte == b'\r';
            if is_return || !self.after_return {
                self.line += 1;
            }
            self.after_return = is_return;
        }
        self.offset += blank as u64;
        blank
    }

    /// So many bytes are yet to be passed.
    pub(super) fn back(&mut self, bytes: usize) {
        self.offset -= bytes as u64;
    }
}
