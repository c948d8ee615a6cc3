//! A key of AWS KMS, over the wire.

use anyhow::{Context as _, ensure};
use jiff::SignedDuration;
use qm_access::EncryptionKeyStore;
use qm_core::Kind;
use qm_core::config::{AwsAccess, EncryptionKey};
use qm_core::error::Retry;
use qm_core::id::{EncryptionKeyName, VersionId};
use qm_core::ports::encryption::{EncryptionKeys as _, Envelope};
use qm_e2e::{HttpProxy, Moto};
use qm_testkit::TestClock;
use serde_json::json;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::support::Outcome;

const CACHE: Duration = Duration::from_mins(5);

/// A KMS with a key behind `alias/landing`, and what passes on the way to it.
struct Cloud {
    moto: Moto,
    proxy: HttpProxy,
    clock: TestClock,
    folder: tempfile::TempDir,
}

impl Cloud {
    fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let moto = Moto::start(folder.path())?;
        let cloud = Self {
            proxy: HttpProxy::start(moto.address())?,
            moto,
            clock: TestClock::at("2026-11-20T12:00:00Z"),
            folder,
        };
        let alias = json!({"AliasName": "alias/landing", "TargetKeyId": cloud.new_key()?});
        cloud.moto.kms("CreateAlias", &alias)?;
        Ok(cloud)
    }

    fn new_key(&self) -> anyhow::Result<String> {
        let made = self.moto.kms("CreateKey", &json!({}))?;
        let id = made["KeyMetadata"]["KeyId"].as_str();
        Ok(id.context("a key has an id")?.to_owned())
    }

    /// A node that just started: nothing is cached.
    fn node(&self) -> EncryptionKeyStore {
        let folder = self.folder.path().join("encryption-keys");
        let store = EncryptionKeyStore::new(folder, Arc::new(self.clock.clone()));
        let key = EncryptionKey::AwsKms {
            key_id: "alias/landing".to_owned(),
            access: AwsAccess {
                endpoint: Some(self.proxy.url()),
                region: Some("us-east-1".to_owned()),
                ..AwsAccess::default()
            },
            cache: CACHE,
        };
        store.update(&[(name("landing"), key.clone()), (name("other"), key)].into());
        store
    }

    /// How often a key was made and opened there since the last call.
    fn calls(&self) -> (usize, usize) {
        let count = |operation| self.proxy.take_count(operation);
        (count("GenerateDataKey"), count("Decrypt"))
    }
}

fn name(text: &str) -> EncryptionKeyName {
    EncryptionKeyName::parse(text).expect("tests write valid names")
}

async fn seal(node: &EncryptionKeyStore, number: u128) -> qm_core::Result<([u8; 32], Envelope)> {
    let version = VersionId::from_parts(1, number);
    let (key, envelope) = node.seal(&name("landing"), version).await?;
    Ok((*key.reveal(), envelope))
}

async fn open(node: &EncryptionKeyStore, envelope: &Envelope) -> qm_core::Result<[u8; 32]> {
    node.open(envelope).await.map(|key| *key.reveal())
}

#[tokio::test]
async fn foreign_kms_is_asked_once_for_many_versions_until_the_cache_is_over() -> Outcome {
    let cloud = Cloud::start()?;
    let node = cloud.node();
    let mut sealed = Vec::new();
    for number in 0..10 {
        sealed.push(seal(&node, number).await?);
    }
    for (key, envelope) in &sealed {
        ensure!(
            open(&node, envelope).await? == *key,
            "another key came back"
        );
        envelope.encode()?;
    }
    assert_eq!(cloud.calls(), (1, 0));

    let restarted = cloud.node();
    for (key, envelope) in &sealed {
        ensure!(
            open(&restarted, envelope).await? == *key,
            "another key came back"
        );
    }
    assert_eq!(cloud.calls(), (0, 1));

    cloud.clock.advance(SignedDuration::from_secs(299));
    open(&node, &sealed[0].1).await?;
    seal(&node, 11).await?;
    assert_eq!(cloud.calls(), (0, 0));
    cloud.clock.advance(SignedDuration::from_secs(1));
    open(&node, &sealed[0].1).await?;
    seal(&node, 12).await?;
    assert_eq!(cloud.calls(), (1, 1));

    for number in 0..10_000 {
        seal(&node, number).await?;
    }
    assert_eq!(cloud.calls(), (1, 0));
    Ok(())
}

/// moto goes on using a disabled key, so the answers of AWS are put in between.
#[tokio::test]
async fn foreign_kms_key_that_is_disabled_or_deleted_there_is_told_plainly() -> Outcome {
    let cloud = Cloud::start()?;
    let node = cloud.node();
    let (key, envelope) = seal(&node, 1).await?;
    for (code, expect) in [
        (
            "DisabledException",
            "encryption key `landing` is disabled in AWS KMS",
        ),
        (
            "KMSInvalidStateException",
            "encryption key `landing` cannot be used in AWS KMS: it waits for its deletion or for its material",
        ),
    ] {
        cloud.proxy.fail(2, code);
        ensure!(
            open(&node, &envelope).await? == key,
            "the cache is not used"
        );
        seal(&node, 2).await?;
        cloud.clock.advance(SignedDuration::try_from(CACHE)?);
        node.tend()?;
        for error in [
            seal(&node, 2).await.unwrap_err(),
            open(&node, &envelope).await.unwrap_err(),
        ] {
            assert_eq!(error.public_message(), expect);
            assert_eq!(
                (error.kind(), error.retry_verdict()),
                (Kind::Unavailable, Retry::Later)
            );
        }
        ensure!(
            open(&node, &envelope).await? == key,
            "another key came back"
        );
        seal(&node, 3).await?;
    }
    Ok(())
}

#[tokio::test]
async fn foreign_kms_that_throttles_is_asked_again() -> Outcome {
    let cloud = Cloud::start()?;
    cloud.proxy.fail(2, "ThrottlingException");
    let (key, envelope) = seal(&cloud.node(), 1).await?;
    assert_eq!(cloud.calls(), (3, 0));
    cloud.proxy.fail(1, "ThrottlingException");
    ensure!(
        open(&cloud.node(), &envelope).await? == key,
        "another key came back"
    );
    assert_eq!(cloud.calls(), (0, 2));

    cloud.proxy.fail(4, "ThrottlingException");
    let error = seal(&cloud.node(), 2).await.unwrap_err();
    ensure!(
        error.public_message().contains("asks for fewer requests"),
        "{error:?}"
    );
    assert_eq!(error.retry_verdict(), Retry::Later);
    Ok(())
}

#[tokio::test]
async fn foreign_kms_errors_are_told_in_plain_words() -> Outcome {
    let cloud = Cloud::start()?;
    let (_, envelope) = seal(&cloud.node(), 1).await?;
    for (code, expect) in [
        (
            "AccessDeniedException",
            "AWS KMS refuses access to encryption key `landing`",
        ),
        (
            "NotFoundException",
            "AWS KMS does not have the key of encryption key `landing`",
        ),
        (
            "UnrecognizedClientException",
            "AWS KMS does not accept the credentials",
        ),
        (
            "SomethingNewException",
            "AWS KMS could not do this; please try again later",
        ),
    ] {
        cloud.proxy.fail(2, code);
        for error in [
            seal(&cloud.node(), 2).await.unwrap_err(),
            open(&cloud.node(), &envelope).await.unwrap_err(),
        ] {
            assert_eq!(error.public_message(), expect);
            assert_eq!(error.kind(), Kind::Unavailable);
        }
    }
    // A ciphertext of one name opens under no other: the context differs.
    let mut moved = envelope.clone();
    moved.encryption_key = name("other");
    let error = open(&cloud.node(), &moved).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "{error:?}");
    for at in 0..envelope.wrapping.len() {
        let mut changed = envelope.clone();
        changed.wrapping[at] ^= 1;
        ensure!(
            open(&cloud.node(), &changed).await.is_err(),
            "byte {at} may be changed"
        );
    }
    Ok(())
}

#[tokio::test]
async fn foreign_kms_alias_that_moved_leaves_old_versions_readable_until_they_are_rewrapped()
-> Outcome {
    let cloud = Cloud::start()?;
    let (key, old) = seal(&cloud.node(), 1).await?;
    assert_eq!(cloud.node().rewrap(&old).await?, None);
    let alias = json!({"AliasName": "alias/landing", "TargetKeyId": cloud.new_key()?});
    cloud.moto.kms("UpdateAlias", &alias)?;
    let node = cloud.node();
    ensure!(open(&node, &old).await? == key, "another key came back");
    let new = node.rewrap(&old).await?.context("the key is another one")?;
    assert_eq!(node.rewrap(&new).await?, None);
    ensure!(
        open(&cloud.node(), &new).await? == key,
        "another key came back"
    );
    Ok(())
}

/// What a log at its most talkative says.
#[derive(Clone, Default)]
struct Said(Arc<parking_lot::Mutex<Vec<u8>>>);

impl io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn foreign_kms_plaintext_is_in_no_log() -> Outcome {
    let cloud = Cloud::start()?;
    let said = Said::default();
    let writer = said.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (_, envelope) = runtime.block_on(seal(&cloud.node(), 1))?;
    runtime.block_on(open(&cloud.node(), &envelope))?;
    let said = String::from_utf8_lossy(&said.0.lock()).into_owned();
    ensure!(
        said.contains("GenerateDataKey"),
        "nothing was logged:\n{said}"
    );
    let mut plaintexts = 0;
    for answer in cloud.proxy.answers() {
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .context("an answer has a body")?;
        let body: serde_json::Value = serde_json::from_str(body)?;
        let plaintext = body["Plaintext"].as_str().context("a key in clear")?;
        ensure!(!said.contains(plaintext), "the key is in the log");
        plaintexts += 1;
    }
    assert_eq!(plaintexts, 2);
    Ok(())
}
