//! Text in any of the declared encodings, to UTF-8.

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};
use qm_core::config::Encoding;

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF16_LITTLE_MARK: &[u8] = b"\xff\xfe";
const UTF16_BIG_MARK: &[u8] = b"\xfe\xff";
/// What stands where bytes are no text: no UTF-8, so that the row it is in is rejected.
const WRONG: u8 = 0xff;
/// Bytes of UTF-8 that one call makes.
const ROOM: usize = 8 * 1024;

/// Text being decoded.
pub(super) struct Text {
    encoding: Encoding,
    state: State,
}

enum State {
    /// Before it is known whether there is a byte-order mark.
    Mark(Vec<u8>),
    /// UTF-8, checked row by row by its reader.
    Plain,
    Other(Box<Decoder>),
}

impl Text {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            state: State::Mark(Vec::new()),
        }
    }

    /// True if the bytes to come are what they become.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.state, State::Plain)
    }

    pub(super) fn decode(&mut self, bytes: &[u8], to: &mut Vec<u8>) {
        match &mut self.state {
            State::Mark(head) => {
                let taken = bytes.len().min(UTF8_MARK.len() - head.len());
                head.extend_from_slice(&bytes[..taken]);
                let is_open = head.len() < UTF8_MARK.len() && UTF8_MARK.starts_with(head);
                let is_open = is_open || head.len() < UTF16_BIG_MARK.len();
                if !is_open {
                    self.begin(to);
                    self.decode(&bytes[taken..], to);
                }
            }
            State::Plain => to.extend_from_slice(bytes),
            State::Other(decoder) => decode(decoder, bytes, to, Last::No),
        }
    }

    pub(super) fn end(&mut self, to: &mut Vec<u8>) {
        if let State::Mark(_) = self.state {
            self.begin(to);
        }
        if let State::Other(decoder) = &mut self.state {
            decode(decoder, &[], to, Last::Yes);
        }
    }

    fn begin(&mut self, to: &mut Vec<u8>) {
        let State::Mark(head) = std::mem::replace(&mut self.state, State::Plain) else {
            return;
        };
        let other = |encoding: &'static encoding_rs::Encoding| {
            State::Other(Box::new(encoding.new_decoder_without_bom_handling()))
        };
        let (state, mark) = if head.starts_with(UTF16_LITTLE_MARK) {
            (other(UTF_16LE), UTF16_LITTLE_MARK.len())
        } else if head.starts_with(UTF16_BIG_MARK) {
            (other(UTF_16BE), UTF16_BIG_MARK.len())
        } else if head.starts_with(UTF8_MARK) {
            (State::Plain, UTF8_MARK.len())
        } else {
            let state = match self.encoding {
                Encoding::Utf8 => State::Plain,
                Encoding::Utf16 => other(UTF_16LE),
                Encoding::Latin1 => other(WINDOWS_1252),
            };
            (state, 0)
        };
        self.state = state;
        self.decode(&head[mark..], to);
    }
}

/// Whether more bytes follow.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Last {
    Yes,
    No,
}

fn decode(decoder: &mut Decoder, mut bytes: &[u8], to: &mut Vec<u8>, last: Last) {
    loop {
        let start = to.len();
        to.resize(start + ROOM, 0);
        let (result, read, written) =
            decoder.decode_to_utf8_without_replacement(bytes, &mut to[start..], last == Last::Yes);
        to.truncate(start + written);
        bytes = &bytes[read..];
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => to.push(WRONG),
        }
    }
}
