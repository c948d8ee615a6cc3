//! The peer over HTTP, and what goes wrong between it and us.

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

use super::peer::Peer;
use super::world::{ACCESS_KEY, BUCKET, SECRET_KEY, somebody_else};

type Reply = Response<BoxBody<Bytes, std::io::Error>>;

/// What the requests of [`What::Overtaken`] carry: nothing happens to them.
const OVERTAKES: &str = "overtakes";
/// Between the bytes of [`What::Trickle`].
const TRICKLE_PAUSE: Duration = Duration::from_millis(300);

/// One S3 server with one bucket.
pub(super) struct Server {
    endpoint: String,
    faults: Arc<Mutex<Vec<Fault>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    folder: TempDir,
    accepting: tokio::task::JoinHandle<()>,
}

/// A request that came.
struct Seen {
    /// `METHOD path?query`.
    line: String,
    acl: Option<String>,
    /// What an upload in parts is begun with.
    checksum_algorithm: Option<String>,
    /// Whether it says anything of tags.
    has_tagging: bool,
}

/// Something that goes wrong a number of times.
pub(super) struct Fault {
    pub(super) on: On,
    pub(super) times: u32,
    pub(super) what: What,
}

/// Which request it happens to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum On {
    Put,
    Part,
    Complete,
    Get,
    Head,
    List,
    Copy,
    Any,
}

/// What happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// The request is not carried out and this is the answer.
    Answer(u16, &'static str),
    /// It is carried out, and the answer is an error with status 200.
    DoneButErrorIn200,
    /// It is not carried out, and the answer is an error with status 200.
    ErrorIn200,
    /// It is carried out, and the connection breaks.
    DoneThenCut,
    /// Half of the body comes, then the connection breaks.
    HalfTheBody,
    /// One byte of the body is another one.
    FlippedByte,
    /// The body, of the answer to a GET and of any other request, stops on its way.
    StallInBody,
    /// The body comes a byte at a time, never so slowly that it seems to have stopped.
    Trickle,
    /// Nothing ever comes.
    Stall,
    /// Somebody else puts a file under the key first, another one each time.
    Overtaken,
}

impl Server {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(Peer::new(folder.path()));
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let faults = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (of_task, seen_by_task) = (Arc::clone(&faults), Arc::clone(&seen));
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (service, faults) = (service.clone(), Arc::clone(&of_task));
                tokio::spawn(serve(socket, service, faults, Arc::clone(&seen_by_task)));
            }
        });
        Self {
            endpoint,
            faults,
            seen,
            folder,
            accepting,
        }
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(super) fn break_on(&self, on: On, times: u32, what: What) {
        self.faults.lock().push(Fault { on, times, what });
    }

    /// How often faults happened that have not happened often enough.
    pub(super) fn faults_left(&self) -> u32 {
        self.faults.lock().iter().map(|fault| fault.times).sum()
    }

    pub(super) fn repair(&self) {
        self.faults.lock().clear();
    }

    pub(super) fn forget_requests(&self) {
        self.seen.lock().clear();
    }

    pub(super) fn requests(&self) -> Vec<String> {
        let seen = self.seen.lock();
        seen.iter().map(|seen| seen.line.clone()).collect()
    }

    /// The canned ACLs that requests asked for.
    pub(super) fn acls(&self) -> Vec<String> {
        let seen = self.seen.lock();
        seen.iter().filter_map(|seen| seen.acl.clone()).collect()
    }

    /// The requests that say anything of tags.
    pub(super) fn taggings(&self) -> Vec<String> {
        let seen = self.seen.lock();
        let tagging = seen.iter().filter(|seen| seen.has_tagging);
        tagging.map(|seen| seen.line.clone()).collect()
    }

    /// The checksums of parts that uploads were begun with.
    pub(super) fn checksum_algorithms(&self) -> Vec<String> {
        let seen = self.seen.lock();
        seen.iter()
            .filter_map(|seen| seen.checksum_algorithm.clone())
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl On {
    fn is(self, request: &Request<Incoming>) -> bool {
        let query = request.uri().query().unwrap_or_default();
        let has = |name: &str| {
            query
                .split('&')
                .any(|part| part.split('=').next() == Some(name))
        };
        let is_copy = request.headers().contains_key("x-amz-copy-source");
        let method = request.method();
        match self {
            Self::Any => true,
            Self::Put => *method == Method::PUT && !has("partNumber") && !is_copy,
            Self::Part => *method == Method::PUT && has("partNumber") && !is_copy,
            Self::Copy => *method == Method::PUT && is_copy,
            Self::Complete => *method == Method::POST && has("uploadId"),
            Self::Get => *method == Method::GET && !has("list-type") && !has("uploads"),
            Self::Head => *method == Method::HEAD,
            Self::List => *method == Method::GET && has("list-type"),
        }
    }
}

async fn serve(
    socket: TcpStream,
    service: S3Service,
    faults: Arc<Mutex<Vec<Fault>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let (service, faults) = (service.clone(), Arc::clone(&faults));
        let header = |name: &str| {
            let value = request.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        seen.lock().push(Seen {
            line: format!("{} {}", request.method(), request.uri()),
            acl: header("x-amz-acl"),
            checksum_algorithm: header("x-amz-checksum-algorithm"),
            has_tagging: ["x-amz-tagging", "x-amz-tagging-directive"]
                .iter()
                .any(|name| request.headers().contains_key(*name)),
        });
        async move {
            let what = next(&faults, &request);
            answer(what, service, request).await
        }
    });
    // A cut connection is an error, and meant.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(socket), answer)
        .await;
}

fn next(faults: &Mutex<Vec<Fault>>, request: &Request<Incoming>) -> Option<What> {
    let carried = format!("x-amz-meta-{OVERTAKES}");
    if request.headers().contains_key(&carried) {
        return None;
    }
    let mut faults = faults.lock();
    let fault = faults
        .iter_mut()
        .find(|fault| fault.times > 0 && fault.on.is(request))?;
    fault.times -= 1;
    Some(fault.what)
}

async fn answer(
    what: Option<What>,
    service: S3Service,
    request: Request<Incoming>,
) -> Result<Reply, std::io::Error> {
    match what {
        None => done(service, request).await,
        Some(What::Answer(status, code)) => Ok(error(status, code)),
        Some(What::ErrorIn200) => Ok(error(200, "InternalError")),
        Some(What::DoneButErrorIn200) => {
            done(service, request).await?.collect().await?;
            Ok(error(200, "InternalError"))
        }
        Some(What::DoneThenCut) => {
            done(service, request).await?.collect().await?;
            Err(cut())
        }
        Some(What::HalfTheBody) => {
            let (parts, body) = done(service, request).await?.into_parts();
            let bytes = body.collect().await?.to_bytes();
            let half = bytes.slice(..bytes.len() / 2);
            let frames = futures_util::stream::iter([Ok(Frame::data(half)), Err(cut())]);
            Ok(Response::from_parts(parts, StreamBody::new(frames).boxed()))
        }
        Some(What::FlippedByte) => {
            let (parts, body) = done(service, request).await?.into_parts();
            let mut bytes = Vec::from(body.collect().await?.to_bytes());
            bytes[0] ^= 1;
            Ok(Response::from_parts(parts, full(bytes.into())))
        }
        Some(What::Stall) => std::future::pending().await,
        Some(What::StallInBody) if request.method() == Method::GET => {
            let (parts, body) = done(service, request).await?.into_parts();
            let bytes = body.collect().await?.to_bytes();
            let half = Ok(Frame::data(bytes.slice(..bytes.len() / 2)));
            let frames = futures_util::StreamExt::chain(
                futures_util::stream::iter([half]),
                futures_util::stream::pending(),
            );
            Ok(Response::from_parts(parts, StreamBody::new(frames).boxed()))
        }
        Some(What::StallInBody) => {
            let mut body = request.into_body();
            drop(body.frame().await);
            std::future::pending().await
        }
        Some(What::Trickle) => {
            let (parts, body) = done(service, request).await?.into_parts();
            let bytes = body.collect().await?.to_bytes();
            let frames = futures_util::stream::unfold(bytes, |mut rest| async move {
                tokio::time::sleep(TRICKLE_PAUSE).await;
                (!rest.is_empty()).then(|| (Ok(Frame::data(rest.split_to(1))), rest))
            });
            Ok(Response::from_parts(parts, StreamBody::new(frames).boxed()))
        }
        Some(What::Overtaken) => {
            let host = request.headers()["host"].to_str().unwrap();
            let (endpoint, path) = (format!("http://{host}"), request.uri().path().to_owned());
            Box::pin(overtake(&endpoint, &path)).await;
            done(service, request).await
        }
    }
}

async fn overtake(endpoint: &str, path: &str) {
    static PUTS: AtomicU32 = AtomicU32::new(1);
    let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap();
    let text = format!("theirs {}", PUTS.fetch_add(1, Ordering::Relaxed));
    let others = somebody_else(endpoint).await;
    let put = others.put_object().bucket(bucket).key(key);
    put.metadata(OVERTAKES, "yes")
        .body(text.into_bytes().into())
        .send()
        .await
        .unwrap();
}

async fn done(service: S3Service, request: Request<Incoming>) -> Result<Reply, std::io::Error> {
    let reply = service
        .call(request.map(s3s::Body::from))
        .await
        .map_err(|_| cut())?;
    Ok(reply.map(|body| {
        body.map_err(|error| std::io::Error::other(error.to_string()))
            .boxed()
    }))
}

fn error(status: u16, code: &str) -> Reply {
    let text = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>a fault</Message></Error>"
    );
    let mut reply = Response::new(full(text.into()));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    reply
}

fn full(bytes: Bytes) -> BoxBody<Bytes, std::io::Error> {
    Full::new(bytes)
        .map_err(|never: Infallible| match never {})
        .boxed()
}

fn cut() -> std::io::Error {
    std::io::Error::other("the connection is cut")
}
