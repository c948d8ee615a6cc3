//! To the server's port: directly or by way of a proxy, from the address that was asked for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use qm_core::config::{Proxy, ProxyKind};
use qm_core::ports::access::Secret;
use qm_core::{Error, Kind, Result};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio_socks::tcp::Socks5Stream;

/// An address of several that does not answer must not take the time of the others.
const ADDRESSES_TIME_PART: u32 = 3;
/// A proxy's answer with all its headers.
const PROXY_ANSWER_BYTES_MAX: usize = 8 * 1024;

/// Where the server is and how it is reached.
pub(super) struct Reach {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) proxy: Option<Proxy<Secret>>,
    pub(super) source: Option<IpAddr>,
}

impl Reach {
    /// A connection to the server's port, and in words where it leads.
    pub(super) async fn connect(&self, limit: Duration) -> Result<(TcpStream, String)> {
        let connecting = async {
            match &self.proxy {
                None => self.dial(&self.host, self.port, limit).await,
                Some(proxy) => self.by_way_of(proxy, limit).await,
            }
        };
        let connected = tokio::time::timeout(limit, connecting).await.map_err(|_| {
            let error = Error::new(Kind::Timeout, "no connection to the SFTP server in time");
            self.place(error)
        })?;
        let (stream, address) = connected.map_err(|error| self.place(error))?;
        // Requests are small and waited for.
        stream
            .set_nodelay(true)
            .map_err(|cause| self.place(unreachable(cause)))?;
        let words = match &self.proxy {
            None => format!("connected to {address}"),
            Some(proxy) => format!(
                "connected to {}:{} by way of the proxy {}:{} ({address})",
                self.host, self.port, proxy.host, proxy.port
            ),
        };
        Ok((stream, words))
    }

    async fn dial(
        &self,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<(TcpStream, SocketAddr)> {
        let found = lookup_host((host, port)).await.map_err(|cause| {
            Error::new(Kind::Unavailable, "the host name is not known").source(cause)
        })?;
        let addresses: Vec<SocketAddr> = found
            .filter(|address| {
                self.source
                    .is_none_or(|own| own.is_ipv4() == address.is_ipv4())
            })
            .collect();
        let mut last = Error::new(
            Kind::Unavailable,
            "the host has no address of the family of `source_address`",
        );
        let each = match addresses.len() {
            0 | 1 => limit,
            _ => limit / ADDRESSES_TIME_PART,
        };
        for address in addresses {
            match tokio::time::timeout(each, self.dial_one(address)).await {
                Ok(Ok(stream)) => return Ok((stream, address)),
                Ok(Err(cause)) => last = unreachable(cause).with("address", address),
                Err(_) => {
                    last = Error::new(Kind::Timeout, "an address does not answer")
                        .with("address", address);
                }
            }
        }
        Err(last)
    }

    async fn dial_one(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        if let Some(own) = self.source {
            socket.bind(SocketAddr::new(own, 0))?;
        }
        socket.connect(address).await
    }

    async fn by_way_of(
        &self,
        proxy: &Proxy<Secret>,
        limit: Duration,
    ) -> Result<(TcpStream, SocketAddr)> {
        let refused = |sentence: String| Error::new(Kind::Unavailable, sentence);
        let (mut stream, address) = self
            .dial(&proxy.host, proxy.port, limit)
            .await
            .map_err(|error| refused("the proxy is not reached".to_owned()).source(error))?;
        match proxy.kind {
            ProxyKind::Socks5 => {
                let server = (self.host.as_str(), self.port);
                let tunnel = match &proxy.login {
                    None => Socks5Stream::connect_with_socket(stream, server).await,
                    Some((user, password)) => {
                        let password = password.reveal();
                        Socks5Stream::connect_with_password_and_socket(
                            stream, server, user, password,
                        )
                        .await
                    }
                };
                // Its errors repeat what the proxy says and never the login.
                let tunnel = tunnel.map_err(|cause| {
                    refused(format!("the SOCKS proxy does not connect: {cause}"))
                })?;
                Ok((tunnel.into_inner(), address))
            }
            ProxyKind::HttpConnect => {
                let status = self.http_connect(proxy, &mut stream).await;
                let status = status.map_err(|cause| {
                    refused("the HTTP proxy does not answer as one".to_owned()).source(cause)
                })?;
                match status {
                    200..300 => Ok((stream, address)),
                    407 => Err(refused(
                        "the HTTP proxy wants another login (407)".to_owned(),
                    )),
                    other => Err(refused(format!("the HTTP proxy does not connect: {other}"))),
                }
            }
        }
    }

    /// Asks for the tunnel and reads no byte beyond the answer: an SSH server speaks first.
    async fn http_connect(&self, proxy: &Proxy<Secret>, stream: &mut TcpStream) -> io::Result<u16> {
        let server = if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        let login = proxy
            .login
            .as_ref()
            .map_or_else(String::new, |(user, password)| {
                let login = STANDARD.encode(format!("{user}:{}", password.reveal()));
                format!("Proxy-Authorization: Basic {login}\r\n")
            });
        let ask = format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n{login}\r\n");
        stream.write_all(ask.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() == PROXY_ANSWER_BYTES_MAX {
                return Err(io::Error::other("an answer without end"));
            }
            answer.push(stream.read_u8().await?);
        }
        let text = String::from_utf8_lossy(&answer);
        let mut words = text.split_whitespace();
        let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
        words
            .next()
            .filter(|_| is_http)
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| io::Error::other("no status line of HTTP"))
    }

    fn place(&self, error: Error) -> Error {
        error
            .during("connecting")
            .with("host", self.host.escape_debug())
            .with("port", self.port)
    }
}

fn unreachable(cause: io::Error) -> Error {
    Error::new(Kind::Unavailable, "the SFTP server is not reached").source(cause)
}
