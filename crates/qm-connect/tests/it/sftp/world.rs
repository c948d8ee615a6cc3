//! Deliveries for tests, and the connector that carries them out.

use jiff::Timestamp;
use qm_connect::{Patience, SftpConnector};
use qm_core::config::Sftp;
use qm_core::delivery::{Delivery, DeliveryState, Effect, Outcome};
use qm_core::id::{
    ArrivalSeq, BucketName, DeliveryId, DestinationName, NodeName, RevisionNumber, RouteName,
    Sha256Digest, VersionId,
};
use qm_core::name::{ObjectKey, ObjectPath};
use qm_core::operation::Version;
use qm_core::ports::access::Secret;
use qm_core::ports::bucket::Content;
use qm_core::ports::connector::{Connector as _, Shipment};
use qm_core::template::{Facts, Template};
use qm_core::{Error, Result};
use qm_testkit::outside::{MemoryContent, OpenFence};
use std::time::{Duration, Instant};

/// Longer than anything takes that works; a test that waits so long has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// Of the connector, where the server is silent on purpose.
pub(crate) const SHORT: Duration = Duration::from_millis(400);

/// A destination at this port, to be completed.
pub(crate) fn config(port: u16, host_key: &str) -> Sftp<Secret> {
    Sftp {
        host: "127.0.0.1".to_owned(),
        port,
        user: "root".to_owned(),
        private_key: None,
        passphrase: None,
        password: None,
        host_keys: vec![host_key.to_owned()],
        folder: Template::parse(".").unwrap(),
        create_folders: false,
        proxy: None,
        source_address: None,
    }
}

pub(crate) fn connector(config: Sftp<Secret>) -> SftpConnector {
    SftpConnector::new(config, 4).unwrap()
}

/// A connector that soon gives up a server that does not move.
pub(crate) fn impatient(config: Sftp<Secret>) -> SftpConnector {
    connector(config).with_patience(Patience {
        connect: SHORT,
        login: Duration::from_secs(5),
        request: SHORT,
    })
}

/// A delivery of `bytes` to `target`; the same arguments give the same delivery.
pub(crate) fn delivery(target: &str, bytes: &[u8]) -> Delivery {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let sha256 = Sha256Digest(digest.as_ref().try_into().unwrap());
    let mut random = [0; 16];
    random.copy_from_slice(&sha256.0[..16]);
    let version = Version {
        id: VersionId::from_parts(1, u128::from_be_bytes(random) >> 48),
        size_bytes: bytes.len() as u64,
        sha256,
        identity: String::new(),
        staged: None,
        received_at: Timestamp::from_second(1_700_000_000).unwrap(),
    };
    let (route, destination) = (
        RouteName::parse("push").unwrap(),
        DestinationName::parse("bank").unwrap(),
    );
    Delivery {
        id: DeliveryId::derive(version.id, &route, &destination),
        arrival: ArrivalSeq(1),
        source: ObjectPath {
            bucket: BucketName::parse("staging").unwrap(),
            key: ObjectKey::parse("north/in/a.csv").unwrap(),
        },
        version,
        route,
        destination,
        target: target.to_owned(),
        effect: Effect::Put,
        state: DeliveryState::Running {
            node: NodeName::parse("one").unwrap(),
        },
        attempts: 1,
        possible_duplicate: false,
        fence: 1,
        last_error: None,
        revision: RevisionNumber(1),
        arrived_at: Timestamp::from_second(1_700_000_000).unwrap(),
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

/// What the engine hands to a connector.
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

pub(crate) async fn deliver(
    connector: &SftpConnector,
    target: &str,
    bytes: &[u8],
) -> Result<String> {
    let content = MemoryContent::new(bytes.to_vec());
    let delivery = delivery(target, bytes);
    ended(deliver_content(connector, &delivery, &content).await)
}

pub(crate) async fn deliver_content(
    connector: &SftpConnector,
    delivery: &Delivery,
    content: &dyn Content,
) -> Outcome {
    let shipment = shipment(delivery);
    let delivering = connector.deliver(&shipment, content, &OpenFence);
    tokio::time::timeout(DEADLINE, delivering).await.unwrap()
}

pub(crate) async fn is_delivered(connector: &SftpConnector, delivery: &Delivery) -> Result<bool> {
    connector.is_delivered(&shipment(delivery)).await
}

/// An end that is known.
pub(crate) fn ended(outcome: Outcome) -> Result<String> {
    match outcome {
        Outcome::Delivered(note) => Ok(note),
        Outcome::Failed(error) => Err(error),
        Outcome::Loaded(load) => panic!("{}", load.note()),
        Outcome::Unclear(error) | Outcome::Rejected(error) => panic!("{error:?}"),
    }
}

pub(crate) fn unclear(outcome: Outcome) -> Error {
    match outcome {
        Outcome::Unclear(error) => error,
        Outcome::Delivered(note) => panic!("{note}"),
        Outcome::Loaded(load) => panic!("{}", load.note()),
        Outcome::Failed(error) | Outcome::Rejected(error) => panic!("{error:?}"),
    }
}

/// Bytes of which no two parts are the same.
pub(crate) fn content(size_bytes: usize) -> Vec<u8> {
    let words =
        (0_u64..).flat_map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes());
    words.take(size_bytes).collect()
}

/// Waits for a state; fails when it does not come.
pub(crate) async fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
