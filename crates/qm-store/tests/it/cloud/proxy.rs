//! Stands before a store: plays faults, notes what was asked, and adds the conditions of Google
//! Cloud Storage that its emulator reads over (it looks at those of uploads only).

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::http::Message;

const COPY_STATUS: &str = "x-ms-copy-status";

/// What happens instead of an answer of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// An answer with this status, and the store never asked.
    Status(u16),
    /// The store does what is asked, and its answer is lost.
    AnswerLost,
    /// Half the body, then the connection is cut.
    Truncated,
    /// What Azure says of a copy that it goes on with.
    CopyStatus(&'static str),
}

/// A fault for requests whose first line contains this, so many times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    pub(crate) target: &'static str,
    pub(crate) times: usize,
    pub(crate) fault: Fault,
}

pub(crate) struct Proxy {
    pub(crate) authority: String,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

struct State {
    store: String,
    planned: Mutex<Vec<Planned>>,
    seen: Mutex<Vec<String>>,
}

impl Proxy {
    pub(crate) async fn before(store: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            store: store.to_owned(),
            planned: Mutex::default(),
            seen: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(Arc::clone(&shared).serve(stream));
            }
        });
        Self {
            authority,
            state,
            task,
        }
    }

    pub(crate) fn plan(&self, target: &'static str, times: usize, fault: Fault) {
        self.state.planned.lock().push(Planned {
            target,
            times,
            fault,
        });
    }

    /// True if every planned fault has happened.
    pub(crate) fn is_played(&self) -> bool {
        self.state.planned.lock().iter().all(|plan| plan.times == 0)
    }

    /// Forgets plans that are not played.
    pub(crate) fn stop(&self) {
        self.state.planned.lock().clear();
    }

    /// First lines of the requests since the last look.
    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.state.seen.lock())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    /// An error ends the connection, as it does between real machines.
    async fn serve(self: Arc<Self>, mut stream: TcpStream) -> std::io::Result<()> {
        let Some(mut request) = Message::read(&mut stream, false).await? else {
            return Ok(());
        };
        self.seen.lock().push(request.first_line.clone());
        let fault = self.fault(&request.first_line);
        if let Some(Fault::Status(status)) = fault {
            return tell(&mut stream, Message::answer(status, "a test says so"), None).await;
        }
        if let Some(refusal) = self.condition(&request).await? {
            return tell(&mut stream, refusal, None).await;
        }
        let host = request.header("host").unwrap_or_default().to_owned();
        for name in ["host", "connection"] {
            request.without(name);
        }
        let is_head = request.first_line.starts_with("HEAD ");
        // Signatures and upload addresses speak of the proxy, so its name goes on.
        request = request.with("Host", host).with("Connection", "close");
        let mut store = TcpStream::connect(&self.store).await?;
        store.write_all(&request.head_bytes()).await?;
        store.write_all(&request.body).await?;
        let answer = Message::read(&mut store, is_head).await?;
        let mut answer = answer.ok_or_else(|| std::io::Error::other("no answer"))?;
        if let Some(Fault::CopyStatus(status)) = fault {
            answer.without(COPY_STATUS);
            answer = answer.with(COPY_STATUS, status);
        }
        match fault {
            Some(Fault::AnswerLost) => Ok(()),
            Some(Fault::Truncated) => {
                let half = answer.body.len() / 2;
                tell(&mut stream, answer, Some(half)).await
            }
            Some(Fault::Status(_) | Fault::CopyStatus(_)) | None => {
                if is_head {
                    return stream.write_all(&answer.head_bytes()).await;
                }
                tell(&mut stream, answer, None).await
            }
        }
    }

    fn fault(&self, first_line: &str) -> Option<Fault> {
        let mut planned = self.planned.lock();
        let plan = planned
            .iter_mut()
            .find(|plan| plan.times > 0 && first_line.contains(plan.target))?;
        if plan.times != usize::MAX {
            plan.times -= 1;
        }
        Some(plan.fault)
    }

    /// `ifGenerationMatch` of anything but an upload: 412 if it does not hold.
    async fn condition(&self, request: &Message) -> std::io::Result<Option<Message>> {
        let target = request.first_line.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let wanted = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("ifGenerationMatch="));
        let (Some(wanted), true) = (wanted, path.starts_with("/storage/v1/b/")) else {
            return Ok(None);
        };
        let object = path.strip_suffix("/compose").unwrap_or(path);
        let head = Message::request("GET", object, "")
            .send(&self.store)
            .await?;
        let generation = match head.status() {
            200 => {
                let head: serde_json::Value = serde_json::from_slice(&head.body)?;
                head["generation"].as_str().unwrap_or_default().to_owned()
            }
            _ => "0".to_owned(),
        };
        let body = r#"{"error":{"code":412,"message":"a condition does not hold","errors":[{"reason":"conditionNotMet"}]}}"#;
        Ok((generation != wanted).then(|| Message::answer(412, body)))
    }
}

async fn tell(
    stream: &mut TcpStream,
    mut answer: Message,
    cut: Option<usize>,
) -> std::io::Result<()> {
    for name in ["connection", "content-length", "transfer-encoding"] {
        answer.without(name);
    }
    let length = answer.body.len();
    let answer = answer
        .with("Connection", "close")
        .with("Content-Length", length.to_string());
    stream.write_all(&answer.head_bytes()).await?;
    stream
        .write_all(&answer.body[..cut.unwrap_or(length)])
        .await?;
    stream.shutdown().await
}
