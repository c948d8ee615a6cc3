//! An S3 server that keeps nothing of what it takes but how long it is. It lives in this process,
//! whose memory is not the gateway's.

mod kept;
mod reply;
mod request;

use anyhow::{Context as _, Result};
use std::io::{BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use tokio::sync::Mutex;

use super::gateway;
use crate::plan::Contestant;
use kept::Kept;
use request::Request;

/// Read from a connection at a time.
const BLOCK_BYTES: usize = 256 << 10;

/// It takes requests until the process ends.
pub(crate) struct Discarding {
    address: SocketAddr,
}

impl Discarding {
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listening")?;
        let address = listener.local_addr()?;
        let kept: Arc<Mutex<Kept>> = Arc::default();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || {
                    if let Err(error) = serve(&client, &kept) {
                        eprintln!("the S3 server that discards: {error:#}");
                    }
                });
            }
        });
        Ok(Self { address })
    }

    /// A contestant's own as the table of a bucket has it.
    pub(super) fn lines(&self, contestant: Contestant) -> String {
        gateway::lines(&format!("http://{}", self.address), contestant)
    }
}

/// One request of a connection after another.
fn serve(mut client: &TcpStream, kept: &Mutex<Kept>) -> Result<()> {
    client.set_nodelay(true)?;
    let mut from = BufReader::with_capacity(BLOCK_BYTES, client);
    while let Some(request) = Request::read(&mut from)? {
        if request.is_expectant {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        request.discard_body(&mut from)?;
        let reply = kept.blocking_lock().answer(&request);
        client.write_all(reply.text().as_bytes())?;
    }
    Ok(())
}
