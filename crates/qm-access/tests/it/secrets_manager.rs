//! Secrets in AWS Secrets Manager: moto over the wire, and answers that moto does not give.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::primitives::Blob;
use aws_sdk_secretsmanager::types::Tag;
use parking_lot::Mutex;
use qm_access::SecretStores;
use qm_core::config::{AwsAccess, SecretStore};
use qm_core::ports::access::{Secret, Secrets as _};
use qm_core::{Kind, Result, Retry};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::moto::{Moto, access};

/// What must be in no message.
const CANARY: &str = "hunter2-canary";

/// A store and whoever looks after it.
struct Cloud {
    moto: Moto,
    client: Client,
    stores: SecretStores,
}

impl Cloud {
    async fn start() -> Self {
        let moto = Moto::start();
        let config = qm_aws::sdk_config(&moto.access).await.unwrap();
        Self {
            moto,
            client: Client::new(&config),
            stores: SecretStores::default(),
        }
    }

    async fn put(&self, name: &str, value: &str, tags: &[(&str, &str)]) {
        let mut create = self.client.create_secret().name(name).secret_string(value);
        for (key, value) in tags {
            create = create.tags(Tag::builder().key(*key).value(*value).build());
        }
        create.send().await.unwrap();
    }

    async fn look_up(&self, name: &str, tags: &BTreeMap<String, String>) -> Result<Secret> {
        look_up(&self.stores, &self.moto.access, name, tags).await
    }

    async fn kind(&self, name: &str, tags: &BTreeMap<String, String>) -> Result<String, Kind> {
        self.look_up(name, tags)
            .await
            .map(|secret| secret.reveal().to_owned())
            .map_err(|error| error.kind())
    }
}

async fn look_up(
    stores: &SecretStores,
    access: &AwsAccess,
    name: &str,
    tags: &BTreeMap<String, String>,
) -> Result<Secret> {
    let store = SecretStore::Aws(access.clone());
    stores.look_up(&store, name, tags).await
}

fn push() -> BTreeMap<String, String> {
    [("service".to_owned(), "push".to_owned())].into()
}

#[tokio::test]
async fn foreign_a_secret_is_found_if_it_carries_the_tags_and_as_it_is_now() {
    let cloud = Cloud::start().await;
    cloud
        .put("sftp/acme", "old", &[("team", "a"), ("service", "push")])
        .await;
    cloud.put("sftp/untagged", CANARY, &[]).await;
    cloud
        .put("sftp/other", CANARY, &[("service", "pull")])
        .await;
    let binary = cloud.client.create_secret().name("sftp/binary");
    let binary = binary.secret_binary(Blob::new(CANARY));
    binary
        .tags(Tag::builder().key("service").value("push").build())
        .send()
        .await
        .unwrap();
    for (name, tags, expect) in [
        ("sftp/acme", push(), Ok("old")),
        ("sftp/acme", BTreeMap::new(), Ok("old")),
        ("sftp/untagged", push(), Err(Kind::Refused)),
        ("sftp/untagged", BTreeMap::new(), Ok(CANARY)),
        ("sftp/other", push(), Err(Kind::Refused)),
        ("sftp/binary", push(), Err(Kind::Invalid)),
        ("sftp/nobody", push(), Err(Kind::NotFound)),
        ("sftp/nobody", BTreeMap::new(), Err(Kind::NotFound)),
    ] {
        let found = cloud.kind(name, &tags).await;
        assert_eq!(found, expect.map(str::to_owned), "{name} {tags:?}");
    }

    let rotate = cloud.client.put_secret_value().secret_id("sftp/acme");
    rotate.secret_string("new").send().await.unwrap();
    assert_eq!(cloud.kind("sftp/acme", &push()).await.unwrap(), "new");
    let untag = cloud.client.untag_resource().secret_id("sftp/acme");
    untag.tag_keys("service").send().await.unwrap();
    assert_eq!(cloud.kind("sftp/acme", &push()).await, Err(Kind::Refused));
    let delete = cloud.client.delete_secret().secret_id("sftp/other");
    delete.send().await.unwrap();
    let deleted = cloud.kind("sftp/other", &BTreeMap::new()).await;
    assert_eq!(deleted, Err(Kind::NotFound));
}

/// Answers every request with the same; ends with the test's runtime.
async fn server(status: &'static str, body: String) -> AwsAccess {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let body = body.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                let _ = stream.read(&mut request).await;
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.1\r\n\
                     Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    access(&format!("http://{address}"))
}

#[tokio::test]
async fn foreign_what_the_service_refuses_is_told_with_its_remedy() {
    let tagged = push();
    let open = BTreeMap::new();
    for (status, code, tags, kind, words) in [
        (
            "400 Bad",
            "AccessDeniedException",
            &tagged,
            Kind::Refused,
            "secretsmanager:DescribeSecret",
        ),
        (
            "400 Bad",
            "AccessDeniedException",
            &open,
            Kind::Refused,
            "secretsmanager:GetSecretValue",
        ),
        (
            "400 Bad",
            "DecryptionFailure",
            &open,
            Kind::Refused,
            "kms:Decrypt",
        ),
        (
            "400 Bad",
            "ResourceNotFoundException",
            &tagged,
            Kind::NotFound,
            "region",
        ),
        (
            "400 Bad",
            "ThrottlingException",
            &open,
            Kind::Unavailable,
            "fewer requests",
        ),
        (
            "400 Bad",
            "ExpiredTokenException",
            &open,
            Kind::Unavailable,
            "renew the credentials",
        ),
        (
            "500 Broken",
            "InternalServiceError",
            &tagged,
            Kind::Unavailable,
            "try again later",
        ),
        (
            "503 Away",
            "",
            &tagged,
            Kind::Unavailable,
            "try again later",
        ),
    ] {
        let body = format!("{{\"__type\":\"{code}\",\"Message\":\"no\"}}");
        let access = server(status, body).await;
        let stores = SecretStores::default();
        let error = look_up(&stores, &access, "sftp/acme", tags)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {code}: {error:?}");
        let is_retried = error.retry_verdict() == Retry::Later;
        assert_eq!(is_retried, kind == Kind::Unavailable, "{error:?}");
        let told = format!("{error} {}", error.remedy().unwrap_or_default());
        assert!(told.contains(words), "{code}: {told}");
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// On one thread, so that all that is logged on the way is seen.
#[tokio::test]
async fn foreign_no_secret_is_in_a_log_line_an_error_or_a_debug_form() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // Of all threads: beside one of this thread alone, others may have it decided that nothing is logged.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let stores = SecretStores::default();
    let mut told = String::new();
    for body in [
        format!("{{\"Name\":\"sftp/acme\",\"SecretString\":\"{CANARY}\"}}"),
        format!("{{\"Name\":\"sftp/acme\",\"SecretString\":\"{CANARY}"),
        format!("{{\"Name\":\"sftp/acme\",\"SecretString\":{CANARY}}}"),
        format!("{{\"Name\":\"sftp/acme\",\"SecretBinary\":\"{CANARY}\"}}"),
    ] {
        let access = server("200 OK", body).await;
        match look_up(&stores, &access, "sftp/acme", &BTreeMap::new()).await {
            Ok(secret) => {
                assert_eq!(secret.reveal(), CANARY);
                write!(told, "{secret:?}").unwrap();
            }
            Err(error) => write!(told, "{error} {error:?} {:?}", error.remedy()).unwrap(),
        }
        write!(told, "{stores:?}").unwrap();
    }
    let logged = String::from_utf8(lines.0.lock().clone()).unwrap();
    assert!(logged.contains("GetSecretValue"), "nothing was logged");
    for text in [logged, told] {
        assert!(!text.contains(CANARY), "{text}");
    }
}
