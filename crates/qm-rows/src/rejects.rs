//! Rejected rows written out, for whoever sent them and for whoever sends them again.

use qm_core::config::RejectsFormat;

use crate::Reject;

/// Writes rejects one after another; holds none.
#[derive(Debug)]
pub struct RejectsWriter {}

impl RejectsWriter {
    /// Nothing written yet.
    pub fn new(format: RejectsFormat) -> Self;

    /// Appends rejects to bytes that the caller takes away when it likes.
    pub fn write(&mut self, rejects: &[Reject], to: &mut Vec<u8>);

    /// Appends what ends the file. Never called, there is no file.
    pub fn finish(self, to: &mut Vec<u8>);
}
