//! A destination folder of its own for each test, and what a test asks about it.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use qm_connect::DirectoryConnector;
use qm_core::config::Directory;
use qm_core::delivery::{Delivery, DeliveryState, Effect, Outcome};
use qm_core::id::{
    ArrivalSeq, BucketName, DeliveryId, DestinationName, NodeName, RevisionNumber, RouteName,
    Sha256Digest, VersionId,
};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::Version;
use qm_core::ports::bucket::Content;
use qm_core::ports::connector::{Connector as _, Shipment};
use qm_core::ports::encryption::Envelope;
use qm_core::template::Facts;
use qm_core::{Error, Kind, Result};
use qm_testkit::outside::{MemoryContent, OpenFence};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) struct Share {
    _folder: tempfile::TempDir,
    pub(crate) root: PathBuf,
    pub(crate) config: Directory,
}

impl Share {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("share");
        fs::create_dir(&root).unwrap();
        let config = Directory {
            folder: root.clone(),
            uid: None,
            gid: None,
            mode: 0o664,
            folder_mode: 0o770,
        };
        Self {
            _folder: folder,
            root,
            config,
        }
    }

    pub(crate) fn connector(&self) -> DirectoryConnector {
        DirectoryConnector::new(&self.config)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A folder beside the share, which nothing may touch.
    pub(crate) fn outside(&self) -> PathBuf {
        let path = self.root.with_file_name("outside");
        fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) async fn deliver(&self, target: &str, bytes: &[u8]) -> Result<String> {
        let content = MemoryContent::new(bytes.to_vec());
        self.deliver_content(&delivery(target, bytes), &content)
            .await
    }

    pub(crate) async fn deliver_content(
        &self,
        delivery: &Delivery,
        content: &dyn Content,
    ) -> Result<String> {
        let shipment = shipment(delivery);
        ended(
            self.connector()
                .deliver(&shipment, content, &OpenFence)
                .await,
        )
    }

    /// Every name below the share, folders with a trailing `/`.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect(&self.root, "", &mut names);
        names.sort();
        names
    }
}

pub(crate) fn ended(outcome: Outcome) -> Result<String> {
    match outcome {
        Outcome::Delivered(note) => Ok(note),
        Outcome::Failed(error) => Err(error),
        Outcome::Loaded(load) => panic!("{}", load.note()),
        Outcome::Unclear(error) | Outcome::Rejected(error) => {
            panic!("no outcome of these connectors: {}", error.chain())
        }
    }
}

fn collect(folder: &Path, below: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{below}{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{name}/"), names);
            names.push(format!("{name}/"));
        } else {
            names.push(name);
        }
    }
}

/// A delivery of `bytes` to `target`; the same arguments give the same delivery.
pub(crate) fn delivery(target: &str, bytes: &[u8]) -> Delivery {
    let sha256 = digest(bytes);
    let mut random = [0; 16];
    random.copy_from_slice(&sha256.0[..16]);
    let version = Version {
        id: VersionId::from_parts(1, u128::from_be_bytes(random) >> 48),
        size_bytes: bytes.len() as u64,
        sha256,
        identity: String::new(),
        staged: None,
        received_at: Timestamp::UNIX_EPOCH,
    };
    let (route, destination) = (
        RouteName::parse("copy").unwrap(),
        DestinationName::parse("share").unwrap(),
    );
    Delivery {
        id: DeliveryId::derive(version.id, &route, &destination),
        arrival: ArrivalSeq(1),
        source: ObjectPath {
            bucket: BucketName::parse("landing").unwrap(),
            key: ObjectKey::parse("north/a.csv").unwrap(),
        },
        version,
        route,
        destination,
        target: target.to_owned(),
        effect: Effect::Put,
        state: DeliveryState::Running {
            node: NodeName::parse("here").unwrap(),
        },
        attempts: 1,
        possible_duplicate: false,
        fence: 1,
        last_error: None,
        revision: RevisionNumber(1),
        arrived_at: Timestamp::UNIX_EPOCH,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

/// What a connector is given of it.
pub(crate) fn shipment(delivery: &Delivery) -> Shipment<'_> {
    Shipment {
        delivery,
        target: &delivery.target,
        facts: Facts {
            path: &delivery.source,
            partner: None,
            arrived_at: delivery.arrived_at,
        },
        pace: None,
        progress: None,
    }
}

fn digest(bytes: &[u8]) -> Sha256Digest {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    Sha256Digest(digest.as_ref().try_into().unwrap())
}

/// Content that looks at the share while it is read, and may break off.
pub(crate) struct WatchedContent {
    pub(crate) bytes: MemoryContent,
    pub(crate) must_not_exist: PathBuf,
    pub(crate) breaks_at: Option<u64>,
}

#[async_trait]
impl Content for WatchedContent {
    fn size_bytes(&self) -> u64 {
        self.bytes.size_bytes()
    }

    fn envelope(&self) -> Option<&Envelope> {
        None
    }

    async fn read(&self, offset: u64, length: u32) -> Result<Bytes> {
        assert!(
            !self.must_not_exist.exists(),
            "visible before it was whole: {}",
            self.must_not_exist.display()
        );
        if self.breaks_at.is_some_and(|end| offset >= end) {
            return Err(Error::new(Kind::Unavailable, "the disk broke"));
        }
        self.bytes.read(offset, length).await
    }
}
