//! A small SMTP server on a port of its own: speaks the real protocol, answers as a test
//! scripts, and keeps what it was told.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// How the server behaves.
#[derive(Clone, Default)]
pub(crate) struct Manners {
    /// Its first line; `220` if not said otherwise.
    pub(crate) greeting: Option<&'static str>,
    /// (beginning of a command, answer); the first that fits.
    pub(crate) answers: Vec<(&'static str, &'static str)>,
    /// Closes the connection at a command that begins so.
    pub(crate) hangs_up_at: Option<&'static str>,
    /// Never says a word.
    pub(crate) is_mute: bool,
    /// Lines of the answer to EHLO besides its name.
    pub(crate) offers: Vec<&'static str>,
    /// How TLS is begun, if it is.
    pub(crate) tls: Option<(TlsAcceptor, Begins)>,
}

/// When TLS begins.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Begins {
    /// With the first byte.
    AtOnce,
    /// After STARTTLS.
    WhenAsked,
}

/// A message as the server took it.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) recipients: Vec<String>,
    pub(crate) data: String,
}

#[derive(Default)]
struct Heard {
    commands: Vec<String>,
    taken: Vec<Taken>,
    connections: u32,
}

pub(crate) struct SmtpPeer {
    pub(crate) port: u16,
    heard: Arc<Mutex<Heard>>,
    manners: Arc<Mutex<Manners>>,
    server: tokio::task::JoinHandle<()>,
}

impl SmtpPeer {
    pub(crate) async fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let manners = Arc::new(Mutex::new(manners));
        let (kept, current) = (Arc::clone(&heard), Arc::clone(&manners));
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                kept.lock().connections += 1;
                let manners = current.lock().clone();
                tokio::spawn(connection(stream, manners, Arc::clone(&kept)));
            }
        });
        Self {
            port,
            heard,
            manners,
            server,
        }
    }

    /// Behaves so from the next connection on.
    pub(crate) fn behaves(&self, manners: Manners) {
        *self.manners.lock() = manners;
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.heard.lock().taken.clone()
    }

    pub(crate) fn connections(&self) -> u32 {
        self.heard.lock().connections
    }

    /// True if a command that begins so was heard.
    pub(crate) fn heard(&self, beginning: &str) -> bool {
        let heard = self.heard.lock();
        heard.commands.iter().any(|c| c.starts_with(beginning))
    }
}

impl Drop for SmtpPeer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Ends when either side has enough; what went wrong is the test's to find.
async fn connection(
    stream: tokio::net::TcpStream,
    manners: Manners,
    heard: Arc<Mutex<Heard>>,
) -> std::io::Result<()> {
    if manners.is_mute {
        let mut lines = BufReader::new(stream).lines();
        while lines.next_line().await?.is_some() {}
        return Ok(());
    }
    let begins = manners.tls.as_ref().map(|(_, begins)| *begins);
    let acceptor = manners.tls.as_ref().map(|(acceptor, _)| acceptor.clone());
    match (acceptor, begins) {
        (Some(acceptor), Some(Begins::AtOnce)) => {
            let stream = acceptor.accept(stream).await?;
            converse(stream, &manners, &heard, Greets::Yes).await?;
        }
        (Some(acceptor), _) => {
            if let Some(stream) = converse(stream, &manners, &heard, Greets::Yes).await? {
                let stream = acceptor.accept(stream).await?;
                converse(stream, &manners, &heard, Greets::No).await?;
            }
        }
        (None, _) => {
            converse(stream, &manners, &heard, Greets::Yes).await?;
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Greets {
    Yes,
    No,
}

/// Returns the stream if the client asked for TLS and may have it.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    manners: &Manners,
    heard: &Mutex<Heard>,
    greets: Greets,
) -> std::io::Result<Option<S>> {
    let mut stream = BufReader::new(stream);
    if greets == Greets::Yes {
        let greeting = manners.greeting.unwrap_or("220 peer ready");
        say(&mut stream, greeting).await?;
    }
    let mut recipients = Vec::new();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let command = line.trim_end().to_owned();
        heard.lock().commands.push(command.clone());
        let starts = |beginning: &str| command.starts_with(beginning);
        if manners.hangs_up_at.is_some_and(starts) {
            return Ok(None);
        }
        let scripted = manners.answers.iter().find(|(b, _)| starts(b));
        if let Some((_, answer)) = scripted {
            say(&mut stream, answer).await?;
        } else if starts("EHLO") {
            for offer in &manners.offers {
                say(&mut stream, &format!("250-{offer}")).await?;
            }
            say(&mut stream, "250 peer").await?;
        } else if starts("STARTTLS") {
            say(&mut stream, "220 go on").await?;
            return Ok(Some(stream.into_inner()));
        } else if starts("RCPT TO:") {
            recipients.push(command.replace("RCPT TO:", ""));
            say(&mut stream, "250 ok").await?;
        } else if starts("DATA") {
            say(&mut stream, "354 go on").await?;
            let data = read_data(&mut stream).await?;
            let recipients = std::mem::take(&mut recipients);
            heard.lock().taken.push(Taken { recipients, data });
            say(&mut stream, "250 taken").await?;
        } else if starts("QUIT") {
            say(&mut stream, "221 bye").await?;
            return Ok(None);
        } else {
            say(&mut stream, "250 ok").await?;
        }
    }
}

async fn read_data<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
) -> std::io::Result<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(data);
        }
        data.push_str(&line);
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    line: &str,
) -> std::io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.flush().await
}
