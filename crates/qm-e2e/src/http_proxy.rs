//! Between a client and a server over HTTP: counts the requests, keeps what was answered, answers
//! some itself, and holds some.

use anyhow::{Context as _, Result, bail, ensure};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};

use crate::wait;

/// A request that is larger is no test's: two parts of an upload.
const BODY_BYTES_MAX: usize = 32 << 20;

/// Passes one request a connection; ends with the process.
#[derive(Debug)]
pub struct HttpProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// Where a request is held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hold {
    /// Before the server has it.
    Before,
    /// When the server has done it, and whoever asked does not know.
    After,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    /// The gate was opened.
    opened: Condvar,
}

/// What lets no request of a kind pass.
#[derive(Clone, Debug)]
struct Gate {
    /// All of them are in its `METHOD path?query`.
    parts: &'static [&'static str],
    hold: Hold,
    fate: Arc<OnceLock<Fate>>,
}

/// What becomes of requests that were held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    GoesOn,
    Lost,
}

#[derive(Debug, Default)]
struct Seen {
    /// `METHOD path?query` of each request, oldest first.
    lines: Vec<String>,
    /// The `X-Amz-Target` of each request, oldest first.
    targets: Vec<String>,
    /// Of each request that is signed, oldest first.
    credentials: Vec<String>,
    answers: Vec<String>,
    faults: VecDeque<String>,
    gate: Option<Gate>,
    /// How many requests wait at it.
    held: usize,
    /// How many requests are not answered, those that are held among them.
    under_way: usize,
}

impl HttpProxy {
    /// In front of `server`.
    pub fn start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared: Arc<Shared> = Arc::default();
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&of_thread);
                // Whoever hangs up has its answer or does not want it.
                std::thread::spawn(move || pass(&client, server, &shared));
            }
        });
        Ok(Self { address, shared })
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often this operation was asked for since the last call.
    pub fn take_count(&self, operation: &str) -> usize {
        let end = format!(".{operation}");
        let mut seen = self.shared.seen.lock();
        let before = seen.targets.len();
        seen.targets.retain(|target| !target.ends_with(&end));
        before - seen.targets.len()
    }

    /// What was asked for since the last call, oldest first: `METHOD path?query`.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.seen.lock().lines)
    }

    /// As whom signed requests came since the last call, oldest first:
    /// `ACCESS-KEY/DATE/REGION/SERVICE/aws4_request`.
    pub fn take_credentials(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.seen.lock().credentials)
    }

    /// All that the server answered.
    pub fn answers(&self) -> Vec<String> {
        self.shared.seen.lock().answers.clone()
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
        self.shared.seen.lock().faults.extend(faults);
    }

    /// From now on every request is held whose `METHOD path?query` has all of these parts in it.
    pub fn hold(&self, parts: &'static [&'static str], hold: Hold) {
        let mut seen = self.shared.seen.lock();
        seen.held = 0;
        seen.gate = Some(Gate {
            parts,
            hold,
            fate: Arc::default(),
        });
    }

    /// Waits until a request is held, and no other is under way.
    pub fn wait_until_held(&self) -> Result<()> {
        wait::until_true("a request is held", || {
            let seen = self.shared.seen.lock();
            Ok(seen.held > 0 && seen.held == seen.under_way)
        })
    }

    /// What is held goes on, and nothing is held any more.
    pub fn release(&self) {
        self.shared.open(Fate::GoesOn);
    }

    /// What is held is lost with its connection, and nothing is held any more.
    pub fn lose_held(&self) {
        self.shared.open(Fate::Lost);
    }
}

impl Shared {
    /// Notes a request; what it is answered instead, if that is wanted.
    fn begin(&self, request: &Request) -> Option<String> {
        let mut seen = self.seen.lock();
        seen.under_way += 1;
        seen.lines.push(request.line.clone());
        seen.targets.push(request.target.clone());
        seen.credentials.extend(request.credential.clone());
        seen.faults.pop_front()
    }

    fn open(&self, fate: Fate) {
        let mut seen = self.seen.lock();
        if let Some(gate) = seen.gate.take() {
            // Set once, because it was taken; under the lock, because others just begin to wait.
            let _ = gate.fate.set(fate);
        }
        drop(seen);
        self.opened.notify_all();
    }

    /// Returns when the request may go on; an error if it never may.
    fn wait_at(&self, hold: Hold, line: &str) -> Result<()> {
        let mut seen = self.seen.lock();
        let gate = seen
            .gate
            .clone()
            .filter(|gate| gate.hold == hold && gate.parts.iter().all(|part| line.contains(part)));
        let Some(gate) = gate else { return Ok(()) };
        seen.held += 1;
        self.opened
            .wait_while(&mut seen, |_| gate.fate.get().is_none());
        if gate.fate.get() == Some(&Fate::Lost) {
            bail!("lost, as the test wants it");
        }
        Ok(())
    }
}

fn pass(client: &TcpStream, server: SocketAddr, shared: &Shared) -> Result<()> {
    let request = Request::read(client)?;
    if request.line.is_empty() {
        // Hung up without a question.
        return Ok(());
    }
    let fault = shared.begin(&request);
    let passed = match fault {
        Some(fault) => answer(client, fault.as_bytes()),
        None => request.pass_on(client, server, shared),
    };
    shared.seen.lock().under_way -= 1;
    passed
}

/// One request.
#[derive(Debug, Default)]
struct Request {
    /// `METHOD path?query`.
    line: String,
    target: String,
    credential: Option<String>,
    /// Without what is said of the connection.
    head: String,
    body: Vec<u8>,
}

impl Request {
    fn read(client: &TcpStream) -> Result<Self> {
        let mut from = BufReader::new(client);
        let mut request = Self::default();
        let mut length = 0;
        loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if request.line.is_empty() {
                let words: Vec<&str> = line.split(' ').take(2).collect();
                request.line = words.join(" ");
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse()?,
                "x-amz-target" => value.trim().clone_into(&mut request.target),
                "authorization" => request.credential = credential(value),
                "connection" => continue,
                _ => {}
            }
            request.head.push_str(&line);
        }
        ensure!(length <= BODY_BYTES_MAX, "{length} bytes");
        request.body = vec![0; length];
        from.read_exact(&mut request.body)?;
        Ok(request)
    }

    fn pass_on(&self, client: &TcpStream, server: SocketAddr, shared: &Shared) -> Result<()> {
        shared.wait_at(Hold::Before, &self.line)?;
        let mut behind = TcpStream::connect(server)?;
        write!(behind, "{}Connection: close\r\n\r\n", self.head)?;
        behind.write_all(&self.body)?;
        let mut said = Vec::new();
        behind.read_to_end(&mut said)?;
        let text = String::from_utf8_lossy(&said).into_owned();
        shared.seen.lock().answers.push(text);
        shared.wait_at(Hold::After, &self.line)?;
        answer(client, &said)
    }
}

/// Who signed, as the signature's header says.
fn credential(authorization: &str) -> Option<String> {
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split(',').next().map(str::to_owned)
}

fn answer(mut client: &TcpStream, said: &[u8]) -> Result<()> {
    client.write_all(said).context("answering")
}
