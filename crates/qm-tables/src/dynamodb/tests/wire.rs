//! A wire to a server that does to each request what the test says: lets it pass, answers it in the
//! server's place, loses its answer, cuts it, or leaves it without an answer for ever.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What is done to a request.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    Pass,
    /// Not passed on.
    Answer(u16, Value),
    /// Passed on; the connection breaks before the answer.
    LoseAnswer,
    /// Not passed on; the connection breaks.
    Cut,
    /// Not passed on, or passed on and not answered; whoever asked will be gone.
    Hang {
        is_passed_on: bool,
    },
    /// Passed on but for the part of the batch behind so many, which comes back unprocessed.
    FirstOnly(usize),
}

/// What is done to requests, by their number from 1, their operation and body.
type Script = dyn FnMut(usize, &str, &Value) -> Verdict + Send;

/// Requests so far.
#[derive(Default)]
struct State {
    count: usize,
    operations: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Wire {
    pub(super) endpoint: String,
    upstream: Option<String>,
    script: Arc<Mutex<Box<Script>>>,
    state: Arc<Mutex<State>>,
    hung: Arc<Notify>,
}

impl Wire {
    /// Without a server behind it, every request must be answered by the script.
    pub(super) async fn to(upstream: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            upstream: upstream.map(|url| url.trim_start_matches("http://").to_owned()),
            script: Arc::new(Mutex::new(Box::new(|_, _, _| Verdict::Pass))),
            state: Arc::default(),
            hung: Arc::default(),
        };
        tokio::spawn(wire.clone().serve(listener));
        wire
    }

    /// From now on, numbers beginning at 1 again.
    pub(super) fn follow(
        &self,
        script: impl FnMut(usize, &str, &Value) -> Verdict + Send + 'static,
    ) {
        *self.state.lock() = State::default();
        *self.script.lock() = Box::new(script);
    }

    /// The operations asked for since then.
    pub(super) fn operations(&self) -> Vec<String> {
        self.state.lock().operations.clone()
    }

    /// How many of one kind.
    pub(super) fn count(&self, operation: &str) -> usize {
        let operations = self.operations();
        operations.iter().filter(|name| *name == operation).count()
    }

    /// Returns when a request hangs, at once if one does.
    pub(super) async fn hangs(&self) {
        self.hung.notified().await;
    }

    async fn serve(self, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let wire = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let wire = wire.clone();
                    async move { wire.handle(request).await }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                // What the script cuts ends in an error here.
                let _ = connection.await;
            });
        }
    }

    async fn handle(&self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let target = head.headers.get("x-amz-target").unwrap();
        let operation = target
            .to_str()
            .unwrap()
            .split_once('.')
            .unwrap()
            .1
            .to_owned();
        let mut value: Value = serde_json::from_slice(&body).unwrap();
        let number = {
            let mut state = self.state.lock();
            state.count += 1;
            state.operations.push(operation.clone());
            state.count
        };
        let verdict = (self.script.lock())(number, &operation, &value);
        let broken = || io::Error::other("cut by the script");
        match verdict {
            Verdict::Pass => self.pass(&head.headers, body).await,
            Verdict::Answer(status, answer) => Ok(respond(status, &answer)),
            Verdict::LoseAnswer => {
                self.pass(&head.headers, body).await?;
                Err(broken())
            }
            Verdict::Cut => Err(broken()),
            Verdict::Hang { is_passed_on } => {
                if is_passed_on {
                    self.pass(&head.headers, body).await?;
                }
                self.hung.notify_one();
                std::future::pending().await
            }
            Verdict::FirstOnly(count) => {
                let unprocessed = split(&mut value, count);
                let mut answer = json!({});
                if count > 0 {
                    let body = Bytes::from(serde_json::to_vec(&value).unwrap());
                    let passed = self.pass(&head.headers, body).await?;
                    let bytes = passed.into_body().collect().await.unwrap().to_bytes();
                    answer = serde_json::from_slice(&bytes).unwrap();
                }
                let name = match operation.as_str() {
                    "BatchGetItem" => "UnprocessedKeys",
                    _ => "UnprocessedItems",
                };
                answer[name] = unprocessed;
                Ok(respond(200, &answer))
            }
        }
    }

    async fn pass(
        &self,
        headers: &hyper::HeaderMap,
        body: Bytes,
    ) -> io::Result<Response<Full<Bytes>>> {
        let upstream = self.upstream.as_deref().expect("there is no server behind");
        let stream = TcpStream::connect(upstream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(connection);
        let mut request = Request::post("/").header("host", upstream);
        for name in [
            "authorization",
            "content-type",
            "x-amz-date",
            "x-amz-target",
        ] {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value);
            }
        }
        let answer = sender
            .send_request(request.body(Full::new(body)).unwrap())
            .await
            .map_err(io::Error::other)?;
        let status = answer.status();
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(io::Error::other)?;
        let response = Response::builder().status(status);
        Ok(response.body(Full::new(body.to_bytes())).unwrap())
    }
}

/// An error as DynamoDB gives it.
pub(super) fn refusal(code: &str) -> Verdict {
    let status = if code.starts_with("Internal") {
        500
    } else {
        400
    };
    let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
    Verdict::Answer(
        status,
        json!({ "__type": kind, "message": "says the script" }),
    )
}

/// Takes what is behind the first so many out of the only table of a batch.
fn split(batch: &mut Value, count: usize) -> Value {
    let tables = batch["RequestItems"].as_object_mut().unwrap();
    let (table, requests) = tables.iter_mut().next().unwrap();
    let is_read = requests.is_object();
    let list = if is_read {
        &mut requests["Keys"]
    } else {
        requests
    };
    let list = list.as_array_mut().unwrap();
    let rest = list.split_off(count.min(list.len()));
    if rest.is_empty() {
        return json!({});
    }
    let rest = if is_read {
        json!({ "Keys": rest, "ConsistentRead": true })
    } else {
        Value::Array(rest)
    };
    json!({ table.as_str(): rest })
}

fn respond(status: u16, answer: &Value) -> Response<Full<Bytes>> {
    let body = Full::new(Bytes::from(serde_json::to_vec(answer).unwrap()));
    Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0")
        .body(body)
        .unwrap()
}
