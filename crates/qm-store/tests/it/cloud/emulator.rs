//! The stores: Azurite, which Microsoft makes, and fake-gcs-server. `cargo xtask test` installs
//! them and says where they are.

use reqsign_azure_storage::{RequestSigner, StaticCredentialProvider};
use reqsign_core::{Context, Signer};
use std::ffi::OsString;
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::http::Message;
use super::proxy::Proxy;
use qm_core::config::CloudPlace;
use qm_core::name::Prefix;
use qm_store::CloudBucket;

const ACCOUNT: &str = "tests";
/// In Base64, as Azure gives keys out.
const KEY: &str = "a2V5IG9mIGEgdGVzdA==";
const BUCKET: &str = "landing";
const START_LIMIT: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Azure,
    Google,
}

/// A store with an empty bucket, a proxy before it. Ends with the test.
pub(crate) struct Emulator {
    pub(crate) kind: Kind,
    pub(crate) proxy: Proxy,
    store: String,
    buckets: AtomicU32,
    _process: Child,
}

impl Emulator {
    pub(crate) async fn start(kind: Kind) -> Self {
        let started = async {
            match kind {
                Kind::Azure => azurite().await,
                Kind::Google => fake_gcs_server().await,
            }
        };
        let (process, store) = tokio::time::timeout(START_LIMIT, started).await.unwrap();
        let emulator = Self {
            kind,
            proxy: Proxy::before(&store).await,
            store,
            buckets: AtomicU32::new(0),
            _process: process,
        };
        let made = match kind {
            Kind::Azure => {
                let target = format!("/{ACCOUNT}/{BUCKET}?restype=container");
                emulator.send(Message::request("PUT", &target, "")).await
            }
            Kind::Google => {
                let name = format!(r#"{{"name":"{BUCKET}"}}"#);
                let request = Message::request("POST", "/storage/v1/b?project=p", name);
                emulator.send(request).await
            }
        };
        assert!(made.status() < 300, "{made:?}");
        emulator
    }

    /// A bucket of its own: below a new prefix.
    pub(crate) fn fresh(&self) -> CloudBucket {
        let number = self.buckets.fetch_add(1, Ordering::Relaxed);
        self.below(&format!("fresh {number}"))
    }

    pub(crate) fn below(&self, prefix: &str) -> CloudBucket {
        let endpoint = match self.kind {
            Kind::Azure => format!("http://{}/{ACCOUNT}", self.proxy.authority),
            Kind::Google => format!("http://{}", self.proxy.authority),
        };
        let place = CloudPlace {
            bucket: BUCKET.to_owned(),
            prefix: Prefix::parse(prefix).unwrap(),
            endpoint: Some(endpoint),
            account: (self.kind == Kind::Azure).then(|| ACCOUNT.to_owned()),
            credential: None,
        };
        let bucket = match self.kind {
            Kind::Azure => CloudBucket::azure(&place, Some(KEY)),
            Kind::Google => CloudBucket::gcs(&place, None),
        };
        bucket.unwrap()
    }

    /// Puts an object there as somebody else does, under its whole name.
    pub(crate) async fn put(&self, name: &str, bytes: &str) {
        let bytes_of_name: Vec<String> = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let name = bytes_of_name.concat();
        let request = match self.kind {
            Kind::Azure => {
                let target = format!("/{ACCOUNT}/{BUCKET}/{name}");
                Message::request("PUT", &target, bytes).with("x-ms-blob-type", "BlockBlob")
            }
            Kind::Google => {
                let upload = format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=media");
                Message::request("POST", &format!("{upload}&name={name}"), bytes)
            }
        };
        let answer = self.send(request).await;
        assert!(answer.status() < 300, "{answer:?}");
    }

    /// Asks the store itself, as its owner.
    async fn send(&self, request: Message) -> Message {
        let request = match self.kind {
            Kind::Azure => signed(request, &self.store).await,
            Kind::Google => request,
        };
        request.send(&self.store).await.unwrap()
    }
}

async fn signed(request: Message, store: &str) -> Message {
    let mut words = request.first_line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let mut builder = http::Request::builder()
        .method(method)
        .uri(format!("http://{store}{target}"))
        .header("x-ms-version", "2022-11-02")
        .header("content-length", request.body.len());
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let (mut parts, ()) = builder.body(()).unwrap().into_parts();
    let credential = StaticCredentialProvider::new_shared_key(ACCOUNT, KEY);
    let signer = Signer::new(Context::new(), credential, RequestSigner::new());
    signer.sign(&mut parts, None).await.unwrap();
    let target = parts.uri.path_and_query().unwrap().as_str();
    let signed = Message::request(method, target, request.body);
    parts.headers.iter().fold(signed, |signed, (name, value)| {
        signed.with(name.as_str(), value.to_str().unwrap())
    })
}

async fn azurite() -> (Child, String) {
    let mut command = Command::new(peer(std::env::var_os("QM_TEST_NODE")));
    command
        .arg(peer(std::env::var_os("QM_TEST_AZURITE")))
        .args(["--blobHost", "127.0.0.1", "--blobPort", "0"])
        .args(["--inMemoryPersistence", "--disableTelemetry"])
        .env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{KEY}"))
        .stdout(Stdio::piped());
    let mut process = command.kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let store = loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if let Some((_, store)) = line.split_once("listens on http://") {
            break store.to_owned();
        }
    };
    // Its log must not fill the pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (process, store)
}

/// It does not tell which port it took: one that was free a moment ago is given, and another if it
/// was taken meanwhile.
async fn fake_gcs_server() -> (Child, String) {
    loop {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut command = Command::new(peer(std::env::var_os("QM_TEST_FAKE_GCS_SERVER")));
        command
            .args([
                "-backend",
                "memory",
                "-scheme",
                "http",
                "-log-level",
                "error",
            ])
            .args(["-host", "127.0.0.1", "-port", &address.port().to_string()]);
        let mut process = command.kill_on_drop(true).spawn().unwrap();
        let store = address.to_string();
        while process.try_wait().unwrap().is_none() {
            let health = Message::request("GET", "/_internal/healthcheck", "");
            if health.send(&store).await.is_ok() {
                return (process, store);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn peer(told: Option<OsString>) -> OsString {
    told.expect("no variable names this peer: run `cargo xtask test`")
}
