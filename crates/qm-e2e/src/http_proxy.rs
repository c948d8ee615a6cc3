//! Between a client and a server over HTTP: counts the requests, keeps what was answered, and
//! answers some itself.

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// A request that is larger is no test's.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Passes one request a connection; ends with the process.
#[derive(Debug)]
pub struct HttpProxy {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// `METHOD path?query` of each request, oldest first.
    lines: Vec<String>,
    /// The `X-Amz-Target` of each request, oldest first.
    targets: Vec<String>,
    answers: Vec<String>,
    faults: VecDeque<String>,
}

impl HttpProxy {
    /// In front of `server`.
    pub fn start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&shared);
                // Whoever hangs up has its answer or does not want it.
                std::thread::spawn(move || pass(&client, server, &seen));
            }
        });
        Ok(Self { address, seen })
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often this operation was asked for since the last call.
    pub fn take_count(&self, operation: &str) -> usize {
        let end = format!(".{operation}");
        let mut seen = self.seen.lock();
        let before = seen.targets.len();
        seen.targets.retain(|target| !target.ends_with(&end));
        before - seen.targets.len()
    }

    /// What was asked for since the last call, oldest first: `METHOD path?query`.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().lines)
    }

    /// All that the server answered.
    pub fn answers(&self) -> Vec<String> {
        self.seen.lock().answers.clone()
    }

    /// The next `times` requests are answered by an error with this code.
    pub fn fail(&self, times: usize, code: &str) {
        let body = format!(r#"{{"__type":"{code}","message":"as the test wants it"}}"#);
        let answer = format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.1\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let faults = std::iter::repeat_n(answer, times);
        self.seen.lock().faults.extend(faults);
    }
}

fn pass(client: &TcpStream, server: SocketAddr, seen: &Mutex<Seen>) -> Result<()> {
    let mut from = BufReader::new(client);
    let mut head = String::new();
    let mut length = 0;
    let mut target = String::new();
    let mut asked = None;
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if asked.is_none() {
            let words: Vec<&str> = line.split(' ').take(2).collect();
            asked = Some(words.join(" "));
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse()?,
            "x-amz-target" => value.trim().clone_into(&mut target),
            "connection" => continue,
            _ => {}
        }
        head.push_str(&line);
    }
    anyhow::ensure!(length <= BODY_BYTES_MAX, "{length} bytes");
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    let fault = {
        let mut seen = seen.lock();
        seen.lines.extend(asked);
        seen.targets.push(target);
        seen.faults.pop_front()
    };
    let mut to = client;
    if let Some(fault) = fault {
        return to.write_all(fault.as_bytes()).context("answering");
    }
    let mut behind = TcpStream::connect(server)?;
    write!(behind, "{head}Connection: close\r\n\r\n")?;
    behind.write_all(&body)?;
    let mut answer = Vec::new();
    behind.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    seen.lock().answers.push(text);
    to.write_all(&answer).context("answering")
}
