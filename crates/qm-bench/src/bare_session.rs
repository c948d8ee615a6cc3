//! SFTP requests written by hand, for what OpenSSH's `sftp` cannot tell: when the first names of
//! a listing come, and what a session costs that asks for nothing.

use anyhow::{Context, Result, bail, ensure};
use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

const INIT: u8 = 1;
const VERSION: u8 = 2;
const OPENDIR: u8 = 11;
const READDIR: u8 = 12;
const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const NAME: u8 = 104;
const STATUS_END_OF_FILE: u32 = 1;
/// As much as OpenSSH's client takes.
const PACKET_BYTES_MAX: u32 = 256 << 10;

/// One connection with the subsystem `sftp`; ends with this value.
pub(crate) struct BareSession {
    child: Child,
    /// `None` once it was told to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// How a listing went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    /// Until the first names came.
    pub(crate) first_page: Duration,
    pub(crate) whole: Duration,
    pub(crate) names: u32,
}

impl BareSession {
    /// Shakes hands: the session is open when this returns.
    pub(crate) fn begin(
        child: Child,
        input: ChildStdin,
        output: BufReader<ChildStdout>,
    ) -> Result<Self> {
        let mut session = Self {
            child,
            input: Some(input),
            output,
        };
        session.send(INIT, &3_u32.to_be_bytes())?;
        let (kind, _) = session
            .receive()
            .context("the server does not speak SFTP")?;
        ensure!(kind == VERSION, "the server answered INIT with {kind}");
        Ok(session)
    }

    /// Reads a folder to its end, a request at a time.
    pub(crate) fn list(&mut self, folder: &Path) -> Result<Listed> {
        let begin = Instant::now();
        let folder = folder.to_str().context("our folders are text")?;
        self.request(OPENDIR, folder.as_bytes())?;
        let (kind, opened) = self.receive()?;
        ensure!(kind == HANDLE, "OPENDIR was answered with {kind}");
        let handle = opened.get(8..).context("a handle is a string")?;
        let mut first_page = None;
        let mut names = 0;
        loop {
            self.request(READDIR, handle)?;
            let (kind, answer) = self.receive()?;
            match kind {
                NAME => {
                    first_page.get_or_insert_with(|| begin.elapsed());
                    names += number(&answer, 4)?;
                }
                STATUS if number(&answer, 4)? == STATUS_END_OF_FILE => break,
                _ => bail!("READDIR was answered with {kind}"),
            }
        }
        Ok(Listed {
            first_page: first_page.context("the folder is empty")?,
            whole: begin.elapsed(),
            names,
        })
    }

    /// Everything of ours is a request with a number and one string.
    fn request(&mut self, kind: u8, text: &[u8]) -> Result<()> {
        let mut body = 0_u32.to_be_bytes().to_vec();
        body.extend(u32::try_from(text.len())?.to_be_bytes());
        body.extend(text);
        self.send(kind, &body)
    }

    fn send(&mut self, kind: u8, body: &[u8]) -> Result<()> {
        let input = self.input.as_mut().context("the session was ended")?;
        let mut packet = u32::try_from(body.len() + 1)?.to_be_bytes().to_vec();
        packet.push(kind);
        packet.extend(body);
        input.write_all(&packet).context("sending a request")
    }

    fn receive(&mut self) -> Result<(u8, Vec<u8>)> {
        receive(&mut self.output)
    }
}

impl Drop for BareSession {
    fn drop(&mut self) {
        // The end of its input ends ssh; by force only what does not answer any more.
        drop(self.input.take());
        if self.output.read_to_end(&mut Vec::new()).is_err() {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

fn receive(output: &mut impl Read) -> Result<(u8, Vec<u8>)> {
    let mut length = [0; 4];
    output
        .read_exact(&mut length)
        .context("the session ended")?;
    let length = u32::from_be_bytes(length);
    ensure!(
        (1..=PACKET_BYTES_MAX).contains(&length),
        "a packet of {length} bytes"
    );
    let mut packet = vec![0; length as usize];
    output
        .read_exact(&mut packet)
        .context("the session ended")?;
    Ok((packet.remove(0), packet))
}

fn number(packet: &[u8], at: usize) -> Result<u32> {
    let bytes = packet.get(at..at + 4).context("a packet is too short")?;
    Ok(u32::from_be_bytes(bytes.try_into()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets() {
        let packet = [0, 0, 0, 9, NAME, 0, 0, 0, 0, 0, 0, 1, 2];
        let (kind, body) = receive(&mut &packet[..]).unwrap();
        assert_eq!((kind, number(&body, 4).unwrap()), (NAME, 258));
        assert!(number(&body, 5).is_err());
        assert!(receive(&mut &packet[..12]).is_err());
        assert!(receive(&mut &[0, 0, 0, 0, 1][..]).is_err());
        assert!(receive(&mut &[255, 0, 0, 0, 1][..]).is_err());
    }
}
