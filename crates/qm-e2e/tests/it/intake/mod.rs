//! Intake on a real directory bucket: what clients do that no ordinary client does in order.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod committing;
mod resuming;
mod rights;
mod rows;
mod sources;
mod workbooks;

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use qm_core::account::{Account, Declared, MailboxRoot, SshPublicKey, Verb};
use qm_core::config::{AwsAccess, S3Encryption, S3Place};
use qm_core::file_type::FileType;
use qm_core::id::{AccountName, BucketName, NotifierName, PartnerName};
use qm_core::name::{MailboxPath, Prefix};
use qm_core::ports::access::Principal;
use qm_core::ports::bucket::{Bucket, Chunk};
use qm_core::ports::ledger::Ledger;
use qm_core::ports::ledger::{Arrivals as _, Names as _};
use qm_core::ports::mailbox::{Mailbox, Mailboxes as _, Upload, WriteOptions};
use qm_e2e::S3Server;
use qm_intake::{Intake, Parts, Rules};
use qm_store::{Arena, DirectoryBucket, Durability, S3Bucket, S3Contents, S3Limits, S3Options};
use qm_testkit::{MemoryLedger, TestClock, TestIdentifiers};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f test";
const CREATE: WriteOptions = WriteOptions {
    truncate: true,
    ..RESUME
};
const RESUME: WriteOptions = WriteOptions {
    create: true,
    exclusive: false,
    truncate: false,
    append: false,
    read: false,
    size_hint: None,
    attributes: qm_core::ports::bucket::Attributes {
        modified: None,
        mode: None,
    },
};

/// A mailbox on a bucket of its own.
struct Desk {
    mailbox: Arc<dyn Mailbox>,
    ledger: MemoryLedger,
    folder: tempfile::TempDir,
    /// Where objects lie as files.
    objects: PathBuf,
}

impl Desk {
    async fn that_may(verbs: &[Verb], types: Option<&[&str]>) -> Self {
        Self::of(verbs, types, vec![]).await
    }

    async fn of(verbs: &[Verb], types: Option<&[&str]>, declare: Vec<Declared>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bucket = DirectoryBucket::open(folder.path(), Durability::Full).unwrap();
        let objects = folder.path().to_owned();
        let types = types.map(|types| types.iter().map(|t| FileType::parse(t).unwrap()).collect());
        let rules = Fixed {
            may: verbs.iter().copied().collect(),
            types,
            declare,
        };
        Self::on(Arc::new(bucket), rules, folder, objects).await
    }

    /// On an S3 server.
    async fn on_s3(server: &S3Server, declare: Vec<Declared>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let objects = server.make_bucket("landing")?;
        let place = S3Place {
            bucket: "landing".to_owned(),
            prefix: Prefix::default(),
            access: AwsAccess {
                endpoint: Some(server.endpoint()),
                region: Some("us-east-1".to_owned()),
                ..AwsAccess::default()
            },
            path_style: true,
            encryption: S3Encryption::BucketDefault,
            checksums: false,
            tags: BTreeMap::new(),
        };
        let options = S3Options {
            arena: Arena::open(64 << 20, &folder.path().join("spill"))?,
            contents: S3Contents::Clear,
            limits: S3Limits::default(),
        };
        let bucket = S3Bucket::open(&place, options).await?;
        let rules = Fixed {
            may: Verb::ALL.into(),
            types: None,
            declare,
        };
        Ok(Self::on(Arc::new(bucket), rules, folder, objects).await)
    }

    async fn on(
        bucket: Arc<dyn Bucket>,
        rules: Fixed,
        folder: tempfile::TempDir,
        objects: PathBuf,
    ) -> Self {
        let ledger = MemoryLedger::new();
        let mailbox = mailbox(bucket, Arc::new(ledger.clone()), rules).await;
        Self {
            mailbox,
            ledger,
            folder,
            objects,
        }
    }

    async fn all() -> Self {
        Self::that_may(&Verb::ALL, None).await
    }

    async fn open(&self, name: &str, options: WriteOptions) -> qm_core::Result<Box<dyn Upload>> {
        self.mailbox.write(&path(name), options).await
    }

    async fn put(&self, name: &str, text: &str) -> qm_core::Result<()> {
        let mut upload = self.open(name, CREATE).await?;
        upload.write(vec![chunk(0, text)]).await?;
        upload.commit().await
    }

    fn on_disk(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.objects.join(name)).ok()
    }

    async fn arrivals(&self) -> usize {
        // Nothing is unfinished, so what is listed has arrived.
        while !self.ledger.pending().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        self.ledger.latest(100).await.unwrap().len()
    }
}

async fn mailbox(
    bucket: Arc<dyn Bucket>,
    ledger: Arc<dyn Ledger>,
    rules: Fixed,
) -> Arc<dyn Mailbox> {
    let intake = Intake::new(Parts {
        ledger,
        is_shared: false,
        buckets: Arc::new(BTreeMap::from([(bucket_name(), bucket)])),
        rules: Arc::new(rules),
        clock: Arc::new(TestClock::at("2026-11-20T12:00:00Z")),
        identifiers: Arc::new(TestIdentifiers::new(1)),
    });
    let account = AccountName::parse("north").unwrap();
    let principal = Principal {
        account,
        key: SshPublicKey::parse(KEY).unwrap(),
    };
    intake
        .open(&principal, [127, 0, 0, 1].into())
        .await
        .unwrap()
}

pub(crate) struct Fixed {
    pub(crate) may: BTreeSet<Verb>,
    pub(crate) types: Option<Vec<FileType>>,
    pub(crate) declare: Vec<Declared>,
}

impl Rules for Fixed {
    fn account(&self, name: &AccountName) -> Option<Arc<Account>> {
        Some(Arc::new(Account {
            name: name.clone(),
            partner: PartnerName::parse("north").unwrap(),
            ssh_keys: vec![],
            networks: vec![],
            mailbox: MailboxRoot {
                bucket: bucket_name(),
                prefix: Prefix::default(),
            },
            home: Prefix::default(),
            may: self.may.clone(),
            types: self.types.clone(),
            temp_suffixes: vec![],
            declare: self.declare.clone(),
        }))
    }

    fn told_of_faults(&self) -> Vec<NotifierName> {
        vec![]
    }

    fn keeps_versions(&self, _: &BucketName) -> bool {
        false
    }

    fn is_watched(&self, _: &BucketName) -> bool {
        false
    }

    fn buckets(&self) -> Vec<BucketName> {
        vec![bucket_name()]
    }
}

pub(crate) fn bucket_name() -> BucketName {
    BucketName::parse("landing").unwrap()
}

fn path(name: &str) -> MailboxPath {
    MailboxPath::parse(name.as_bytes()).unwrap()
}

fn chunk(offset: u64, text: &str) -> Chunk {
    Chunk {
        offset,
        bytes: Bytes::copy_from_slice(text.as_bytes()),
    }
}
