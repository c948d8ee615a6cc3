//! An S3 server that keeps nothing of what it takes but how long it is, and gives zeros back. It
//! lives in this process, whose memory is not that of whoever is looked at.
#![expect(clippy::print_stderr, reason = "a helper of tests")]

mod kept;
mod object;
mod reply;
mod request;
#[cfg(test)]
mod tests;

use parking_lot::Mutex;
use std::io::{self, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use kept::Kept;
use request::Request;

pub use object::Taken;

/// Read from a connection at a time, or written to it.
const BLOCK_BYTES: usize = 256 << 10;

static ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

/// It takes requests until the process ends. Every bucket that is named is there.
pub struct DiscardingS3 {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
}

impl DiscardingS3 {
    /// On a free port of this machine.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let kept: Arc<Mutex<Kept>> = Arc::default();
        let of_thread = Arc::clone(&kept);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&of_thread);
                std::thread::spawn(move || {
                    if let Err(error) = serve(&client, &kept) {
                        eprintln!("the S3 server that discards: {error}");
                    }
                });
            }
        });
        Ok(Self { address, kept })
    }

    /// `http://…`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was taken under a key, and is there now.
    pub fn object(&self, bucket: &str, key: &str) -> Option<Taken> {
        self.kept.lock().object(bucket, key)
    }

    /// How many uploads in parts were begun and neither completed nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.kept.lock().open_uploads()
    }

    /// How many bytes of objects were asked for.
    pub fn sent_bytes(&self) -> u64 {
        self.kept.lock().sent_bytes()
    }
}

/// One request of a connection after another.
fn serve(mut client: &TcpStream, kept: &Mutex<Kept>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut from = BufReader::with_capacity(BLOCK_BYTES, client);
    while let Some(request) = Request::read(&mut from)? {
        if request.is_expectant() {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        request.discard_body(&mut from)?;
        let reply = kept.lock().answer(&request);
        client.write_all(reply.text().as_bytes())?;
        send_zeros(client, reply.zero_bytes)?;
    }
    Ok(())
}

fn send_zeros(mut client: &TcpStream, size_bytes: u64) -> io::Result<()> {
    let mut left = size_bytes;
    while left > 0 {
        let length = usize::try_from(left).map_or(BLOCK_BYTES, |left| left.min(BLOCK_BYTES));
        client.write_all(&ZEROS[..length])?;
        left -= length as u64;
    }
    Ok(())
}
