//! A mail server that delivers nothing: it takes each message and hands it to the demo. Speaks
//! just the SMTP that a submitting client needs.

use anyhow::Context as _;
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A line longer than SMTP allows, or a message larger than any of ours, ends the conversation.
const LINE_BYTES_MAX: u64 = 4 * 1024;
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Begins to listen on loopback; messages come out of the receiver as text.
pub(super) async fn start() -> anyhow::Result<(SocketAddr, mpsc::UnboundedReceiver<String>)> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("listening for mail")?;
    let address = listener.local_addr()?;
    let (caught, messages) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let caught = caught.clone();
            tokio::spawn(async move {
                if let Err(error) = converse(stream, &caught).await {
                    tracing::debug!(%error, "A mail client left");
                }
            });
        }
    });
    Ok((address, messages))
}

async fn converse(stream: TcpStream, caught: &mpsc::UnboundedSender<String>) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    stream
        .write_all(b"220 mail catcher of the demo\r\n")
        .await?;
    loop {
        let mut line = String::new();
        if (&mut stream)
            .take(LINE_BYTES_MAX)
            .read_line(&mut line)
            .await?
            == 0
        {
            return Ok(());
        }
        let verb = line
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let reply = match verb.as_str() {
            "EHLO" | "HELO" => "250 good day\r\n",
            "MAIL" | "RCPT" | "RSET" | "NOOP" => "250 fine\r\n",
            "DATA" => {
                stream.write_all(b"354 go on, end with a dot\r\n").await?;
                let message = message(&mut stream).await?;
                caught.send(message)?;
                "250 caught\r\n"
            }
            "QUIT" => {
                stream.write_all(b"221 goodbye\r\n").await?;
                return Ok(());
            }
            _ => "502 not offered\r\n",
        };
        stream.write_all(reply.as_bytes()).await?;
    }
}

async fn message(stream: &mut BufReader<TcpStream>) -> anyhow::Result<String> {
    let mut message = String::new();
    loop {
        let mut line = String::new();
        let read = (&mut *stream)
            .take(LINE_BYTES_MAX)
            .read_line(&mut line)
            .await?;
        anyhow::ensure!(
            read > 0 && message.len() < MESSAGE_BYTES_MAX,
            "the message broke off or is too large"
        );
        if line == ".\r\n" {
            return Ok(message);
        }
        message.push_str(
            line.strip_prefix('.')
                .unwrap_or(&line)
                .trim_end_matches(['\r', '\n']),
        );
        message.push('\n');
    }
}
