//! A TCP line between a client and a server that can be cut or frozen, and a SOCKS and an HTTP proxy.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What becomes of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// It works.
    Whole,
    /// It is closed when the client has sent so many bytes.
    CutAfterSent(u64),
    /// Nothing goes either way when the server has sent so many bytes.
    FrozenAfterReceived(u64),
    /// It takes so many bytes of the client in a second.
    Slow(u64),
    /// The same when the client has sent the first number of bytes.
    SlowAfterSent(u64, u64),
}

impl Fate {
    /// What it takes in a second now, if that is little.
    fn bytes_a_second(self, sent: u64) -> Option<u64> {
        match self {
            Self::Slow(bytes) => Some(bytes),
            Self::SlowAfterSent(limit, bytes) => (sent >= limit).then_some(bytes),
            Self::Whole | Self::CutAfterSent(_) | Self::FrozenAfterReceived(_) => None,
        }
    }
}

/// What a slow line takes at once.
const SLOW_BYTES: u64 = 256;

/// How a client says where it wants to go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tongue {
    /// It does not: there is one server.
    None,
    Socks,
    /// SOCKS with `proxy-user` and `proxy-canary`.
    SocksWithLogin,
    Http,
    /// The same login in HTTP.
    HttpWithLogin,
}

/// Ends with the test.
pub(crate) struct Line {
    pub(crate) port: u16,
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

impl Line {
    /// To the server at this port; the first connection has this fate, the others work.
    pub(crate) async fn to(server: u16, first: Fate) -> Self {
        Self::start(server, first, Tongue::None).await
    }

    pub(crate) async fn speaking(server: u16, tongue: Tongue) -> Self {
        Self::start(server, Fate::Whole, tongue).await
    }

    async fn start(server: u16, first: Fate, tongue: Tongue) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let is_first = shared.connections.fetch_add(1, Ordering::SeqCst) == 0;
                let fate = if is_first { first } else { Fate::Whole };
                let seen = Arc::clone(&shared);
                lines.spawn(async move {
                    // A line that breaks is what is tested.
                    let _ = carry(client, server, fate, tongue, &seen).await;
                });
            }
        });
        Self {
            port,
            seen,
            _tasks: tasks,
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// By servers, over all connections.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.seen.received_bytes.load(Ordering::SeqCst)
    }

    /// By clients, over all connections.
    pub(crate) fn sent_bytes(&self) -> u64 {
        self.seen.sent_bytes.load(Ordering::SeqCst)
    }
}

async fn carry(
    mut client: TcpStream,
    server: u16,
    fate: Fate,
    tongue: Tongue,
    seen: &Seen,
) -> std::io::Result<()> {
    match tongue {
        Tongue::None => {}
        Tongue::Socks | Tongue::SocksWithLogin => socks(&mut client, server, tongue).await,
        Tongue::Http | Tongue::HttpWithLogin => {
            if !http(&mut client, server, tongue).await {
                return Ok(());
            }
        }
    }
    let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
    if matches!(tongue, Tongue::Http | Tongue::HttpWithLogin) {
        // Together with what the server says first, as real proxies may.
        let mut answer = b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n".to_vec();
        server.read_buf(&mut answer).await?;
        client.write_all(&answer).await?;
    }
    let (mut sent, mut received) = (0, 0);
    let (mut up, mut down) = (vec![0; 4096], vec![0; 4096]);
    loop {
        let (mut send_bytes, mut receive_bytes) = (4096, 4096);
        let slow = fate.bytes_a_second(sent);
        match fate {
            Fate::Whole => {}
            Fate::CutAfterSent(limit) if sent >= limit => return Ok(()),
            Fate::CutAfterSent(limit) => send_bytes = (limit - sent).min(4096),
            Fate::FrozenAfterReceived(limit) if received >= limit => {
                return std::future::pending().await;
            }
            Fate::FrozenAfterReceived(limit) => receive_bytes = (limit - received).min(4096),
            Fate::SlowAfterSent(limit, _) if sent < limit => send_bytes = (limit - sent).min(4096),
            Fate::Slow(_) | Fate::SlowAfterSent(..) => send_bytes = SLOW_BYTES,
        }
        let (up, down) = (
            &mut up[..usize::try_from(send_bytes).unwrap()],
            &mut down[..usize::try_from(receive_bytes).unwrap()],
        );
        tokio::select! {
            count = client.read(up) => match count? {
                0 => return Ok(()),
                count => {
                    sent += count as u64;
                    seen.sent_bytes.fetch_add(count as u64, Ordering::SeqCst);
                    server.write_all(&up[..count]).await?;
                    if let Some(bytes_a_second) = slow {
                        let micros = count as u64 * 1_000_000 / bytes_a_second;
                        tokio::time::sleep(Duration::from_micros(micros)).await;
                    }
                }
            },
            count = server.read(down) => match count? {
                0 => return Ok(()),
                count => {
                    received += count as u64;
                    seen.received_bytes.fetch_add(count as u64, Ordering::SeqCst);
                    client.write_all(&down[..count]).await?;
                }
            },
        }
    }
}

/// The server's part of SOCKS 5, which asks for `localhost` at the server's port.
async fn socks(client: &mut TcpStream, server: u16, tongue: Tongue) {
    let mut head = [0; 2];
    client.read_exact(&mut head).await.unwrap();
    let mut methods = vec![0; head[1].into()];
    client.read_exact(&mut methods).await.unwrap();
    if matches!(tongue, Tongue::SocksWithLogin) {
        assert!(methods.contains(&2));
        client.write_all(&[5, 2]).await.unwrap();
        let expect = [&[1, 10][..], b"proxy-user", &[12], b"proxy-canary"].concat();
        let mut login = vec![0; expect.len()];
        client.read_exact(&mut login).await.unwrap();
        assert_eq!(login, expect);
        client.write_all(&[1, 0]).await.unwrap();
    } else {
        client.write_all(&[5, 0]).await.unwrap();
    }
    let expect = [&[5, 1, 0, 3, 9][..], b"localhost", &server.to_be_bytes()].concat();
    let mut ask = vec![0; expect.len()];
    client.read_exact(&mut ask).await.unwrap();
    assert_eq!(ask, expect);
    let answer = [5, 0, 0, 1, 127, 0, 0, 1, 0, 1];
    client.write_all(&answer).await.unwrap();
}

/// The server's part of CONNECT until its answer; false if it refused.
async fn http(client: &mut TcpStream, server: u16, tongue: Tongue) -> bool {
    let mut ask = Vec::new();
    while !ask.ends_with(b"\r\n\r\n") {
        ask.push(client.read_u8().await.unwrap());
    }
    let ask = String::from_utf8(ask).unwrap();
    assert!(
        ask.starts_with(&format!("CONNECT localhost:{server} HTTP/1.1\r\n")),
        "{ask}"
    );
    // `proxy-user:proxy-canary`
    let login = "Proxy-Authorization: Basic cHJveHktdXNlcjpwcm94eS1jYW5hcnk=\r\n";
    if matches!(tongue, Tongue::HttpWithLogin) && !ask.contains(login) {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        client.write_all(refusal).await.unwrap();
        return false;
    }
    true
}

/// Takes connections and says who they are from; nothing is ever answered.
pub(crate) async fn silent_server() -> (SocketAddr, tokio::sync::mpsc::Receiver<IpAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, from)) = listener.accept().await {
            held.push(stream);
            if sender.send(from.ip()).await.is_err() {
                return;
            }
        }
    });
    (address, receiver)
}
