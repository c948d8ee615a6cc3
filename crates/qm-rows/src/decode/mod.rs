//! From the bytes of a file to text in UTF-8, a bounded piece at a time: gzip is unpacked, other
//! encodings are translated, a byte-order mark is dropped.

mod gzip;
mod text;

use qm_core::Result;
use qm_core::config::Encoding;

use gzip::Gzip;
use text::Text;

/// Bytes of a file on their way to a reader.
pub(crate) struct Decode {
    gzip: Option<Gzip>,
    /// `None`: the bytes are no text, or are still unknown.
    text: Option<Text>,
    is_text: bool,
    encoding: Encoding,
    /// The first bytes, until they say what the file is.
    head: Vec<u8>,
    is_known: bool,
    is_ended: bool,
    unpacked: Vec<u8>,
    decoded: Vec<u8>,
    /// How much of `decoded` the reader has.
    taken: usize,
}

/// What is gone through at once.
const PIECE: usize = 64 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

impl Decode {
    /// `is_text` is false for workbooks, whose bytes are only unpacked.
    pub(crate) fn new(encoding: Encoding, is_text: bool) -> Self {
        Self {
            gzip: None,
            text: None,
            is_text,
            encoding,
            head: Vec::new(),
            is_known: false,
            is_ended: false,
            unpacked: Vec::new(),
            decoded: Vec::new(),
            taken: 0,
        }
    }

    /// True if the file's bytes are what a reader reads: they need not come here.
    pub(crate) fn is_idle(&self) -> bool {
        let is_plain = self.text.as_ref().map_or(!self.is_text, Text::is_plain);
        self.is_known && self.gzip.is_none() && is_plain && self.waiting().is_empty()
    }

    /// Text for the reader.
    pub(crate) fn waiting(&self) -> &[u8] {
        &self.decoded[self.taken..]
    }

    /// The reader has so much of it.
    pub(crate) fn take(&mut self, bytes: usize) {
        self.taken += bytes;
    }

    /// Takes some of the file's bytes, when nothing waits and [`Decode::unpack`] has no more.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> usize {
        if !self.is_known {
            let taken = bytes.len().min(GZIP_MAGIC.len() - self.head.len());
            self.head.extend_from_slice(&bytes[..taken]);
            if self.head.len() == GZIP_MAGIC.len() {
                self.know();
            }
            return taken;
        }
        let taken = bytes.len().min(PIECE);
        match &mut self.gzip {
            Some(gzip) => gzip.feed(&bytes[..taken]),
            None => self.decode_plain(&bytes[..taken]),
        }
        taken
    }

    /// Makes more text wait, of what was fed. False if there is none.
    pub(crate) fn unpack(&mut self) -> Result<bool> {
        if !self.waiting().is_empty() {
            return Ok(true);
        }
        while let Some(gzip) = &mut self.gzip {
            self.unpacked.resize(PIECE, 0);
            let length = gzip.read(&mut self.unpacked)?;
            if length == 0 {
                return Ok(false);
            }
            let unpacked = std::mem::take(&mut self.unpacked);
            self.decode_plain(&unpacked[..length]);
            self.unpacked = unpacked;
            if !self.waiting().is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The file has no more bytes. Makes the last text wait; false if there is none.
    pub(crate) fn end(&mut self) -> Result<bool> {
        if !self.is_known {
            self.know();
        }
        if let Some(gzip) = &mut self.gzip {
            gzip.end();
        }
        if self.unpack()? {
            return Ok(true);
        }
        if !self.is_ended {
            self.is_ended = true;
            self.clear();
            if let Some(text) = &mut self.text {
                text.end(&mut self.decoded);
            }
        }
        Ok(!self.waiting().is_empty())
    }

    /// The first bytes are there.
    fn know(&mut self) {
        self.is_known = true;
        let head = std::mem::take(&mut self.head);
        self.text = self.is_text.then(|| Text::new(self.encoding));
        if head == GZIP_MAGIC {
            let mut gzip = Gzip::new();
            gzip.feed(&head);
            self.gzip = Some(gzip);
        } else {
            self.decode_plain(&head);
        }
    }

    fn clear(&mut self) {
        self.decoded.clear();
        self.taken = 0;
    }

    fn decode_plain(&mut self, bytes: &[u8]) {
        if self.waiting().is_empty() {
            self.clear();
        }
        match &mut self.text {
            Some(text) => text.decode(bytes, &mut self.decoded),
            None => self.decoded.extend_from_slice(bytes),
        }
    }
}
