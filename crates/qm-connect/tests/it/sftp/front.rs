//! An SSH server of our own before Debian's `sftp-server`: it takes passwords, and it fails where it is
//! told to, request by request.

use parking_lot::Mutex;
use qm_core::config::Sftp;
use qm_core::ports::access::Secret;
use russh::keys::key::safe_rng;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Response, Session};
use russh::{Channel, ChannelId, MethodKind, MethodSet};
use std::borrow::Cow;
use std::net::Shutdown;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::world::config;

pub(crate) const PASSWORD: &str = "password-canary";
/// Kinds of requests.
pub(crate) const OPEN: u8 = 3;
pub(crate) const WRITE: u8 = 6;
pub(crate) const SETSTAT: u8 = 9;
const CLOSE: u8 = 4;
const EXTENDED: u8 = 200;
const VERSION: u8 = 2;
const STATUS: u8 = 101;
const EXTENDED_REPLY: u8 = 201;
/// Codes of answers.
const OK: u32 = 0;
const FAILURE: u32 = 4;

/// How a login gets in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Door {
    Password,
    /// The password is asked for as a question.
    Questions,
    /// Questions are asked, shown back where it says `true`; whatever is answered gets in.
    Asking(&'static [bool]),
}

/// Which requests.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
    Kind(u8),
    Extension(&'static str),
}

/// What happens to them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// They are done, and the line is cut instead of the answer.
    LoseAnswer,
    /// The line is cut before they are done.
    LoseRequest,
    /// Nobody does or answers them.
    Hang,
    /// They are answered with FAILURE and this sentence.
    Refuse(&'static str),
    /// They are answered with OK, and nobody does them.
    Pretend,
    /// They are done, and answered when a CLOSE has come.
    AnswerAtClose,
}

/// Which digests of files the server reckons.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reckons {
    /// It offers none.
    Nothing,
    /// Of the bytes that it has.
    Right,
    /// Of other bytes.
    Wrong,
    /// It offers them and refuses each.
    Refusals,
}

/// Ends with the test.
pub(crate) struct Front {
    port: u16,
    host_key: String,
    folder: tempfile::TempDir,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    door: Door,
    faults: Mutex<Vec<(At, Act)>>,
    sftp_server: Vec<String>,
    sessions: Mutex<Vec<server::Handle>>,
    reckons: Mutex<Reckons>,
}

impl Front {
    pub(crate) async fn start(door: Door) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        let host_key = key.public_key().to_openssh().unwrap();
        let ssh = Arc::new(server::Config {
            keys: vec![key],
            auth_rejection_time: Duration::from_millis(10),
            auth_rejection_time_initial: Some(Duration::ZERO),
            methods: MethodSet::from(&[MethodKind::Password, MethodKind::KeyboardInteractive][..]),
            ..server::Config::default()
        });
        let folder_name = folder.path().to_str().unwrap().to_owned();
        let shared = Arc::new(Shared {
            door,
            faults: Mutex::default(),
            sftp_server: vec!["-d".to_owned(), folder_name],
            sessions: Mutex::default(),
            reckons: Mutex::new(Reckons::Nothing),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        let accepting = Arc::clone(&shared);
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stream = stream.into_std().unwrap();
                let login = Login {
                    shared: Arc::clone(&accepting),
                    line: Arc::new(stream.try_clone().unwrap()),
                    channel: None,
                };
                let stream = TcpStream::from_std(stream).unwrap();
                let ssh = Arc::clone(&ssh);
                tokio::spawn(async move {
                    if let Ok(running) = server::run_stream(ssh, stream, login).await {
                        // How it ends is the client's matter.
                        let _ = running.await;
                    }
                });
            }
        });
        Self {
            port,
            host_key,
            folder,
            shared,
            _tasks: tasks,
        }
    }

    /// The next request of this sort meets this fate.
    pub(crate) fn once(&self, at: At, act: Act) {
        self.shared.faults.lock().push((at, act));
    }

    /// What sessions that begin from now on are offered.
    pub(crate) fn reckons(&self, reckons: Reckons) {
        *self.shared.reckons.lock() = reckons;
    }

    /// Every session that began SFTP.
    pub(crate) fn sessions(&self) -> Vec<server::Handle> {
        self.shared.sessions.lock().clone()
    }

    pub(crate) fn config(&self) -> Sftp<Secret> {
        Sftp {
            user: "north".to_owned(),
            password: Some(Secret::new(PASSWORD.to_owned())),
            ..config(self.port, &self.host_key)
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

struct Login {
    shared: Arc<Shared>,
    line: Arc<std::net::TcpStream>,
    channel: Option<Channel<Msg>>,
}

impl server::Handler for Login {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        let is_right = user == "north" && password == PASSWORD;
        Ok(match self.shared.door {
            Door::Password if is_right => Auth::Accept,
            Door::Password | Door::Questions | Door::Asking(_) => Auth::reject(),
        })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let shown_back = match self.shared.door {
            Door::Password => return Ok(Auth::reject()),
            Door::Questions => &[true, false][..],
            Door::Asking(_) if response.is_some() => return Ok(Auth::Accept),
            Door::Asking(shown_back) => shown_back,
        };
        let Some(answers) = response else {
            let prompts = shown_back.iter().map(|echo| (Cow::Borrowed("?"), *echo));
            return Ok(Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Borrowed(""),
                prompts: Cow::Owned(prompts.collect()),
            });
        };
        let answers: Vec<_> = answers.collect();
        Ok(match &answers[..] {
            [shown, password] if shown.is_empty() && *password == PASSWORD => Auth::Accept,
            _ => Auth::reject(),
        })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channel = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        assert_eq!(name, "sftp");
        session.channel_success(channel)?;
        self.shared.sessions.lock().push(session.handle());
        let stream = self.channel.take().unwrap().into_stream();
        let (shared, line) = (Arc::clone(&self.shared), Arc::clone(&self.line));
        tokio::spawn(async move {
            relay(stream, &shared).await;
            // Also when the relay has cut it.
            let _ = line.shutdown(Shutdown::Both);
        });
        Ok(())
    }
}

/// Carries requests and replies until one end is gone or the line is to be cut.
async fn relay(client: impl AsyncRead + tokio::io::AsyncWrite, shared: &Shared) {
    let mut server = Command::new("/usr/lib/openssh/sftp-server")
        .args(&shared.sftp_server)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut to_server = server.stdin.take().unwrap();
    let mut from_server = server.stdout.take().unwrap();
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let lost_answer = Arc::new(Mutex::new(None));
    let late_answer = Mutex::new(None);
    let close_came = Notify::new();
    let (answers, mut ours) = tokio::sync::mpsc::channel::<Vec<u8>>(8);
    let requests = async {
        while let Some(packet) = packet(&mut from_client).await {
            let act = take_fault(shared, &packet);
            match act {
                Some(Act::LoseRequest) => return,
                Some(Act::Hang) => continue,
                Some(Act::Refuse(sentence)) => {
                    let _ = answers.send(status(&packet, FAILURE, sentence)).await;
                    continue;
                }
                Some(Act::Pretend) => {
                    let _ = answers.send(status(&packet, OK, "")).await;
                    continue;
                }
                Some(Act::LoseAnswer) => *lost_answer.lock() = Some(id(&packet)),
                Some(Act::AnswerAtClose) => *late_answer.lock() = Some(id(&packet)),
                None => {}
            }
            if let Some(answer) = reckoned(shared, &packet) {
                let _ = answers.send(answer).await;
                continue;
            }
            if packet[4] == CLOSE {
                close_came.notify_one();
            }
            if to_server.write_all(&packet).await.is_err() {
                return;
            }
        }
    };
    let replies = async {
        loop {
            let packet = tokio::select! {
                packet = packet(&mut from_server) => match packet {
                    Some(packet) => packet,
                    None => return,
                },
                Some(packet) = ours.recv() => packet,
            };
            let packet = offering(shared, packet);
            let is_late = late_answer.lock().take_if(|late| *late == id(&packet));
            if is_late.is_some() {
                close_came.notified().await;
            }
            if *lost_answer.lock() == Some(id(&packet))
                || to_client.write_all(&packet).await.is_err()
            {
                return;
            }
        }
    };
    tokio::select! {
        () = requests => {}
        () = replies => {}
    }
}

fn take_fault(shared: &Shared, packet: &[u8]) -> Option<Act> {
    let mut faults = shared.faults.lock();
    let found = faults.iter().position(|(at, _)| match at {
        At::Kind(kind) => packet[4] == *kind,
        At::Extension(name) => packet[4] == EXTENDED && packet[13..].starts_with(name.as_bytes()),
    })?;
    Some(faults.remove(found).1)
}

/// The greeting, with what the server reckons.
fn offering(shared: &Shared, packet: Vec<u8>) -> Vec<u8> {
    if packet[4] != VERSION || *shared.reckons.lock() == Reckons::Nothing {
        return packet;
    }
    let offer = [with_length(b"check-file"), with_length(b"1")].concat();
    with_length(&[&packet[4..], &offer].concat())
}

/// The answer to a request for the digest of a file, as `ProFTPD` gives it.
fn reckoned(shared: &Shared, packet: &[u8]) -> Option<Vec<u8>> {
    let reckons = *shared.reckons.lock();
    if packet[4] != EXTENDED || reckons == Reckons::Nothing {
        return None;
    }
    let (name, rest) = first_string(&packet[9..]);
    if name != b"check-file-name" {
        return None;
    }
    let (path, rest) = first_string(rest);
    assert_eq!(first_string(rest).0, b"sha256");
    let path = PathBuf::from(&shared.sftp_server[1]).join(str::from_utf8(path).unwrap());
    let mut bytes = std::fs::read(path).unwrap();
    match reckons {
        Reckons::Refusals => return Some(status(packet, FAILURE, "not of this file")),
        Reckons::Wrong => bytes.push(0),
        Reckons::Nothing | Reckons::Right => {}
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    let id = id(packet);
    let body = [
        &[EXTENDED_REPLY][..],
        &id,
        &with_length(b"sha256"),
        digest.as_ref(),
    ]
    .concat();
    Some(with_length(&body))
}

pub(crate) fn first_string(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_at(4);
    rest.split_at(u32::from_be_bytes(length.try_into().unwrap()) as usize)
}

pub(crate) fn with_length(bytes: &[u8]) -> Vec<u8> {
    [
        &u32::try_from(bytes.len()).unwrap().to_be_bytes()[..],
        bytes,
    ]
    .concat()
}

/// The next packet with its length.
async fn packet(from: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let length = from.read_u32().await.ok()?;
    let mut packet = length.to_be_bytes().to_vec();
    packet.resize(4 + length as usize, 0);
    from.read_exact(&mut packet[4..]).await.ok()?;
    Some(packet)
}

fn id(packet: &[u8]) -> [u8; 4] {
    packet[5..9].try_into().unwrap()
}

fn status(request: &[u8], code: u32, sentence: &str) -> Vec<u8> {
    let mut body = vec![STATUS];
    body.extend(id(request));
    body.extend(code.to_be_bytes());
    for text in [sentence, "en"] {
        body.extend(with_length(text.as_bytes()));
    }
    with_length(&body)
}
